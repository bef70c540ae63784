//! The rules that every release keeps, seen in its own numbers and in the facts behind them.

use std::collections::BTreeSet;

use disclosure::{Axis, Count, Facts, Key, Place, Release};

/// Names every number that breaks a rule: shown though small, or with a hidden part that is small.
pub fn broken(facts: &Facts, release: &Release) -> Vec<String> {
    let k = release.policy.threshold() as usize;
    let persons = |keys: &[&Key]| -> usize {
        let places = keys.iter().map(|key| Place::Cell((*key).clone()));
        let all: BTreeSet<u64> =
            places.flat_map(|place| facts.entries(&place).to_vec()).map(|e| e.person).collect();
        all.len()
    };
    let doses = |keys: &[&Key]| -> i64 {
        let places = keys.iter().map(|key| Place::Cell((*key).clone()));
        places.flat_map(|place| facts.entries(&place).to_vec()).map(|e| i64::from(e.doses)).sum()
    };
    let mut found = Vec::new();
    let mut weigh = |name: String, count: Count, keys: &[&Key]| {
        let Some(count) = count else { return };
        let is_small =
            |persons: usize, doses: i64| doses > 0 && (persons < k || doses < k.try_into().unwrap());
        if count != doses(keys) || is_small(persons(keys), count) {
            found.push(format!("{name} is shown as {count}"));
        }
        let is_hidden = |key: &&Key| release.cells.iter().any(|row| row.key == **key && row.count.is_none());
        let hidden: Vec<&Key> = keys.iter().copied().filter(is_hidden).collect();
        if is_small(persons(&hidden), doses(&hidden)) {
            found.push(format!("the hidden part of {name} is small"));
        }
    };
    let all: Vec<&Key> = release.cells.iter().map(|row| &row.key).collect();
    for row in &release.cells {
        weigh(format!("{:?}", row.key), row.count, &[&row.key]);
    }
    for row in release.margins.iter().flat_map(|table| &table.rows) {
        let inside = |key: &&Key| {
            key.vaccine == row.vaccine
                && row.label.as_ref().is_none_or(|label| key.label(label.axis()) == *label)
        };
        let keys: Vec<&Key> = all.iter().copied().filter(inside).collect();
        weigh(format!("{row:?}"), row.count, &keys);
    }
    // the hidden sums of an axis are known together, where the total of the vaccine is shown
    for (number, axis) in Axis::ALL.into_iter().enumerate() {
        for total in release.margins[4].rows.iter().filter(|total| total.count.is_some()) {
            let sums = release.margins[number].rows.iter();
            let hidden: Vec<_> =
                sums.filter(|row| row.vaccine == total.vaccine && row.count.is_none()).collect();
            let inside = |key: &&Key| {
                hidden.iter().any(|row| row.vaccine == key.vaccine && row.label == Some(key.label(axis)))
            };
            let keys: Vec<&Key> = all.iter().copied().filter(inside).collect();
            weigh(format!("the rest of {axis:?} in {}", total.vaccine), Some(doses(&keys)), &keys);
        }
    }
    let totals = release.margins[4].rows.iter().filter(|row| row.count.is_none());
    let rest: BTreeSet<&str> = totals.map(|row| row.vaccine.as_str()).collect();
    let keys: Vec<&Key> = all.iter().copied().filter(|key| rest.contains(key.vaccine.as_str())).collect();
    weigh("the total".to_owned(), release.total, &all);
    weigh("the rest of the total".to_owned(), release.total.and(Some(doses(&keys))), &keys);
    found
}
