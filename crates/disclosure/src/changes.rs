//! What differs between what is published of a place and what is there now.

use std::cmp::Ordering;

use crate::cell::Place;
use crate::facts::{Entry, Facts, Person, doses};
use crate::policy::Policy;

/// A place in two states.
#[derive(Debug, Clone)]
pub(crate) struct Pair<'a> {
    pub(crate) place: &'a Place,
    /// What is published.
    pub(crate) basis: &'a [Entry],
    /// What is there now.
    pub(crate) current: &'a [Entry],
}

/// By how many doses a person's share differs.
pub(crate) type Difference = (Person, i64);

/// Pairs the places of both, in their order.
pub(crate) fn pairs<'a>(basis: &'a Facts, current: &'a Facts) -> Vec<Pair<'a>> {
    let of = |facts: &'a Facts, number: usize| facts.places().get(number);
    let (mut left, mut right) = (0, 0);
    let mut pairs = Vec::with_capacity(current.places().len());
    while let Some(place) = [of(basis, left), of(current, right)].into_iter().flatten().min() {
        let mut pair = Pair { place, basis: &[], current: &[] };
        if of(basis, left) == Some(place) {
            pair.basis = basis.entries_at(left);
            left += 1;
        }
        if of(current, right) == Some(place) {
            pair.current = current.entries_at(right);
            right += 1;
        }
        pairs.push(pair);
    }
    pairs
}

impl Pair<'_> {
    /// Whose share differs, and by how much, in the order of persons.
    pub(crate) fn differences(&self) -> Vec<Difference> {
        let mut found = Vec::new();
        let (mut basis, mut current) = (self.basis.iter().peekable(), self.current.iter().peekable());
        loop {
            let order = match (basis.peek(), current.peek()) {
                (None, None) => return found,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(before), Some(after)) => before.person.cmp(&after.person),
            };
            let before = if order.is_le() { basis.next() } else { None };
            let after = if order.is_ge() { current.next() } else { None };
            let doses = |entry: Option<&Entry>| entry.map_or(0, |entry| i64::from(entry.doses));
            let change = doses(after) - doses(before);
            if let (true, Some(entry)) = (change != 0, before.or(after)) {
                found.push((entry.person, change));
            }
        }
    }

    /// Whether the changes are enough to be told from a small group's: at least k persons are among them, and together
    /// they are 0 or at least k doses.
    pub(crate) fn is_large(&self, differences: &[Difference], policy: Policy) -> bool {
        let net = (doses(self.current) - doses(self.basis)).abs();
        differences.len() >= policy.persons() && (net == 0 || net >= policy.doses())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::FactsBuilder;

    fn facts(list: &[(&str, Person, u32)]) -> Facts {
        let mut builder = FactsBuilder::new();
        for (reason, person, doses) in list {
            let place = builder.place(Place::Excluded((*reason).to_owned()));
            builder.add(place, *person, *doses);
        }
        builder.build()
    }

    #[test]
    fn differences_are_by_person_and_place() {
        let basis = facts(&[("a", 1, 1), ("a", 2, 3), ("b", 1, 1)]);
        let current = facts(&[("a", 2, 1), ("a", 9, 1), ("b", 1, 1), ("c", 4, 2)]);
        let pairs = pairs(&basis, &current);
        let found: Vec<_> = pairs.iter().map(Pair::differences).collect();
        assert_eq!(found, [vec![(1, -1), (2, -2), (9, 1)], vec![], vec![(4, 2)]]);
    }
}
