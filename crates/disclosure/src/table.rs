use std::collections::BTreeMap;
use std::ops::Range;

use crate::cell::{Axis, Key, Label, Place};
use crate::facts::{Entry, Facts, doses, persons};
use crate::policy::Policy;

/// The labels of a cell, by axis, as numbers of the table.
pub(crate) type Labels = [usize; 4];

/// One vaccine: cells with four labels, their sums by label, and the sum of all.
pub(crate) struct Table<'a> {
    facts: &'a Facts,
    /// The number, among all places, of the first cell.
    first: usize,
    pub(crate) cells: Vec<Cell>,
    /// By axis and label.
    pub(crate) margins: [Vec<Sum>; 4],
    pub(crate) total: Sum,
    names: [Vec<Label>; 4],
    /// What is hidden.
    pub(crate) hidden: Hidden,
}

/// One cell.
pub(crate) struct Cell {
    pub(crate) labels: Labels,
    pub(crate) doses: i64,
    pub(crate) sensitive: bool,
}

/// A margin, or the total of the vaccine.
#[derive(Default)]
pub(crate) struct Sum {
    pub(crate) cells: Vec<usize>,
    pub(crate) doses: i64,
    pub(crate) sensitive: bool,
}

/// What of a table is hidden.
pub(crate) struct Hidden {
    pub(crate) cells: Vec<bool>,
    pub(crate) margins: [Vec<bool>; 4],
    pub(crate) total: bool,
}

/// The numbers of the cells of each vaccine among all places.
pub(crate) fn by_vaccine(facts: &Facts) -> Vec<Range<usize>> {
    let places = &facts.places()[..facts.cells()];
    let same =
        |a: &Place, b: &Place| matches!((a, b), (Place::Cell(a), Place::Cell(b)) if a.vaccine == b.vaccine);
    let mut from = 0;
    let range = |run: &[Place]| {
        let range = from..from + run.len();
        from = range.end;
        range
    };
    places.chunk_by(same).map(range).collect()
}

impl<'a> Table<'a> {
    /// Sums the cells of one vaccine; nothing is hidden yet.
    pub(crate) fn new(facts: &'a Facts, range: Range<usize>, policy: Policy) -> Self {
        let keys: Vec<&Key> = facts.places()[range.clone()].iter().filter_map(key_of).collect();
        let numbers = Axis::ALL.map(|axis| {
            let all: BTreeMap<Label, usize> = keys.iter().map(|key| (key.label(axis), 0)).collect();
            all.into_keys().zip(0..).collect::<BTreeMap<Label, usize>>()
        });
        let number = |key: &Key, axis: usize| numbers[axis][&key.label(Axis::ALL[axis])];
        let mut margins =
            [0, 1, 2, 3].map(|axis: usize| numbers[axis].iter().map(|_| Sum::default()).collect::<Vec<_>>());
        let mut total = Sum::default();
        let mut cells = Vec::with_capacity(keys.len());
        for (index, key) in keys.iter().enumerate() {
            let entries = facts.entries_at(range.start + index);
            let cell = Cell {
                labels: [0, 1, 2, 3].map(|axis| number(key, axis)),
                doses: doses(entries),
                sensitive: policy.is_sensitive(entries.len(), doses(entries)),
            };
            for (axis, label) in cell.labels.into_iter().enumerate() {
                margins[axis][label].cells.push(index);
                margins[axis][label].doses += cell.doses;
            }
            total.cells.push(index);
            total.doses += cell.doses;
            cells.push(cell);
        }
        let hidden = Hidden {
            cells: vec![false; cells.len()],
            margins: [0, 1, 2, 3].map(|axis: usize| vec![false; margins[axis].len()]),
            total: false,
        };
        let names = numbers.map(|numbers| numbers.into_keys().collect());
        let mut table = Self { facts, first: range.start, cells, margins, total, names, hidden };
        table.mark(policy);
        table
    }

    /// Marks the sensitive sums.
    fn mark(&mut self, policy: Policy) {
        let sensitive = |sum: &Sum| {
            let groups = sum.cells.iter().map(|cell| self.entries(*cell));
            policy.is_sensitive(persons(groups, policy.persons()), sum.doses)
        };
        let margins: Vec<Vec<bool>> =
            self.margins.iter().map(|sums| sums.iter().map(sensitive).collect()).collect();
        let total = sensitive(&self.total);
        for (sums, marks) in self.margins.iter_mut().zip(margins) {
            for (sum, mark) in sums.iter_mut().zip(marks) {
                sum.sensitive = mark;
            }
        }
        self.total.sensitive = total;
    }

    /// What each person has in a cell.
    pub(crate) fn entries(&self, cell: usize) -> &'a [Entry] {
        self.facts.entries_at(self.first + cell)
    }

    /// Where a cell is among all places.
    pub(crate) fn place(&self, cell: usize) -> usize {
        self.first + cell
    }

    /// The name of a label.
    pub(crate) fn name(&self, axis: usize, label: usize) -> &Label {
        &self.names[axis][label]
    }

    /// The vaccine.
    pub(crate) fn vaccine(&self) -> &str {
        key_of(&self.facts.places()[self.first]).map_or("", |key| &key.vaccine)
    }

    /// Hides all cells and margins; the total only if asked for.
    pub(crate) fn hide_all(&mut self, with_total: bool) {
        self.hidden.cells.fill(true);
        self.hidden.margins.iter_mut().for_each(|axis| axis.fill(true));
        self.hidden.total |= with_total;
    }
}

/// The key of a place in the table.
pub(crate) fn key_of(place: &Place) -> Option<&Key> {
    match place {
        Place::Cell(key) => Some(key),
        Place::Excluded(_) => None,
    }
}
