//! A witness put to its table once more, by nothing but sums: the search that found it need not be trusted.

use std::collections::BTreeMap;

use crate::policy::Policy;
use crate::table::Table;
use crate::witness::{Changes, Target, Witness};

/// Whether a witness changes hidden cells only, keeps them from being empty, keeps every shown sum, and reaches what it
/// is to reach.
pub(crate) fn holds(table: &Table<'_>, policy: Policy, target: Target, witness: &Witness) -> bool {
    let cells = target.cells(table);
    let reaches = |changes: &Changes| -> i64 {
        let before: i64 = cells.iter().map(|cell| table.cells[*cell].doses).sum();
        let inside = changes.iter().filter(|(cell, _)| target.holds(table, *cell));
        before + inside.map(|(_, change)| change).sum::<i64>()
    };
    let least = reaches(&witness.down);
    is_possible(table, &witness.up)
        && is_possible(table, &witness.down)
        && reaches(&witness.up) >= policy.doses()
        && usize::try_from(least).is_ok_and(|least| least == cells.len())
}

fn is_possible(table: &Table<'_>, changes: &Changes) -> bool {
    let keeps_cells = changes
        .iter()
        .all(|(cell, change)| table.hidden.cells[*cell] && table.cells[*cell].doses + change >= 1);
    let keeps_total = changes.iter().map(|(_, change)| change).sum::<i64>() == 0;
    keeps_cells && keeps_total && (0..4).all(|axis| keeps_margins(table, axis, changes))
}

fn keeps_margins(table: &Table<'_>, axis: usize, changes: &Changes) -> bool {
    let mut sums: BTreeMap<usize, i64> = BTreeMap::new();
    for (cell, change) in changes {
        *sums.entry(table.cells[*cell].labels[axis]).or_default() += change;
    }
    sums.into_iter().all(|(label, sum)| sum == 0 || table.hidden.margins[axis][label])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell::Key;
    use crate::complement::protect;
    use crate::facts::FactsBuilder;
    use crate::primary;
    use crate::table::by_vaccine;

    #[test]
    fn a_wrong_witness_is_found_out() {
        let mut builder = FactsBuilder::new();
        for (cell, doses) in (0..).zip([3, 20, 30, 40]) {
            for person in 0..doses {
                let key = Key {
                    vaccine: "MMR".to_owned(),
                    year: Some(2020 + cell / 2),
                    age: (cell % 2).to_string(),
                    sex: "All".to_owned(),
                    dose: "1".to_owned(),
                };
                builder.add_to_cell(key, person, 1);
            }
        }
        let facts = builder.build();
        let policy = Policy::default();
        let mut table = Table::new(&facts, by_vaccine(&facts).remove(0), policy);
        primary::hide(&mut table);
        let proofs = protect(&mut table, policy);
        let [(target, right)] = proofs.as_slice() else { panic!("{proofs:?}") };
        assert_eq!(right.up, [(0, 2), (1, -2), (2, -2), (3, 2)]);
        assert!(holds(&table, policy, *target, right));

        let wrong = [
            vec![(0, 1), (1, -1), (2, -1), (3, 1)],
            vec![(0, 2), (1, -2)],
            vec![(0, 20), (1, -20), (2, -20), (3, 20)],
            vec![(0, 2)],
        ];
        for up in wrong {
            assert!(!holds(&table, policy, *target, &Witness { up, down: right.down.clone() }));
        }
        assert!(!holds(&table, policy, *target, &Witness { up: right.up.clone(), down: Changes::new() }));
        table.hidden.cells[3] = false;
        assert!(!holds(&table, policy, *target, right));
    }
}
