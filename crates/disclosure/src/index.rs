//! The cells of a table by what an outsider sees of their labels.
//!
//! Shown margins fix how many doses carry each label. Of the hidden margins of one axis only the sum is fixed, by the
//! total, so their labels count as one common label; a hidden margin that is alone on its axis is as good as shown.

use std::collections::HashMap;
use std::ops::RangeInclusive;

use crate::table::{Labels, Table};

/// The label of all hidden margins of one axis.
pub(crate) const COMMON: usize = usize::MAX - 1;
/// Stands on an axis that is not looked at.
const ANY: usize = usize::MAX;

/// All four axes, one bit each.
pub(crate) const ALL_AXES: u8 = 15;
/// Each way to part the four axes in two, once: these axes, and the others.
pub(crate) const PARTS: RangeInclusive<u8> = 1..=7;

/// The cells that agree on certain labels.
#[derive(Default)]
pub(crate) struct List {
    /// Most doses first.
    pub(crate) hidden: Vec<usize>,
    /// Fewest doses first.
    pub(crate) shown: Vec<usize>,
}

static NOBODY: List = List { hidden: Vec::new(), shown: Vec::new() };

/// The lists of a table under what is hidden now.
pub(crate) struct Index {
    lists: HashMap<Labels, List>,
    seen: Vec<Labels>,
    /// By cell: its doses, and its number to settle ties.
    rank: Vec<(i64, usize)>,
}

impl Index {
    pub(crate) fn new(table: &Table<'_>) -> Self {
        let common = [0, 1, 2, 3].map(|axis: usize| {
            let hidden = table.hidden.margins[axis].iter().filter(|hidden| **hidden).count();
            hidden > 1 || table.hidden.total
        });
        let see = |axis: usize, label: usize| {
            if common[axis] && table.hidden.margins[axis][label] { COMMON } else { label }
        };
        let seen: Vec<Labels> =
            table.cells.iter().map(|cell| [0, 1, 2, 3].map(|axis| see(axis, cell.labels[axis]))).collect();
        let rank: Vec<(i64, usize)> = table.cells.iter().map(|cell| cell.doses).zip(0..).collect();
        let mut order: Vec<usize> = (0..rank.len()).collect();
        order.sort_unstable_by_key(|cell| rank[*cell]);
        let mut index = Self { lists: HashMap::new(), seen, rank };
        for cell in order.iter().copied().filter(|cell| !table.hidden.cells[*cell]) {
            index.each_list(cell, |list, _| list.shown.push(cell));
        }
        for cell in order.iter().rev().copied().filter(|cell| table.hidden.cells[*cell]) {
            index.each_list(cell, |list, _| list.hidden.push(cell));
        }
        index
    }

    fn each_list(&mut self, cell: usize, mut act: impl FnMut(&mut List, &[(i64, usize)])) {
        for axes in 1..=ALL_AXES {
            act(self.lists.entry(masked(self.seen[cell], axes)).or_default(), &self.rank);
        }
    }

    /// Moves a cell from the shown ones to the hidden ones.
    pub(crate) fn hide(&mut self, cell: usize) {
        self.each_list(cell, |list, rank| {
            let at = list.shown.partition_point(|other| rank[*other] < rank[cell]);
            list.shown.remove(at);
            let at = list.hidden.partition_point(|other| rank[*other] > rank[cell]);
            list.hidden.insert(at, cell);
        });
    }

    /// Moves a cell from the hidden ones to the shown ones.
    pub(crate) fn show(&mut self, cell: usize) {
        self.each_list(cell, |list, rank| {
            let at = list.hidden.partition_point(|other| rank[*other] > rank[cell]);
            list.hidden.remove(at);
            let at = list.shown.partition_point(|other| rank[*other] < rank[cell]);
            list.shown.insert(at, cell);
        });
    }

    /// The cells that agree with these labels on these axes.
    pub(crate) fn list(&self, labels: Labels, axes: u8) -> &List {
        self.lists.get(&masked(labels, axes)).unwrap_or(&NOBODY)
    }

    /// The labels of a cell as an outsider sees them.
    pub(crate) fn seen(&self, cell: usize) -> Labels {
        self.seen[cell]
    }

    /// The labels left over when `first` agrees with a cell on `axes` and `second` on the other axes.
    pub(crate) fn left_over(&self, first: usize, second: usize, axes: u8) -> Labels {
        [0, 1, 2, 3].map(|axis| self.seen[if axes >> axis & 1 == 1 { second } else { first }][axis])
    }
}

fn masked(labels: Labels, axes: u8) -> Labels {
    [0, 1, 2, 3].map(|axis: usize| if axes >> axis & 1 == 1 { labels[axis] } else { ANY })
}
