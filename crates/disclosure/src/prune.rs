//! Showing again what later steps made needless.

use crate::complement::MARGIN_WEIGHT;
use crate::index::Index;
use crate::parts;
use crate::policy::Policy;
use crate::table::Table;
use crate::witness::{Target, Trial, Witness, prove};

/// Something that is hidden for the sake of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Item {
    Margin { axis: usize, label: usize },
    Cell(usize),
}

/// Shows complementary cells and margins again, the dearest first, wherever all proofs can do without them.
pub(crate) fn prune(table: &mut Table<'_>, proofs: &mut [(Target, Witness)], policy: Policy) {
    let mut index = None;
    let mut trial = Trial::new(table);
    for item in items(table) {
        set(table, item, false);
        if !parts_are_fine(table, item, policy) {
            set(table, item, true);
            continue;
        }
        let users: Vec<usize> =
            (0..proofs.len()).filter(|proof| uses(table, &proofs[*proof].1, item)).collect();
        update(&mut index, item, Index::show);
        if users.is_empty() {
            continue;
        }
        let current = index.get_or_insert_with(|| Index::new(table));
        let mut found = Vec::with_capacity(users.len());
        for user in &users {
            let missing = prove(table, current, policy, proofs[*user].0, &mut trial);
            let witness = trial.take();
            if !missing.is_nothing() {
                break;
            }
            found.push(witness);
        }
        if found.len() == users.len() {
            for (user, witness) in users.into_iter().zip(found) {
                proofs[user].1 = witness;
            }
        } else {
            set(table, item, true);
            update(&mut index, item, Index::hide);
        }
    }
}

/// Keeps the index in step; where labels change it is made anew when it is needed.
fn update(index: &mut Option<Index>, item: Item, act: fn(&mut Index, usize)) {
    match (item, index.as_mut()) {
        (Item::Cell(cell), Some(index)) => act(index, cell),
        (Item::Margin { .. }, _) => *index = None,
        (Item::Cell(_), None) => {}
    }
}

/// What may be shown again, the dearest first.
fn items(table: &Table<'_>) -> Vec<Item> {
    let mut items = Vec::new();
    for (axis, sums) in table.margins.iter().enumerate() {
        for (label, sum) in sums.iter().enumerate() {
            if table.hidden.margins[axis][label] && !sum.sensitive {
                items.push((-MARGIN_WEIGHT * sum.doses, Item::Margin { axis, label }));
            }
        }
    }
    for (number, cell) in table.cells.iter().enumerate() {
        if table.hidden.cells[number] && !cell.sensitive {
            items.push((-cell.doses, Item::Cell(number)));
        }
    }
    items.sort_unstable();
    items.into_iter().map(|(_, item)| item).collect()
}

fn set(table: &mut Table<'_>, item: Item, hidden: bool) {
    match item {
        Item::Margin { axis, label } => table.hidden.margins[axis][label] = hidden,
        Item::Cell(cell) => table.hidden.cells[cell] = hidden,
    }
}

fn parts_are_fine(table: &Table<'_>, item: Item, policy: Policy) -> bool {
    match item {
        Item::Margin { axis, label } => parts::are_fine(table, axis, label, policy),
        Item::Cell(cell) => {
            let labels = table.cells[cell].labels;
            (0..4).all(|axis| parts::are_fine(table, axis, labels[axis], policy))
        }
    }
}

/// Whether a witness changes the cell, or the sum.
fn uses(table: &Table<'_>, witness: &Witness, item: Item) -> bool {
    [&witness.up, &witness.down].into_iter().any(|changes| match item {
        Item::Cell(cell) => changes.iter().any(|(changed, _)| *changed == cell),
        Item::Margin { axis, label } => {
            let inside = changes.iter().filter(|(cell, _)| table.cells[*cell].labels[axis] == label);
            inside.map(|(_, change)| change).sum::<i64>() != 0
        }
    })
}
