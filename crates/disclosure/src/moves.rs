//! Label swaps: changes of hidden cells that leave every shown number as it was.
//!
//! A dose is a token with four labels. When two tokens swap their labels on some axes, every label is carried as often
//! as before; two cells lose a token, two others gain one.

use crate::index::{ALL_AXES, Index, PARTS};
use crate::table::Table;

/// How many ways through one pair of lists are tried before the search gives up on them.
const PATIENCE: usize = 1000;

/// A change of cells; its amount says by how many doses, and a negative amount turns it round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Move {
    /// From one cell to another that has the same labels.
    Transfer { to: usize, from: usize },
    /// `target` and `fourth` gain, `first` and `second` lose. `first` agrees with the target on some axes and `second`
    /// on the others; `fourth` has the labels left over.
    Swap { target: usize, fourth: usize, first: usize, second: usize },
}

impl Move {
    /// The cells and whether they gain or lose.
    pub(crate) fn each(self) -> impl Iterator<Item = (usize, i64)> {
        let (gain, lose) = match self {
            Self::Transfer { to, from } => ([Some(to), None], [Some(from), None]),
            Self::Swap { target, fourth, first, second } => {
                ([Some(target), Some(fourth)], [Some(first), Some(second)])
            }
        };
        let signed =
            |cells: [Option<usize>; 2], sign| cells.into_iter().flatten().map(move |cell| (cell, sign));
        signed(gain, 1).chain(signed(lose, -1))
    }
}

/// The doses of a table's cells while moves are tried on them.
pub(crate) struct Scratch {
    doses: Vec<i64>,
    change: Vec<i64>,
    touched: Vec<usize>,
}

impl Scratch {
    pub(crate) fn new(table: &Table<'_>) -> Self {
        let doses: Vec<i64> = table.cells.iter().map(|cell| cell.doses).collect();
        Self { change: vec![0; doses.len()], touched: Vec::new(), doses }
    }

    /// What a cell holds after the moves so far.
    pub(crate) fn doses(&self, cell: usize) -> i64 {
        self.doses[cell] + self.change[cell]
    }

    /// Makes a move.
    pub(crate) fn apply(&mut self, step: Move, amount: i64) {
        for (cell, sign) in step.each() {
            self.change[cell] += sign * amount;
            self.touched.push(cell);
        }
    }

    /// Returns what the moves changed, by cell, and undoes them.
    pub(crate) fn take(&mut self) -> Vec<(usize, i64)> {
        self.touched.sort_unstable();
        self.touched.dedup();
        let change = &mut self.change;
        let changed = self.touched.drain(..).map(|cell| (cell, std::mem::take(&mut change[cell])));
        changed.filter(|(_, change)| *change != 0).collect()
    }
}

/// Which way a cell is to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Up,
    Down,
}

/// Looks for moves of one cell among hidden cells.
pub(crate) struct Search<'a> {
    pub(crate) index: &'a Index,
    pub(crate) scratch: &'a Scratch,
    /// The cell that is to go up or down.
    pub(crate) target: usize,
    pub(crate) way: Way,
    /// The doses by which it is to go.
    pub(crate) want: i64,
    /// Cells that must not change against the target.
    pub(crate) barred: &'a dyn Fn(usize) -> bool,
}

impl Search<'_> {
    /// Returns a move of the wanted size, else the largest that was found, with its size.
    pub(crate) fn best(&self) -> Option<(Move, i64)> {
        let mut best = None;
        let mut enough = self.transfers(&mut best);
        for axes in PARTS {
            enough = enough || self.swaps(axes, &mut best);
        }
        best
    }

    /// How many doses a cell can lose: hidden cells are known not to be empty.
    fn spare(&self, cell: usize) -> i64 {
        self.scratch.doses(cell) - 1
    }

    /// Keeps the larger move; tells whether it is large enough.
    fn keep(&self, step: Move, amount: i64, best: &mut Option<(Move, i64)>) -> bool {
        let amount = amount.min(self.want);
        if amount > best.map_or(0, |(_, before)| before) {
            *best = Some((step, amount));
        }
        amount >= self.want
    }

    /// Looks at cells with the same labels; tells whether a move is large enough.
    fn transfers(&self, best: &mut Option<(Move, i64)>) -> bool {
        let equals = &self.index.list(self.index.seen(self.target), ALL_AXES).hidden;
        equals.iter().take(PATIENCE).any(|&from| {
            let amount = match self.way {
                Way::Up => self.spare(from),
                Way::Down => self.spare(self.target),
            };
            from != self.target
                && !(self.barred)(from)
                && self.keep(Move::Transfer { to: self.target, from }, amount, best)
        })
    }

    /// Looks at swaps of the labels on these axes; tells whether a move is large enough.
    fn swaps(&self, axes: u8, best: &mut Option<(Move, i64)>) -> bool {
        let labels = self.index.seen(self.target);
        let of = |axes: u8| &self.index.list(labels, axes).hidden;
        // the shorter list outside: the longer one is cut where its cells get too small
        let axes = if of(axes).len() <= of(ALL_AXES ^ axes).len() { axes } else { ALL_AXES ^ axes };
        let mut tries = 0;
        let usable = |cell: &usize| self.index.seen(*cell) != labels && !(self.barred)(*cell);
        for first in of(axes).iter().copied().filter(usable) {
            if self.way == Way::Up && self.spare(first) <= best.map_or(0, |(_, amount)| amount) {
                continue;
            }
            for second in of(ALL_AXES ^ axes).iter().copied().filter(usable) {
                tries += 1;
                if tries > PATIENCE {
                    return false;
                }
                if self.way == Way::Up && self.spare(second) < 1 {
                    break;
                }
                let corner = self.index.left_over(first, second, axes);
                let Some(&fourth) = self.index.list(corner, ALL_AXES).hidden.first() else { continue };
                let amount = match self.way {
                    Way::Up => self.spare(first).min(self.spare(second)),
                    Way::Down => self.spare(self.target).min(self.spare(fourth)),
                };
                if self.keep(Move::Swap { target: self.target, fourth, first, second }, amount, best) {
                    return true;
                }
            }
        }
        false
    }
}
