use serde::{Deserialize, Serialize};

use crate::cell::Place;
use crate::changes::pairs;
use crate::facts::{Facts, Person, doses};
use crate::hold::Ledger;
use crate::pattern::Pattern;
use crate::policy::Policy;
use crate::release::Release;
use crate::waiting::Counted;

/// What all releases of a series have in common: kept by the caller from one release to the next, and never shown.
///
/// What was hidden in the first release stays hidden, and nothing else is hidden later: a pattern made anew would show
/// by its differences what it hides. So changes wait until they can be shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Series {
    policy: Policy,
    pattern: Pattern,
    /// The fewest doses of each hidden cell in any release so far, in the order of the pattern.
    least: Vec<i64>,
    counted: Counted,
}

/// A further release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Next {
    /// The series as it goes on from here.
    pub series: Series,
    /// What is shown.
    pub release: Release,
    /// The places whose changes are published, all of each: there the basis becomes what is there now. Everywhere else
    /// it stays.
    pub published: Vec<Place>,
}

/// The basis is not that of the series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the basis holds less than the series has published")]
pub struct ForeignBasis;

impl Series {
    /// Opens a series with the release of these facts, which are its basis.
    pub fn first(facts: &Facts, policy: Policy) -> (Self, Release) {
        let pattern = Pattern::new(facts, policy);
        let in_cell = |key| doses(facts.entries(&Place::Cell(key)));
        let least = pattern.cells.iter().cloned().map(in_cell).collect();
        let series = Self { policy, pattern, least, counted: Counted::default() };
        let counts =
            facts.places().iter().enumerate().map(|(number, place)| (place, doses(facts.entries_at(number))));
        let release = Release::new(policy, &series.pattern, counts, Some(0));
        (series, release)
    }

    /// Calls persons by other pseudonyms from here on. Who turns out to be one person must be called the same in the
    /// basis and in the facts too: else one looks like two.
    pub fn rename(&mut self, name: impl Fn(Person) -> Person) {
        self.counted.rename(name);
    }

    /// Makes the next release from the basis, which is what the last release counts, and what is there now.
    ///
    /// Changes of a place are published, all of them together, if
    /// 1. at least k persons are among them, and their net is 0 or at least k doses,
    /// 2. the place is hidden, or holds nothing or at least k persons and doses afterwards,
    /// 3. every small number that is hidden keeps a witness that is valid for all releases.
    pub fn next(&self, basis: &Facts, current: &Facts) -> Result<Next, ForeignBasis> {
        let pairs = pairs(basis, current);
        self.check(basis)?;
        let mut cells = Ledger::new(self.policy, &self.pattern, &pairs, self.least.clone());
        // Changes of excluded records stand on lines of their own: they hide nobody among the changes of cells.
        let (mut published, mut published_cells, mut waiting) = (Vec::new(), Vec::new(), Vec::new());
        let mut counts = Vec::with_capacity(pairs.len());
        for (number, pair) in pairs.iter().enumerate() {
            let differences = pair.differences();
            let is_cell = matches!(pair.place, Place::Cell(_));
            let publish = pair.is_large(&differences, self.policy)
                && match pair.place {
                    Place::Cell(_) => cells.publish(number), // cells are the first places
                    Place::Excluded(reason) => {
                        self.pattern.hides_reason(reason)
                            || !self.policy.is_sensitive(pair.current.len(), doses(pair.current))
                    }
                };
            counts.push((pair.place, doses(if publish { pair.current } else { pair.basis })));
            if publish {
                published.push(pair.place.clone());
            }
            if is_cell && publish {
                published_cells.push((pair.place.clone(), differences));
            } else if is_cell && !differences.is_empty() {
                waiting.push((pair.place.clone(), differences));
            }
        }
        let mut counted = self.counted.clone();
        counted.move_to(waiting, &published_cells, self.policy);
        let release = Release::new(self.policy, &self.pattern, counts, Some(counted.doses()));
        let series = Self { policy: self.policy, pattern: self.pattern.clone(), least: cells.least, counted };
        Ok(Next { series, release, published })
    }

    /// A basis cannot hold less in a hidden cell than any release did.
    fn check(&self, basis: &Facts) -> Result<(), ForeignBasis> {
        let holds = |key: &_| doses(basis.entries(&Place::Cell(Clone::clone(key))));
        let fits = self.pattern.cells.iter().zip(&self.least).all(|(key, least)| holds(key) >= *least);
        if fits { Ok(()) } else { Err(ForeignBasis) }
    }

    /// Returns what the series hides, and why that is enough.
    pub fn pattern(&self) -> &Pattern {
        &self.pattern
    }

    /// Returns the rules of the series.
    pub fn policy(&self) -> Policy {
        self.policy
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell::Key;
    use crate::facts::FactsBuilder;

    /// So many girls and boys with a dose each, and so many records that were received.
    fn facts(girls: u64, boys: u64, received: u64) -> Facts {
        let mut facts = FactsBuilder::new();
        for (sex, people) in [("Female", 0..girls), ("Male", 1_000..1_000 + boys)] {
            let key = Key {
                vaccine: "MMR".to_owned(),
                year: Some(2026),
                age: "1 year".to_owned(),
                sex: sex.to_owned(),
                dose: "1".to_owned(),
            };
            people.for_each(|person| facts.add_to_cell(key.clone(), person, 1));
        }
        let place = facts.place(Place::Excluded("received".to_owned()));
        (2_000..2_000 + received).for_each(|person| facts.add(place, person, 1));
        facts.build()
    }

    #[test]
    fn excluded_records_hide_nobody_among_the_changes_of_cells() {
        let (series, _) = Series::first(&facts(20, 20, 10), Policy::default());
        let next = series.next(&facts(20, 20, 10), &facts(24, 24, 10)).unwrap();
        assert_eq!((next.release.total, next.release.waiting), (Some(40), Some(8)));
        let next = next.series.next(&facts(20, 20, 10), &facts(25, 25, 15)).unwrap();
        // Two of the ten were never counted among the waiting: a move to 0 would tell that they are two.
        assert_eq!((next.release.total, next.release.waiting), (Some(50), Some(8)));
    }

    #[test]
    fn waiting_changes_of_one_person_under_several_names_do_not_move_the_number() {
        let (series, _) = Series::first(&facts(20, 20, 0), Policy::default());
        let mut next = series.next(&facts(20, 20, 0), &facts(24, 24, 0)).unwrap();
        assert_eq!(next.release.waiting, Some(8));
        // The four girls turn out to be one, whose doses went to nobody: one person's changes leave.
        let one = |person: Person| if (20..24).contains(&person) { 20 } else { person };
        next.series.rename(one);
        let later = next.series.next(&facts(20, 20, 0), &facts(20, 24, 0)).unwrap();
        assert_eq!(later.release.waiting, Some(8));
    }
}
