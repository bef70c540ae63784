//! Vaccines that cannot be protected by themselves: hidden whole, and pooled under the total of all vaccines.

use crate::facts::persons;
use crate::policy::Policy;
use crate::table::Table;
use crate::witness::{Target, Witness, targets};

/// Whether nothing inside the table could protect its sensitive numbers, even with everything hidden.
///
/// Hidden cells are known not to be empty, so a cell can at best gain what all others hold beyond one dose.
pub(crate) fn is_thin(table: &Table<'_>, policy: Policy) -> bool {
    let any = table.cells.iter().any(|cell| cell.sensitive);
    let spare: i64 = table.cells.iter().map(|cell| cell.doses - 1).sum();
    table.total.sensitive || (any && spare < policy.doses() - 1)
}

/// A sensitive number of a vaccine that is hidden whole; without a target its total.
pub(crate) type Pooled = (usize, Option<Target>);

/// A cell all of whose sums are hidden: it may trade with any other such cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Open {
    table: usize,
    cell: usize,
    doses: i64,
}

/// Proves what is sensitive in the vaccines that are hidden whole.
///
/// Where they do not protect each other, one cell of another vaccine is hidden with all its sums, so that it can give;
/// where no such cell exists, the total of all is hidden. The changes are by place.
pub(crate) fn pool(
    tables: &mut [Table<'_>],
    total_hidden: &mut bool,
    policy: Policy,
) -> Vec<(Pooled, Witness)> {
    let members: Vec<usize> = (0..tables.len()).filter(|table| tables[*table].hidden.total).collect();
    if members.is_empty() {
        return Vec::new();
    }
    let open = open_cells(tables);
    let entries = open.iter().map(|open| tables[open.table].entries(open.cell));
    let is_small = persons(entries, policy.persons()) < policy.persons();
    let numbers = members.iter().flat_map(|member| sensitive(&tables[*member], *member));
    let numbers: Vec<Pooled> = numbers.collect();
    let proofs = |tables: &[Table<'_>], open: &[Open], total_hidden: bool| -> Vec<Proof> {
        numbers.iter().map(|number| prove(tables, open, *number, total_hidden, policy)).collect()
    };
    let mut found = proofs(tables, &open, *total_hidden);
    let missing = found.iter().filter_map(|proof| proof.missing).max();
    if !*total_hidden && (is_small || missing.is_some()) {
        *total_hidden = !lend(tables, missing.unwrap_or(0));
        let open = open_cells(tables);
        found = proofs(tables, &open, *total_hidden);
    }
    numbers.iter().copied().zip(found.into_iter().map(|proof| proof.witness)).collect()
}

fn sensitive(table: &Table<'_>, number: usize) -> Vec<Pooled> {
    let inside = targets(table).into_iter().map(|target| (number, Some(target)));
    table.total.sensitive.then_some((number, None)).into_iter().chain(inside).collect()
}

/// The open cells, most doses first.
fn open_cells(tables: &[Table<'_>]) -> Vec<Open> {
    let mut open = Vec::new();
    for (number, table) in tables.iter().enumerate().filter(|(_, table)| table.hidden.total) {
        for (cell, found) in table.cells.iter().enumerate() {
            let margins = (0..4).all(|axis| table.hidden.margins[axis][found.labels[axis]]);
            if margins && table.hidden.cells[cell] {
                open.push(Open { table: number, cell, doses: found.doses });
            }
        }
    }
    open.sort_by_key(|open| (-open.doses, open.table, open.cell));
    open
}

struct Proof {
    witness: Witness,
    /// Doses that another cell would have to give; none if the proof is complete.
    missing: Option<i64>,
}

fn prove(tables: &[Table<'_>], open: &[Open], number: Pooled, total_hidden: bool, policy: Policy) -> Proof {
    let (table, target) = number;
    let place = |open: &Open| tables[open.table].place(open.cell);
    let inside = |open: &&Open| {
        open.table == table && target.is_none_or(|target| target.holds(&tables[table], open.cell))
    };
    let (own, others): (Vec<&Open>, Vec<&Open>) = open.iter().partition(inside);
    let mut witness = Witness::default();
    let mut missing = None;

    let need = (policy.doses() - own.iter().map(|open| open.doses).sum::<i64>()).max(0);
    let mut left = need;
    for giver in &others {
        let amount = left.min(giver.doses - 1);
        if amount > 0 {
            witness.up.push((place(giver), -amount));
            left -= amount;
        }
    }
    if let (true, Some(first)) = (need > 0, own.first()) {
        witness.up.push((place(first), need));
    }
    let surplus: i64 = own.iter().map(|open| open.doses - 1).sum();
    if surplus > 0 {
        witness
            .down
            .extend(own.iter().filter(|open| open.doses > 1).map(|open| (place(open), 1 - open.doses)));
        witness.down.extend(others.first().map(|other| (place(other), surplus)));
    }
    if !total_hidden && (left > 0 || (surplus > 0 && others.is_empty())) {
        missing = Some(left);
    }
    Proof { witness, missing }
}

/// Opens the cheapest cell of another vaccine that can give so many doses; tells whether there is one.
fn lend(tables: &mut [Table<'_>], missing: i64) -> bool {
    let mut candidates = Vec::new();
    for (number, table) in tables.iter().enumerate().filter(|(_, table)| !table.hidden.total) {
        for (cell, found) in table.cells.iter().enumerate() {
            if !found.sensitive && found.doses > missing {
                let margins = (0..4).map(|axis| (axis, found.labels[axis]));
                let shown = margins.filter(|&(axis, label)| !table.hidden.margins[axis][label]);
                let sums: i64 = shown.map(|(axis, label)| table.margins[axis][label].doses).sum();
                let own = if table.hidden.cells[cell] { 0 } else { found.doses };
                candidates.push((own + sums + table.total.doses, number, cell));
            }
        }
    }
    let Some(&(_, number, cell)) = candidates.iter().min() else { return false };
    let table = &mut tables[number];
    table.hidden.cells[cell] = true;
    table.hidden.total = true;
    for axis in 0..4 {
        let label = table.cells[cell].labels[axis];
        table.hidden.margins[axis][label] = true;
    }
    true
}
