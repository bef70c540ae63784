//! Whether what waits in a cell may be published without breaking what the series promised.

use std::collections::HashMap;

use crate::cell::{Axis, Key, Label};
use crate::changes::Pair;
use crate::facts::{Entry, doses, persons};
use crate::pattern::{Margin, Number, Pattern};
use crate::policy::Policy;
use crate::table::key_of;
use crate::witness::Changes;

/// The cells of a series between two releases.
pub(crate) struct Ledger<'a> {
    policy: Policy,
    pattern: &'a Pattern,
    cells: Vec<Spot<'a>>,
    /// Where in `cells` the hidden ones are, by position in the pattern; none once nothing is or was there.
    spots: Vec<Option<usize>>,
    /// The fewest doses of each hidden cell in any release.
    pub(crate) least: Vec<i64>,
    /// The most that a witness takes from each hidden cell.
    taken: Vec<i64>,
    sums: HashMap<Number, Vec<usize>>,
    parts: Vec<Vec<usize>>,
}

/// A cell.
struct Spot<'a> {
    basis: State<'a>,
    current: State<'a>,
    published: bool,
    /// Its position in the pattern, if it is hidden.
    hidden: Option<usize>,
    /// The hidden sums that it is in.
    sums: Vec<Number>,
    /// The hidden parts of shown sums that it is in.
    parts: Vec<usize>,
}

/// What a cell holds.
struct State<'a> {
    entries: &'a [Entry],
    doses: i64,
}

impl<'a> State<'a> {
    fn new(entries: &'a [Entry]) -> Self {
        Self { entries, doses: doses(entries) }
    }
}

/// A sum whose hidden part is known: that of a label, of all hidden margins of an axis, or of all hidden vaccines.
#[derive(PartialEq, Eq, Hash)]
enum Known<'a> {
    Label(&'a str, Label),
    Rest(&'a str, Axis),
    Vaccines,
}

impl<'a> Ledger<'a> {
    pub(crate) fn new(policy: Policy, pattern: &'a Pattern, pairs: &[Pair<'a>], least: Vec<i64>) -> Self {
        let mut taken = vec![0; pattern.cells.len()];
        for changes in pattern.proofs.iter().flat_map(|proof| [&proof.witness.up, &proof.witness.down]) {
            for (position, change) in changes {
                taken[*position] = taken[*position].max(-change);
            }
        }
        let mut ledger = Self {
            policy,
            pattern,
            cells: Vec::new(),
            spots: vec![None; pattern.cells.len()],
            least,
            taken,
            sums: HashMap::new(),
            parts: Vec::new(),
        };
        let mut known = HashMap::new();
        for pair in pairs {
            if let Some(key) = key_of(pair.place) {
                ledger.take(key, pair, &mut known);
            }
        }
        ledger
    }

    /// Enters a cell into the sums and parts it is in.
    fn take(&mut self, key: &'a Key, pair: &Pair<'a>, known: &mut HashMap<Known<'a>, usize>) {
        let number = self.cells.len();
        let hidden = self.pattern.cells.binary_search(key).ok();
        let mut sums = Vec::new();
        let mut in_parts = Vec::new();
        for axis in Axis::ALL {
            let margin = Margin { vaccine: key.vaccine.clone(), label: key.label(axis) };
            if let Ok(position) = self.pattern.margins.binary_search(&margin) {
                sums.push(Number::Margin(position));
                in_parts.push(Known::Rest(&key.vaccine, axis));
            } else {
                in_parts.push(Known::Label(&key.vaccine, margin.label));
            }
        }
        if let Ok(position) = self.pattern.vaccines.binary_search(&key.vaccine) {
            sums.push(Number::Vaccine(position));
            if !self.pattern.total {
                in_parts.push(Known::Vaccines);
            }
        }
        for sum in &sums {
            self.sums.entry(*sum).or_default().push(number);
        }
        let mut parts = Vec::new();
        if let Some(position) = hidden {
            self.spots[position] = Some(number);
            for part in in_parts {
                let at = *known.entry(part).or_insert(self.parts.len());
                self.parts.resize_with(self.parts.len().max(at + 1), Vec::new);
                self.parts[at].push(number);
                parts.push(at);
            }
        }
        let (basis, current) = (State::new(pair.basis), State::new(pair.current));
        self.cells.push(Spot { basis, current, published: false, hidden, sums, parts });
    }

    /// Publishes the changes of a cell, by its number, if all that was promised still holds; tells whether it does.
    pub(crate) fn publish(&mut self, number: usize) -> bool {
        let current = self.cells[number].current.doses;
        let before = self.cells[number].hidden.map(|position| (position, self.least[position]));
        self.cells[number].published = true;
        if let Some((position, least)) = before {
            self.least[position] = least.min(current);
        }
        if self.holds(number) {
            return true;
        }
        self.cells[number].published = false;
        if let Some((position, least)) = before {
            self.least[position] = least;
        }
        false
    }

    fn holds(&self, number: usize) -> bool {
        let spot = &self.cells[number];
        let itself = match spot.hidden {
            None => !self.policy.is_sensitive(spot.current.entries.len(), spot.current.doses),
            Some(position) => {
                self.is_protected(Number::Cell(position), &[number])
                    && self.leaves_witnesses(position)
                    && spot.parts.iter().all(|part| self.is_none_or_large(&self.parts[*part]))
            }
        };
        itself && spot.sums.iter().all(|sum| self.is_protected(*sum, &self.sums[sum]))
    }

    /// What the next release counts of a cell.
    fn counted(&self, number: usize) -> &State<'a> {
        let spot = &self.cells[number];
        if spot.published { &spot.current } else { &spot.basis }
    }

    fn persons(&self, cells: &[usize]) -> usize {
        persons(cells.iter().map(|cell| self.counted(*cell).entries), self.policy.persons())
    }

    fn is_none_or_large(&self, part: &[usize]) -> bool {
        let found = self.persons(part);
        found == 0 || found >= self.policy.persons()
    }

    /// Whether a hidden number of these cells (in order), if it is small now, has a witness that reaches far enough.
    fn is_protected(&self, number: Number, cells: &[usize]) -> bool {
        let sum: i64 = cells.iter().map(|cell| self.counted(*cell).doses).sum();
        if !self.policy.is_sensitive(self.persons(cells), sum) {
            return true;
        }
        let Ok(at) = self.pattern.proofs.binary_search_by_key(&number, |proof| proof.number) else {
            return false;
        };
        let witness = &self.pattern.proofs[at].witness;
        let inside =
            |position: usize| self.spots[position].is_some_and(|cell| cells.binary_search(&cell).is_ok());
        let net = |changes: &Changes| -> i64 {
            changes.iter().filter(|(position, _)| inside(*position)).map(|(_, change)| change).sum()
        };
        let least: i64 = cells.iter().map(|cell| self.counted(*cell).doses.min(1)).sum();
        sum + net(&witness.up) >= self.policy.doses() && sum + net(&witness.down) <= least
    }

    /// Whether all witnesses can still take from a cell what they take, and leave it a dose.
    fn leaves_witnesses(&self, position: usize) -> bool {
        self.taken[position] == 0 || self.least[position] > self.taken[position]
    }
}
