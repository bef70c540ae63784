use serde::{Deserialize, Serialize};

use crate::cell::{Key, Label, Place};
use crate::facts::{Facts, persons};
use crate::policy::Policy;
use crate::table::{Table, by_vaccine, key_of};
use crate::thin::{Pooled, is_thin, pool};
use crate::witness::{Changes, Target, Witness};
use crate::{check, complement, parts, primary, prune};

/// What is hidden in all releases of a series, and why that is enough.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pattern {
    /// The hidden cells, in order.
    pub cells: Vec<Key>,
    /// The hidden margins, in order.
    pub margins: Vec<Margin>,
    /// The vaccines whose total is hidden, in order.
    pub vaccines: Vec<String>,
    /// Whether the total of all vaccines is hidden.
    pub total: bool,
    /// The reasons whose counts are hidden, in order.
    pub reasons: Vec<String>,
    /// One proof for each sensitive number. The changes are by position in `cells`.
    pub proofs: Vec<Proof>,
}

/// The sum of one vaccine's cells with a label.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Margin {
    /// The vaccine.
    pub vaccine: String,
    /// The label.
    pub label: Label,
}

/// A sensitive number and the tables that protect it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// The number.
    pub number: Number,
    /// What else it could be.
    pub witness: Witness,
}

/// A hidden number, by its position in the [`Pattern`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Number {
    /// A cell.
    Cell(usize),
    /// A margin.
    Margin(usize),
    /// The total of a vaccine.
    Vaccine(usize),
}

/// Protects a vaccine by itself; the changes are by place.
///
/// Should a proof not hold, which would be a fault of the search, the vaccine is hidden whole like one that cannot be
/// protected.
fn protect(table: &mut Table<'_>, number: usize, policy: Policy) -> Vec<(Pooled, Witness)> {
    primary::hide(table);
    let mut found = complement::protect(table, policy);
    parts::fill(table, policy);
    prune::prune(table, &mut found, policy);
    if !found.iter().all(|(target, witness)| check::holds(table, policy, *target, witness)) {
        table.hide_all(true);
        return Vec::new();
    }
    let places =
        |changes: Changes| changes.into_iter().map(|(cell, change)| (table.place(cell), change)).collect();
    let by_place = |witness: Witness| Witness { up: places(witness.up), down: places(witness.down) };
    found.into_iter().map(|(target, witness)| ((number, Some(target)), by_place(witness))).collect()
}

impl Pattern {
    /// Decides what to hide of these facts.
    pub(crate) fn new(facts: &Facts, policy: Policy) -> Self {
        let all = (0..facts.cells()).map(|place| facts.entries_at(place));
        let doses = all.clone().flatten().map(|entry| i64::from(entry.doses)).sum();
        let mut total = policy.is_sensitive(persons(all, policy.persons()), doses);
        let mut tables = Vec::new();
        let mut proofs = Vec::new();
        for (number, range) in by_vaccine(facts).into_iter().enumerate() {
            let mut table = Table::new(facts, range, policy);
            if total || is_thin(&table, policy) {
                table.hide_all(true);
            } else {
                proofs.extend(protect(&mut table, number, policy));
            }
            tables.push(table);
        }
        proofs.extend(pool(&mut tables, &mut total, policy));
        let mut pattern = Self { total, ..Self::default() };
        pattern.take_tables(facts, &tables, proofs);
        pattern.take_reasons(facts, policy);
        pattern
    }

    fn take_tables(&mut self, facts: &Facts, tables: &[Table<'_>], proofs: Vec<(Pooled, Witness)>) {
        let mut positions = vec![0; facts.cells()];
        for table in tables {
            let vaccine = table.vaccine().to_owned();
            for cell in (0..table.cells.len()).filter(|cell| table.hidden.cells[*cell]) {
                positions[table.place(cell)] = self.cells.len();
                self.cells.extend(key_of(&facts.places()[table.place(cell)]).cloned());
            }
            for axis in 0..4 {
                for label in (0..table.margins[axis].len()).filter(|label| table.hidden.margins[axis][*label])
                {
                    let label = table.name(axis, label).clone();
                    self.margins.push(Margin { vaccine: vaccine.clone(), label });
                }
            }
            if table.hidden.total {
                self.vaccines.push(vaccine);
            }
        }
        for ((number, target), witness) in proofs {
            let table = &tables[number];
            let vaccine = table.vaccine();
            let number = match target {
                None => Number::Vaccine(self.vaccines.partition_point(|name| name.as_str() < vaccine)),
                Some(Target::Cell(cell)) => Number::Cell(positions[table.place(cell)]),
                Some(Target::Margin { axis, label }) => {
                    let wanted = (vaccine, table.name(axis, label));
                    Number::Margin(self.margins.partition_point(|m| (m.vaccine.as_str(), &m.label) < wanted))
                }
            };
            let place = |(place, change): (usize, i64)| (positions[place], change);
            let changes = |changes: Changes| changes.into_iter().map(place).collect();
            let witness = Witness { up: changes(witness.up), down: changes(witness.down) };
            self.proofs.push(Proof { number, witness });
        }
        self.proofs.sort_by_key(|proof| proof.number);
    }

    fn take_reasons(&mut self, facts: &Facts, policy: Policy) {
        let reasons = facts.cells()..facts.places().len();
        let count = |place| {
            let entries = facts.entries_at(place);
            (entries.len(), crate::facts::doses(entries))
        };
        let numbers: Vec<(usize, i64)> = reasons.clone().map(count).collect();
        for (place, hidden) in reasons.zip(primary::hide_alone(&numbers, policy)) {
            if let (true, Place::Excluded(reason)) = (hidden, &facts.places()[place]) {
                self.reasons.push(reason.clone());
            }
        }
    }

    /// Whether a cell is hidden.
    pub fn hides_cell(&self, key: &Key) -> bool {
        self.cells.binary_search(key).is_ok()
    }

    /// Whether the sum of a vaccine's cells with this label is hidden.
    pub fn hides_margin(&self, vaccine: &str, label: &Label) -> bool {
        let at = |margin: &Margin| (margin.vaccine.as_str(), &margin.label).cmp(&(vaccine, label));
        self.margins.binary_search_by(at).is_ok()
    }

    /// Whether the total of a vaccine is hidden.
    pub fn hides_vaccine(&self, vaccine: &str) -> bool {
        self.vaccines.binary_search_by(|name| name.as_str().cmp(vaccine)).is_ok()
    }

    /// Whether the count of a reason is hidden.
    pub fn hides_reason(&self, reason: &str) -> bool {
        self.reasons.binary_search_by(|name| name.as_str().cmp(reason)).is_ok()
    }
}
