//! Who is one person under several pseudonyms.
//!
//! The numbers of a series count people by the pseudonym that they had when they were published. Whoever gets another one
//! (a health number was added or corrected, records were merged) would look like two whose doses changed, and two of a
//! small group would pass for a large one. So both are counted as one until a new series begins, also where they part
//! again: who was taken for one person is never counted as two.

use std::collections::{BTreeSet, HashMap};

use sqlx::PgConnection;

use super::StoreError;

/// Pseudonyms of people who have several.
#[derive(Debug, Default)]
pub(super) struct Persons {
    first: HashMap<i64, i64>,
}

impl Persons {
    /// Reads whoever had several in the series that goes on.
    pub(super) async fn read(connection: &mut PgConnection) -> Result<Self, StoreError> {
        let rows = sqlx::query!("-- aggregator.same_persons\nSELECT earlier, later FROM same_person");
        let rows = rows.fetch_all(connection).await?;
        Ok(Self::united(rows.iter().map(|row| (row.earlier, row.later))))
    }

    fn united(pairs: impl Iterator<Item = (i64, i64)>) -> Self {
        let mut next = HashMap::new();
        for (one, other) in pairs {
            let (one, other) = (last(&next, one), last(&next, other));
            if one != other {
                next.insert(one.max(other), one.min(other)); // always to a smaller one: no circles
            }
        }
        let first = next.keys().map(|person| (*person, last(&next, *person))).collect();
        Self { first }
    }

    /// Returns the one pseudonym by which this person is counted.
    pub(super) fn one(&self, person: i64) -> i64 {
        if self.first.is_empty() { person } else { self.first.get(&person).copied().unwrap_or(person) }
    }
}

fn last(next: &HashMap<i64, i64>, mut person: i64) -> i64 {
    while let Some(further) = next.get(&person) {
        person = *further;
    }
    person
}

/// Notes pseudonyms before and after, in the transaction that changes them.
pub(super) async fn note(
    connection: &mut PgConnection,
    changed: &BTreeSet<(i64, i64)>,
) -> Result<(), StoreError> {
    if changed.is_empty() {
        return Ok(());
    }
    let (earlier, later): (Vec<i64>, Vec<i64>) = changed.iter().copied().unzip();
    sqlx::query!(
        "-- aggregator.note_same_person
        INSERT INTO same_person SELECT * FROM unnest($1::bigint[], $2::bigint[]) ON CONFLICT DO NOTHING",
        &earlier,
        &later,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Forgets them: a new series counts everybody by today's pseudonym.
pub(super) async fn forget(connection: &mut PgConnection) -> Result<(), StoreError> {
    sqlx::query!("-- aggregator.forget_same_person\nDELETE FROM same_person").execute(connection).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_linked_by_whatever_way_is_one() {
        let persons = Persons::united([(5, 9), (7, -3), (9, 7), (1, 2), (2, 1), (4, 4)].into_iter());
        for person in [5, 9, 7, -3] {
            assert_eq!(persons.one(person), -3);
        }
        assert_eq!((persons.one(1), persons.one(2)), (1, 1));
        assert_eq!((persons.one(4), persons.one(6)), (4, 6), "nobody else");
    }
}
