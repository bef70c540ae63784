//! A province from week to week.

use disclosure::{Facts, FactsBuilder, Key, Place, Policy, Release, Series};

use crate::province::{Chance, THIS_YEAR, each_fact};

/// What the caller of the crate stores after a release: places that were published anew, the rest as it was.
pub fn new_basis(basis: &Facts, current: &Facts, published: &[Place]) -> Facts {
    let mut builder = FactsBuilder::new();
    for (facts, wanted) in [(basis, false), (current, true)] {
        for place in facts.places().iter().filter(|place| published.contains(place) == wanted) {
            let id = builder.place(place.clone());
            for entry in facts.entries(place) {
                builder.add(id, entry.person, entry.doses);
            }
        }
    }
    builder.build()
}

/// A dose, and when the record says what.
struct Dose {
    key: Key,
    person: u64,
    /// The week of the release that first could count it.
    arrives: u64,
    /// The week from which on it has another sex.
    corrected: u64,
}

/// The releases of so many weeks after the first.
pub struct Weeks {
    pub releases: Vec<Release>,
    /// What each release counts.
    pub counted: Vec<Facts>,
    /// What the records hold at the end.
    pub records: Facts,
}

impl Weeks {
    /// Doses in the records at the end.
    pub fn doses(&self) -> i64 {
        self.records
            .places()
            .iter()
            .flat_map(|place| self.records.entries(place))
            .map(|e| i64::from(e.doses))
            .sum()
    }

    /// Changes that are in no release at the end: doses that are missing, and doses that should be gone.
    pub fn waiting(&self) -> i64 {
        let last = self.counted.last().into_iter();
        last.map(|counted| missing(counted, &self.records) + missing(&self.records, counted)).sum()
    }
}

/// Lets a province report weekly. A fifth of this year's doses come in these weeks; of all doses two in ten thousand
/// are corrected every week if any are, which is a lot.
pub fn weeks(people: u64, weeks: u64, policy: Policy, corrections: bool) -> Weeks {
    let seed = 1;
    let mut chance = Chance::new(seed ^ 0xDA7E);
    let mut doses = Vec::new();
    each_fact(people, seed, |key, person| {
        let is_late = key.year == Some(THIS_YEAR) && chance.next().is_multiple_of(5);
        let arrives = if is_late { 1 + chance.next() % weeks } else { 0 };
        let corrected = chance.next() % 5_000 + 1;
        doses.push(Dose { key, person, arrives, corrected });
    });
    let state = |week: u64| {
        let mut facts = FactsBuilder::new();
        for dose in doses.iter().filter(|dose| dose.arrives <= week) {
            let mut key = dose.key.clone();
            if corrections && dose.corrected <= week {
                let sex = if key.sex == "Female" { "Male" } else { "Female" };
                sex.clone_into(&mut key.sex);
            }
            facts.add_to_cell(key, dose.person, 1);
        }
        facts.build()
    };
    let mut basis = state(0);
    let mut current = basis.clone();
    let (mut series, first) = Series::first(&basis, policy);
    let mut releases = vec![first];
    let mut counted = vec![basis.clone()];
    for week in 1..=weeks {
        current = state(week);
        let Ok(next) = series.next(&basis, &current) else { break };
        basis = new_basis(&basis, &current, &next.published);
        series = next.series;
        releases.push(next.release);
        counted.push(basis.clone());
    }
    Weeks { releases, counted, records: current }
}

/// How many doses of one are not in the other.
fn missing(from: &Facts, other: &Facts) -> i64 {
    let of = |place: &Place| {
        let there = other.entries(place);
        let rest = |entry: &disclosure::Entry| {
            let found = there.binary_search_by_key(&entry.person, |entry| entry.person);
            i64::from(entry.doses.saturating_sub(found.map_or(0, |found| there[found].doses)))
        };
        from.entries(place).iter().map(rest).sum::<i64>()
    };
    from.places().iter().map(of).sum()
}
