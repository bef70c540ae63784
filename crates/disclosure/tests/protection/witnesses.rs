//! The stored witnesses, put to the facts.

use std::collections::BTreeMap;

use disclosure::{Axis, Changes, Facts, Key, Label, Number, Place, Policy, Release, Series};
use proptest::prelude::*;

use crate::one_release::{build, facts};
use crate::province::province;

type Table = BTreeMap<Key, i64>;

fn table(facts: &Facts) -> Table {
    let cells = facts.places().iter().filter_map(|place| match place {
        Place::Cell(key) => {
            Some((key.clone(), facts.entries(place).iter().map(|entry| i64::from(entry.doses)).sum()))
        }
        Place::Excluded(_) => None,
    });
    cells.collect()
}

/// The release that these counts would give: the same rows, the same hidden.
fn released(table: &Table, like: &Release) -> String {
    let mut release = like.clone();
    release.total = like.total.map(|_| table.values().sum());
    for row in &mut release.cells {
        row.count = row.count.map(|_| table[&row.key]);
    }
    for row in release.margins.iter_mut().flat_map(|table| &mut table.rows) {
        let inside = |key: &Key| {
            key.vaccine == row.vaccine
                && row.label.as_ref().is_none_or(|label| key.label(label.axis()) == *label)
        };
        row.count =
            row.count.map(|_| table.iter().filter(|(key, _)| inside(key)).map(|(_, doses)| doses).sum());
    }
    serde_json::to_string(&release).unwrap()
}

fn changed(truth: &Table, series: &Series, changes: &Changes) -> Table {
    let mut table = truth.clone();
    for (position, change) in changes {
        *table.get_mut(&series.pattern().cells[*position]).unwrap() += change;
    }
    table
}

/// The doses and the cells of a hidden number.
fn size(table: &Table, series: &Series, number: Number) -> (i64, i64) {
    let pattern = series.pattern();
    let inside = |key: &Key| match number {
        Number::Cell(cell) => *key == pattern.cells[cell],
        Number::Vaccine(vaccine) => key.vaccine == pattern.vaccines[vaccine],
        Number::Margin(margin) => {
            let margin = &pattern.margins[margin];
            key.vaccine == margin.vaccine && key.label(margin.label.axis()) == margin.label
        }
    };
    let doses: Vec<i64> = table.iter().filter(|(key, _)| inside(key)).map(|(_, doses)| *doses).collect();
    (doses.iter().sum(), i64::try_from(doses.len()).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn each_gives_the_same_bytes(facts in facts(3, 400), k in 3..21u32) {
        let facts = build(&facts);
        let (series, release) = Series::first(&facts, Policy::new(k).unwrap());
        let truth = table(&facts);
        let bytes = serde_json::to_string(&release).unwrap();
        prop_assert_eq!(&released(&truth, &release), &bytes);
        for proof in &series.pattern().proofs {
            let up = changed(&truth, &series, &proof.witness.up);
            let down = changed(&truth, &series, &proof.witness.down);
            prop_assert!(up.values().chain(down.values()).all(|doses| *doses >= 1));
            prop_assert_eq!(&released(&up, &release), &bytes);
            prop_assert_eq!(&released(&down, &release), &bytes);
            prop_assert!(size(&up, &series, proof.number).0 >= i64::from(k));
            let (doses, cells) = size(&down, &series, proof.number);
            prop_assert_eq!(doses, cells);
        }
    }
}

#[test]
fn each_keeps_the_sums_of_a_province() {
    let facts = province(2_000, 7).build();
    let (series, release) = Series::first(&facts, Policy::default());
    let pattern = series.pattern();
    let truth = table(&facts);
    assert!(release.total.is_some());
    assert!(pattern.proofs.len() > 1_000);
    for changes in pattern.proofs.iter().flat_map(|proof| [&proof.witness.up, &proof.witness.down]) {
        let mut sums: BTreeMap<(&str, Option<Label>), i64> = BTreeMap::new();
        for (position, change) in changes {
            let key = &pattern.cells[*position];
            assert!(truth[key] + change >= 1);
            *sums.entry((&key.vaccine, None)).or_default() += change;
            for axis in Axis::ALL {
                *sums.entry((&key.vaccine, Some(key.label(axis)))).or_default() += change;
            }
        }
        for ((vaccine, label), change) in &sums {
            let hidden = match label {
                None => pattern.hides_vaccine(vaccine),
                Some(label) => pattern.hides_margin(vaccine, label),
            };
            assert!(hidden || *change == 0, "{vaccine} {label:?} by {change}");
        }
        assert_eq!(changes.iter().map(|(_, change)| change).sum::<i64>(), 0);
    }
}
