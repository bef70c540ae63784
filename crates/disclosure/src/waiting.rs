//! The number of changes that wait: it too must not move by a small group.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::cell::Place;
use crate::changes::Difference;
use crate::facts::Person;
use crate::policy::Policy;

/// Changes by place, in order.
pub(crate) type Differences = Vec<(Place, Vec<Difference>)>;

/// The waiting changes that the released number counts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Counted(Differences);

type One<'a> = (&'a Place, Person, i64);

impl Counted {
    /// The number: doses added and doses taken away.
    pub(crate) fn doses(&self) -> i64 {
        self.0.iter().flat_map(|(_, changes)| changes).map(|(_, change)| change.abs()).sum()
    }

    /// Calls persons by other names; changes stay, also where two are one person's now.
    pub(crate) fn rename(&mut self, name: impl Fn(Person) -> Person) {
        for (person, _) in self.0.iter_mut().flat_map(|(_, changes)| changes) {
            *person = name(*person);
        }
    }

    /// Counts what waits now, if the number can move to it without giving a small group away; else it stays.
    ///
    /// What was published meanwhile is public, so each part by which the number moves must be large by itself: changes
    /// that are new, changes that went away, changes that were published, and those published without ever having been
    /// counted here.
    pub(crate) fn move_to(&mut self, waiting: Differences, published: &Differences, policy: Policy) {
        let counted = each(&self.0);
        let now = each(&waiting);
        let out = each(published);
        let parts = [
            now.difference(&counted).copied().collect::<Vec<_>>(),
            counted.iter().filter(|one| !now.contains(*one) && !out.contains(*one)).copied().collect(),
            counted.intersection(&out).copied().collect(),
            out.difference(&counted).copied().collect(),
            now.iter().copied().collect(),
        ];
        if parts.iter().all(|part| is_none_or_large(part, policy)) {
            self.0 = waiting;
        }
    }
}

fn each(differences: &Differences) -> BTreeSet<One<'_>> {
    let mut all = BTreeSet::new();
    for (place, changes) in differences {
        all.extend(changes.iter().map(|(person, change)| (place, *person, *change)));
    }
    all
}

fn is_none_or_large(part: &[One<'_>], policy: Policy) -> bool {
    let persons: BTreeSet<Person> = part.iter().map(|(_, person, _)| *person).collect();
    let doses: i64 = part.iter().map(|(_, _, change)| change.abs()).sum();
    !policy.is_sensitive(persons.len(), doses)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes(place: &str, persons: std::ops::Range<Person>) -> (Place, Vec<Difference>) {
        (Place::Excluded(place.to_owned()), persons.map(|person| (person, 1)).collect())
    }

    #[test]
    fn the_number_moves_by_large_parts_or_not_at_all() {
        let policy = Policy::default();
        let mut counted = Counted::default();
        counted.move_to(vec![changes("a", 0..4)], &vec![], policy);
        assert_eq!(counted.doses(), 0, "four persons");
        counted.move_to(vec![changes("a", 0..6)], &vec![], policy);
        assert_eq!(counted.doses(), 6);
        counted.move_to(vec![changes("a", 0..7)], &vec![], policy);
        assert_eq!(counted.doses(), 6, "one person more");
        counted.move_to(vec![changes("b", 7..12)], &vec![changes("a", 0..7)], policy);
        assert_eq!(counted.doses(), 6, "one of the seven was never counted");
        counted.move_to(vec![changes("b", 7..12)], &vec![changes("a", 0..6)], policy);
        assert_eq!(counted.doses(), 5);
        counted.move_to(vec![], &vec![], policy);
        assert_eq!(counted.doses(), 0);
    }
}
