//! Hiding more where a proof fails: the cheapest cells, or a cell with its margins.

use crate::index::{ALL_AXES, Index, PARTS};
use crate::moves::{Move, Way};
use crate::policy::Policy;
use crate::table::Table;
use crate::witness::{Missing, Target, Trial, Witness, apply, prove, targets};

/// What a dose in a hidden margin costs, in doses in hidden cells.
pub(crate) const MARGIN_WEIGHT: i64 = 1;

/// How many ways through one pair of lists are weighed.
const PATIENCE: usize = 2000;

/// A move that would do, and what must be hidden for it.
#[derive(Debug, Clone)]
struct Plan {
    cost: i64,
    step: Move,
    cells: Vec<usize>,
    margins: Vec<(usize, usize)>,
}

/// What a plan is to bring about.
#[derive(Debug, Clone, Copy)]
struct Wish {
    cell: usize,
    up: i64,
    down: i64,
}

/// Proves every target of a table, hiding more where that is needed.
///
/// The table must be able to hold a proof of each when everything in it is hidden, see [`crate::thin`].
pub(crate) fn protect(table: &mut Table<'_>, policy: Policy) -> Vec<(Target, Witness)> {
    let mut index = Index::new(table);
    let mut trial = Trial::new(table);
    let mut proofs = Vec::new();
    for target in targets(table) {
        let missing = prove(table, &index, policy, target, &mut trial);
        complete(table, &mut index, target, missing, &mut trial);
        proofs.push((target, trial.take()));
    }
    proofs
}

/// Hides what a proof still needs, and makes the moves.
fn complete(table: &mut Table<'_>, index: &mut Index, target: Target, missing: Missing, trial: &mut Trial) {
    if missing.up > 0 {
        let wish = |cell: usize| {
            let down = if missing.down.contains(&cell) { trial.down.doses(cell) - 1 } else { 0 };
            Wish { cell, up: missing.up, down }
        };
        let wishes = target.cells(table).iter().map(|cell| wish(*cell));
        let plans = wishes.filter_map(|wish| Some((plan(table, index, target, wish, trial)?, wish)));
        if let Some((plan, wish)) = plans.min_by_key(|(plan, _)| plan.cost) {
            carry_out(table, index, &plan, wish, trial);
        } else {
            give_up(table, index, trial, target, missing.up);
        }
    }
    for cell in missing.down {
        // a move of another cell of the target may have lowered it meanwhile
        let wish = Wish { cell, up: 0, down: trial.down.doses(cell) - 1 };
        if wish.down > 0
            && let Some(plan) = plan(table, index, target, wish, trial)
        {
            carry_out(table, index, &plan, wish, trial);
        }
    }
}

fn carry_out(table: &mut Table<'_>, index: &mut Index, plan: &Plan, wish: Wish, trial: &mut Trial) {
    for cell in &plan.cells {
        table.hidden.cells[*cell] = true;
        index.hide(*cell);
    }
    for (axis, label) in &plan.margins {
        table.hidden.margins[*axis][*label] = true;
    }
    if !plan.margins.is_empty() {
        *index = Index::new(table);
    }
    apply(&mut trial.up, plan.step, Way::Up, wish.up);
    apply(&mut trial.down, plan.step, Way::Down, wish.down);
}

/// Hides the whole table and takes what is missing from wherever it is.
fn give_up(table: &mut Table<'_>, index: &mut Index, trial: &mut Trial, target: Target, missing: i64) {
    table.hide_all(false);
    *index = Index::new(table);
    let Some(&to) = target.cells(table).first() else { return };
    let mut left = missing;
    for from in 0..table.cells.len() {
        let amount = if target.holds(table, from) { 0 } else { left.min(trial.up.doses(from) - 1).max(0) };
        trial.up.apply(Move::Transfer { to, from }, amount);
        left -= amount;
    }
}

fn plan(table: &Table<'_>, index: &Index, target: Target, wish: Wish, trial: &Trial) -> Option<Plan> {
    let planner = Planner { table, index, target, wish, trial };
    let mut best = planner.cheapest_partner();
    for axes in PARTS {
        planner.cheapest_swap(axes, &mut best);
    }
    best
}

struct Planner<'a> {
    table: &'a Table<'a>,
    index: &'a Index,
    target: Target,
    wish: Wish,
    trial: &'a Trial,
}

impl Planner<'_> {
    fn cost(&self, cell: usize) -> i64 {
        if self.table.hidden.cells[cell] { 0 } else { self.table.cells[cell].doses }
    }

    /// Whether a cell can lose what the target is to gain.
    fn can_give(&self, cell: usize) -> bool {
        !self.target.holds(self.table, cell) && self.trial.up.doses(cell) > self.wish.up
    }

    /// A cell that trades with the target directly, once both margins are hidden where their labels differ.
    fn cheapest_partner(&self) -> Option<Plan> {
        let cell = self.wish.cell;
        let labels = self.table.cells[cell].labels;
        let plan = |from: usize| {
            let mut margins = Vec::new();
            let partner = self.table.cells[from].labels;
            for axis in 0..4 {
                if self.index.seen(cell)[axis] != self.index.seen(from)[axis] {
                    let both = [(axis, labels[axis]), (axis, partner[axis])];
                    margins.extend(
                        both.into_iter().filter(|&(axis, label)| !self.table.hidden.margins[axis][label]),
                    );
                }
            }
            let of_margins: i64 =
                margins.iter().map(|&(axis, label)| self.table.margins[axis][label].doses).sum();
            let cells = if self.table.hidden.cells[from] { Vec::new() } else { vec![from] };
            Plan {
                cost: self.cost(from) + MARGIN_WEIGHT * of_margins,
                step: Move::Transfer { to: cell, from },
                cells,
                margins,
            }
        };
        (0..self.table.cells.len()).filter(|from| self.can_give(*from)).map(plan).min_by_key(|plan| plan.cost)
    }

    /// The cells that agree with the target on these axes and can give, the hidden ones first, then by cost.
    fn givers(&self, axes: u8) -> impl Iterator<Item = usize> {
        let labels = self.index.seen(self.wish.cell);
        let list = self.index.list(labels, axes);
        let enough = list.shown.partition_point(|cell| self.table.cells[*cell].doses <= self.wish.up);
        let cells = list.hidden.iter().chain(&list.shown[enough..]).copied();
        cells.filter(move |cell| self.index.seen(*cell) != labels && self.can_give(*cell))
    }

    fn cheapest_swap(&self, axes: u8, best: &mut Option<Plan>) {
        let too_dear = |cost: i64, best: &Option<Plan>| best.as_ref().is_some_and(|best| cost >= best.cost);
        let mut tries = 0;
        for first in self.givers(axes) {
            if too_dear(self.cost(first), best) {
                return;
            }
            for second in self.givers(ALL_AXES ^ axes) {
                let cost = self.cost(first) + self.cost(second);
                tries += 1;
                if too_dear(cost, best) {
                    break;
                }
                if tries > PATIENCE {
                    return;
                }
                let corner = self.index.list(self.index.left_over(first, second, axes), ALL_AXES);
                let can_take = |cell: &&usize| self.trial.down.doses(**cell) > self.wish.down;
                let mut corners = corner.hidden.iter().chain(&corner.shown);
                let Some(&fourth) = corners.find(can_take) else { continue };
                let cost = cost + self.cost(fourth);
                if too_dear(cost, best) {
                    continue;
                }
                let mut cells = vec![first, second, fourth];
                cells.retain(|cell| !self.table.hidden.cells[*cell]);
                *best = Some(Plan {
                    cost,
                    step: Move::Swap { target: self.wish.cell, fourth, first, second },
                    cells,
                    margins: Vec::new(),
                });
            }
        }
    }
}
