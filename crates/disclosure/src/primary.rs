//! The first step: what is small by itself is hidden.

use crate::policy::Policy;
use crate::table::Table;

/// Hides the sensitive cells and margins of a table.
pub(crate) fn hide(table: &mut Table<'_>) {
    for (hidden, cell) in table.hidden.cells.iter_mut().zip(&table.cells) {
        *hidden |= cell.sensitive;
    }
    for (hidden, sums) in table.hidden.margins.iter_mut().zip(&table.margins) {
        for (hidden, sum) in hidden.iter_mut().zip(sums) {
            *hidden |= sum.sensitive;
        }
    }
}

/// Returns which of some numbers that stand in no sum are to be hidden: the sensitive ones, and the smallest other one,
/// else a hidden number would be known to be small.
pub(crate) fn hide_alone(numbers: &[(usize, i64)], policy: Policy) -> Vec<bool> {
    let mut hidden: Vec<bool> =
        numbers.iter().map(|(persons, doses)| policy.is_sensitive(*persons, *doses)).collect();
    let others = (0..numbers.len()).filter(|number| !hidden[*number]);
    if let (true, Some(smallest)) = (hidden.contains(&true), others.min_by_key(|number| numbers[*number].1)) {
        hidden[smallest] = true;
    }
    hidden
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_number_is_not_hidden_alone() {
        let policy = Policy::default();
        assert_eq!(hide_alone(&[(2, 9), (50, 60), (30, 30)], policy), [true, false, true]);
        assert_eq!(hide_alone(&[(20, 20), (50, 60)], policy), [false, false]);
        assert_eq!(hide_alone(&[(2, 2)], policy), [true]);
    }
}
