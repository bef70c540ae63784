use std::collections::HashMap;

use crate::cell::{Key, Place};

/// The pseudonym of a person. The same person has the same one wherever it occurs.
pub type Person = u64;

/// What one person has in one place. Sixteen bytes: a release of five million facts takes 80 MB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    place: u32,
    /// How many doses.
    pub doses: u32,
    /// Whose.
    pub person: Person,
}

/// All facts of one moment, by place and person.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    places: Vec<Place>,
    /// Where the entries of each place begin, and where the last ones end.
    starts: Vec<usize>,
    entries: Vec<Entry>,
}

/// A place known to a [`FactsBuilder`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlaceId(u32);

/// Gathers facts in any order.
#[derive(Debug, Default)]
pub struct FactsBuilder {
    ids: HashMap<Place, u32>,
    entries: Vec<Entry>,
}

impl FactsBuilder {
    /// Returns a builder without facts.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the id of a place, by which facts are added to it.
    ///
    /// # Panics
    /// With more than 2^32 places, whose names no memory holds.
    pub fn place(&mut self, place: Place) -> PlaceId {
        let next = u32::try_from(self.ids.len()).expect("no memory holds the names of 2^32 places");
        PlaceId(*self.ids.entry(place).or_insert(next))
    }

    /// Adds doses of one person in a place. A person may be added to one place several times.
    pub fn add(&mut self, place: PlaceId, person: Person, doses: u32) {
        self.entries.push(Entry { place: place.0, doses, person });
    }

    /// Adds doses of one person in a cell.
    pub fn add_to_cell(&mut self, key: Key, person: Person, doses: u32) {
        let place = self.place(Place::Cell(key));
        self.add(place, person, doses);
    }

    /// Groups what was added.
    pub fn build(self) -> Facts {
        let mut named: Vec<(Place, u32)> = self.ids.into_iter().collect();
        named.sort_unstable();
        let mut rank = vec![0; named.len()];
        for (new, (_, old)) in (0..).zip(&named) {
            rank[*old as usize] = new;
        }
        let mut entries = self.entries;
        for entry in &mut entries {
            entry.place = rank[entry.place as usize];
        }
        entries.retain(|entry| entry.doses > 0);
        entries.sort_unstable_by_key(|entry| (entry.place, entry.person));
        entries.dedup_by(|next, first| {
            let same = (next.place, next.person) == (first.place, first.person);
            if same {
                first.doses = first.doses.saturating_add(next.doses);
            }
            same
        });
        group(named.into_iter().map(|(place, _)| place), entries)
    }
}

/// Finds where each place's entries begin; places without any are dropped.
fn group(named: impl Iterator<Item = Place>, entries: Vec<Entry>) -> Facts {
    let mut facts = Facts { places: Vec::new(), starts: vec![0], entries };
    let mut at = 0;
    for (number, place) in (0..).zip(named) {
        let here = facts.entries[at..].partition_point(|entry| entry.place <= number);
        if here > 0 {
            at += here;
            facts.places.push(place);
            facts.starts.push(at);
        }
    }
    facts
}

impl Facts {
    /// Returns the places that have facts, in their order: cells by key, then reasons.
    pub fn places(&self) -> &[Place] {
        &self.places
    }

    /// Returns what is in a place, by person; nothing if the place has no facts.
    pub fn entries(&self, place: &Place) -> &[Entry] {
        self.places.binary_search(place).map_or(&[], |index| self.entries_at(index))
    }

    /// What is in the place of this number.
    pub(crate) fn entries_at(&self, index: usize) -> &[Entry] {
        &self.entries[self.starts[index]..self.starts[index + 1]]
    }

    /// How many of the places are cells; they are the first ones.
    pub(crate) fn cells(&self) -> usize {
        self.places.partition_point(|place| matches!(place, Place::Cell(_)))
    }
}

/// The doses of all these entries together.
pub(crate) fn doses(entries: &[Entry]) -> i64 {
    entries.iter().map(|entry| i64::from(entry.doses)).sum()
}

/// Counts distinct persons up to `enough`: beyond it nobody asks how many there are.
pub(crate) fn persons<'a>(groups: impl IntoIterator<Item = &'a [Entry]>, enough: usize) -> usize {
    let mut seen: Vec<Person> = Vec::with_capacity(enough);
    for entry in groups.into_iter().flatten() {
        if seen.len() >= enough {
            break;
        }
        if !seen.contains(&entry.person) {
            seen.push(entry.person);
        }
    }
    seen.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(text: &str) -> Place {
        Place::Excluded(text.to_owned())
    }

    #[test]
    fn facts_are_the_same_in_whatever_order_they_come() {
        let facts = [("b", 7, 1), ("a", 9, 2), ("b", 3, 1), ("b", 7, 4), ("c", 1, 0)];
        let build = |order: &mut dyn Iterator<Item = &(&str, u64, u32)>| {
            let mut builder = FactsBuilder::new();
            for (place, person, doses) in order {
                let place = builder.place(reason(place));
                builder.add(place, *person, *doses);
            }
            builder.build()
        };
        let forward = build(&mut facts.iter());
        let backward = build(&mut facts.iter().rev());
        assert_eq!(forward, backward);
        assert_eq!(forward.places(), [reason("a"), reason("b")]);
        let of_b: Vec<_> = forward.entries(&reason("b")).iter().map(|e| (e.person, e.doses)).collect();
        assert_eq!(of_b, [(3, 1), (7, 5)]);
        assert_eq!(forward.entries(&reason("c")), []);
    }

    #[test]
    fn persons_are_counted_once_over_several_groups() {
        let mut builder = FactsBuilder::new();
        for (place, person) in [("a", 1), ("a", 2), ("b", 2), ("b", 3)] {
            let place = builder.place(reason(place));
            builder.add(place, person, 1);
        }
        let facts = builder.build();
        assert_eq!(persons((0..2).map(|place| facts.entries_at(place)), 10), 3);
        assert_eq!(persons((0..2).map(|place| facts.entries_at(place)), 2), 2);
    }
}
