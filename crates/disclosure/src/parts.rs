//! The hidden part of what is shown: a sum less its shown cells is a published number too.

use crate::facts::persons;
use crate::policy::Policy;
use crate::table::Table;

/// Hides shown cells until the hidden part of every shown sum is empty or holds enough persons.
///
/// The sum of all hidden margins of one axis is known as well, by the total; it counts as a shown sum.
pub(crate) fn fill(table: &mut Table<'_>, policy: Policy) {
    while let Some(cells) = sums(table).into_iter().find(|cells| !is_fine(table, cells, policy)) {
        let shown = cells.iter().copied().filter(|cell| !table.hidden.cells[*cell]);
        if let Some(smallest) = shown.min_by_key(|cell| (table.cells[*cell].doses, *cell)) {
            table.hidden.cells[smallest] = true;
        } else if !hide_a_margin(table, &cells) {
            return; // everything in the vaccine is hidden, and its total has enough persons
        }
    }
}

/// Whether the hidden part of these cells is empty or large.
fn is_fine(table: &Table<'_>, cells: &[usize], policy: Policy) -> bool {
    let hidden = cells.iter().filter(|cell| table.hidden.cells[**cell]);
    let found = persons(hidden.map(|cell| table.entries(*cell)), policy.persons());
    found == 0 || found >= policy.persons()
}

/// Whether the rule holds for the sums on an axis that cells with this label are in.
pub(crate) fn are_fine(table: &Table<'_>, axis: usize, label: usize, policy: Policy) -> bool {
    let margins = &table.margins[axis];
    let own = &margins[label].cells;
    if !table.hidden.margins[axis][label] && !is_fine(table, own, policy) {
        return false;
    }
    let hidden = margins.iter().zip(&table.hidden.margins[axis]).filter(|(_, hidden)| **hidden);
    let common: Vec<usize> = hidden.flat_map(|(margin, _)| &margin.cells).copied().collect();
    is_fine(table, &common, policy)
}

/// The cells of each shown margin, and of all hidden margins of an axis together.
fn sums(table: &Table<'_>) -> Vec<Vec<usize>> {
    let mut sums = Vec::new();
    for (margins, hidden) in table.margins.iter().zip(&table.hidden.margins) {
        let mut common = Vec::new();
        for (margin, hidden) in margins.iter().zip(hidden) {
            if *hidden {
                common.extend(&margin.cells);
            } else {
                sums.push(margin.cells.clone());
            }
        }
        sums.push(common);
    }
    sums
}

/// Hides the smallest shown margin beside margins that are all of these cells.
fn hide_a_margin(table: &mut Table<'_>, cells: &[usize]) -> bool {
    let Some(&cell) = cells.first() else { return false };
    let mut candidates = Vec::new();
    for axis in 0..4 {
        let is_common = cells.iter().all(|cell| table.hidden.margins[axis][table.cells[*cell].labels[axis]]);
        if is_common && table.hidden.margins[axis][table.cells[cell].labels[axis]] {
            let shown = (0..table.margins[axis].len()).filter(|label| !table.hidden.margins[axis][*label]);
            candidates.extend(shown.map(|label| (table.margins[axis][label].doses, axis, label)));
        }
    }
    let Some(&(_, axis, label)) = candidates.iter().min() else { return false };
    table.hidden.margins[axis][label] = true;
    true
}
