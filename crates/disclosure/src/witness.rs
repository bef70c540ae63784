//! Proofs that a target could be large, and that it could be as small as a group can be.
//!
//! A witness is another table in whole numbers with the same shown figures. Whoever sees only these figures must think
//! it possible.

use serde::{Deserialize, Serialize};

use crate::index::Index;
use crate::moves::{Move, Scratch, Search, Way};
use crate::policy::Policy;
use crate::table::Table;

/// By how many doses cells differ from the truth in another possible table.
pub type Changes = Vec<(usize, i64)>;

/// The two tables that protect a sensitive number.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Witness {
    /// In this table the number reaches the threshold.
    pub up: Changes,
    /// In this table every cell in the number holds a single dose.
    pub down: Changes,
}

/// A sensitive number of one table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Target {
    Margin { axis: usize, label: usize },
    Cell(usize),
}

impl Target {
    /// The cells that make up the number.
    pub(crate) fn cells<'a>(&'a self, table: &'a Table<'_>) -> &'a [usize] {
        match self {
            Self::Margin { axis, label } => &table.margins[*axis][*label].cells,
            Self::Cell(cell) => std::slice::from_ref(cell),
        }
    }

    pub(crate) fn holds(&self, table: &Table<'_>, cell: usize) -> bool {
        match *self {
            Self::Margin { axis, label } => table.cells[cell].labels[axis] == label,
            Self::Cell(target) => cell == target,
        }
    }
}

/// The sensitive numbers of a table: margins first, the smaller ones first.
pub(crate) fn targets(table: &Table<'_>) -> Vec<Target> {
    let mut targets = Vec::new();
    for (axis, sums) in table.margins.iter().enumerate() {
        let sensitive = sums.iter().enumerate().filter(|(_, sum)| sum.sensitive);
        targets.extend(sensitive.map(|(label, sum)| (0, sum.doses, Target::Margin { axis, label })));
    }
    let sensitive = table.cells.iter().enumerate().filter(|(_, cell)| cell.sensitive);
    targets.extend(sensitive.map(|(number, cell)| (1, cell.doses, Target::Cell(number))));
    targets.sort_unstable();
    targets.into_iter().map(|(_, _, target)| target).collect()
}

/// What a proof is tried with: one scratch copy for each way.
pub(crate) struct Trial {
    pub(crate) up: Scratch,
    pub(crate) down: Scratch,
}

impl Trial {
    pub(crate) fn new(table: &Table<'_>) -> Self {
        Self { up: Scratch::new(table), down: Scratch::new(table) }
    }

    /// Ends a proof and makes room for the next.
    pub(crate) fn take(&mut self) -> Witness {
        Witness { up: self.up.take(), down: self.down.take() }
    }
}

/// What is still missing of a proof.
#[derive(Debug, Default)]
pub(crate) struct Missing {
    /// Doses below the threshold.
    pub(crate) up: i64,
    /// Cells that hold more than one dose.
    pub(crate) down: Vec<usize>,
}

impl Missing {
    pub(crate) fn is_nothing(&self) -> bool {
        self.up == 0 && self.down.is_empty()
    }
}

/// Goes as far as hidden cells allow; the moves stay in the trial.
pub(crate) fn prove(
    table: &Table<'_>,
    index: &Index,
    policy: Policy,
    target: Target,
    trial: &mut Trial,
) -> Missing {
    let barred = |cell| target.holds(table, cell);
    let cells = target.cells(table);
    let sum: i64 = cells.iter().map(|cell| table.cells[*cell].doses).sum();
    let mut missing = Missing { up: (policy.doses() - sum).max(0), down: Vec::new() };
    for cell in cells {
        missing.up = push(index, &mut trial.up, *cell, Way::Up, missing.up, &barred);
    }
    for cell in cells {
        let want = trial.down.doses(*cell) - 1;
        let left = push(index, &mut trial.down, *cell, Way::Down, want, &barred);
        if left > 0 {
            missing.down.push(*cell);
        }
    }
    missing
}

/// Moves a cell by one move after another; returns what is left to do.
fn push(
    index: &Index,
    scratch: &mut Scratch,
    target: usize,
    way: Way,
    want: i64,
    barred: &dyn Fn(usize) -> bool,
) -> i64 {
    let mut left = want;
    while left > 0 {
        let search = Search { index, scratch, target, way, want: left, barred };
        let Some((step, amount)) = search.best() else { break };
        apply(scratch, step, way, amount);
        left -= amount;
    }
    left
}

/// Makes a move in one way or the other.
pub(crate) fn apply(scratch: &mut Scratch, step: Move, way: Way, amount: i64) {
    scratch.apply(step, if way == Way::Up { amount } else { -amount });
}
