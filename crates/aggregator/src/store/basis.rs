//! Who has how many doses where: now, and in the numbers that were published. Millions of them: what is there now comes
//! as one binary copy, what was published is one row for each place, and both become numbers at once.

use std::collections::{HashMap, HashSet};

use disclosure::{Entry, Facts, FactsBuilder, Place, PlaceId};
use futures::TryStreamExt;
use sqlx::PgConnection;

use super::StoreError;
use super::persons::Persons;

const NOW: &str = "-- aggregator.copy_facts
    COPY (SELECT place, person FROM fact WHERE place IS NOT NULL) TO STDOUT (FORMAT BINARY)";

/// A person in a place of the basis: pseudonym and doses.
const PERSON: usize = 8 + 4;
/// How many bytes of the basis are written with one statement.
const AT_ONCE: usize = 8 << 20;

/// Reads what is there now.
pub(super) async fn now(
    connection: &mut PgConnection,
    places: &HashMap<i32, Place>,
    persons: &Persons,
) -> Result<Facts, StoreError> {
    let mut reader = Reader::new(places, persons);
    let mut rows = Rows::default();
    let mut stream = connection.copy_out_raw(NOW).await?;
    while let Some(bytes) = stream.try_next().await? {
        rows.read(&bytes, |place, person| reader.add(place, person, 1))?;
    }
    drop(stream);
    Ok(reader.builder.build())
}

/// Reads what was published.
pub(super) async fn published(
    connection: &mut PgConnection,
    places: &HashMap<i32, Place>,
    persons: &Persons,
) -> Result<Facts, StoreError> {
    let mut reader = Reader::new(places, persons);
    let mut rows = sqlx::query!("-- aggregator.basis\nSELECT place, persons FROM basis").fetch(connection);
    while let Some(row) = rows.try_next().await? {
        let (entries, rest) = row.persons.as_chunks::<PERSON>();
        if !rest.is_empty() {
            return Err(StoreError::Unreadable("a basis"));
        }
        for &[a, b, c, d, e, f, g, h, doses @ ..] in entries {
            reader.add(row.place, i64::from_be_bytes([a, b, c, d, e, f, g, h]), u32::from_be_bytes(doses))?;
        }
    }
    drop(rows);
    Ok(reader.builder.build())
}

/// Makes the basis what is there now, at these places or everywhere.
pub(super) async fn replace(
    connection: &mut PgConnection,
    places: &HashMap<i32, Place>,
    facts: &Facts,
    published: Option<&[Place]>,
) -> Result<(), StoreError> {
    let chosen: Option<HashSet<&Place>> = published.map(|places| places.iter().collect());
    let is_chosen = |place: &Place| chosen.as_ref().is_none_or(|chosen| chosen.contains(place));
    let ids: Vec<i32> = places.iter().filter(|(_, place)| is_chosen(place)).map(|(id, _)| *id).collect();
    sqlx::query!("-- aggregator.forget_basis\nDELETE FROM basis WHERE place = ANY($1)", &ids)
        .execute(&mut *connection)
        .await?;
    let (mut some, mut persons, mut bytes) = (Vec::new(), Vec::new(), 0);
    for id in ids {
        let packed = packed(facts.entries(&places[&id]));
        if packed.is_empty() {
            continue;
        }
        bytes += packed.len();
        some.push(id);
        persons.push(packed);
        if bytes >= AT_ONCE {
            write(connection, &some, &persons).await?;
            (some, persons, bytes) = (Vec::new(), Vec::new(), 0);
        }
    }
    write(connection, &some, &persons).await
}

async fn write(connection: &mut PgConnection, places: &[i32], persons: &[Vec<u8>]) -> Result<(), StoreError> {
    sqlx::query!(
        "-- aggregator.write_basis
        INSERT INTO basis (place, persons) SELECT * FROM unnest($1::integer[], $2::bytea[])",
        places,
        persons,
    )
    .execute(connection)
    .await?;
    Ok(())
}

fn packed(entries: &[Entry]) -> Vec<u8> {
    let mut packed = Vec::with_capacity(entries.len() * PERSON);
    for entry in entries {
        packed.extend(entry.person.to_be_bytes());
        packed.extend(entry.doses.to_be_bytes());
    }
    packed
}

/// Puts places by number and persons together.
struct Reader<'a> {
    places: &'a HashMap<i32, Place>,
    persons: &'a Persons,
    numbers: HashMap<i32, PlaceId>,
    builder: FactsBuilder,
}

impl<'a> Reader<'a> {
    fn new(places: &'a HashMap<i32, Place>, persons: &'a Persons) -> Self {
        Self { places, persons, numbers: HashMap::new(), builder: FactsBuilder::new() }
    }

    fn add(&mut self, place: i32, person: i64, doses: u32) -> Result<(), StoreError> {
        let number = if let Some(number) = self.numbers.get(&place) {
            *number
        } else {
            let known = self.places.get(&place).ok_or(StoreError::Unreadable("a place"))?;
            *self.numbers.entry(place).or_insert(self.builder.place(known.clone()))
        };
        self.builder.add(number, self.persons.one(person).cast_unsigned(), doses);
        Ok(())
    }
}

/// PostgreSQL's binary COPY of (integer, bigint): a header of 19 bytes, rows, and −1 at the end.
#[derive(Default)]
struct Rows {
    rest: Vec<u8>,
    has_begun: bool,
}

const HEADER: usize = 19;
const ROW: usize = 2 + (4 + 4) + (4 + 8);

impl Rows {
    fn read(
        &mut self,
        bytes: &[u8],
        mut take: impl FnMut(i32, i64) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let unreadable = || StoreError::Unreadable("a copy");
        self.rest.extend_from_slice(bytes);
        let mut at = 0;
        if !self.has_begun {
            if self.rest.len() < HEADER {
                return Ok(());
            }
            if !self.rest.starts_with(b"PGCOPY\n\xff\r\n\0") {
                return Err(unreadable());
            }
            (self.has_begun, at) = (true, HEADER);
        }
        while let Some(row) = self.rest[at..].first_chunk::<ROW>() {
            let [0, 2, 0, 0, 0, 4, a, b, c, d, 0, 0, 0, 8, person @ ..] = *row else {
                return Err(unreadable());
            };
            take(i32::from_be_bytes([a, b, c, d]), i64::from_be_bytes(person))?;
            at += ROW;
        }
        self.rest.drain(..at);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_however_the_bytes_come() {
        let mut copy = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0".to_vec();
        for (place, person) in [(1_i32, -5_i64), (7, i64::MAX)] {
            copy.extend([0, 2, 0, 0, 0, 4]);
            copy.extend(place.to_be_bytes());
            copy.extend([0, 0, 0, 8]);
            copy.extend(person.to_be_bytes());
        }
        copy.extend([0xff, 0xff]);
        for size in [1, 3, 20, 1000] {
            let (mut rows, mut read) = (Rows::default(), Vec::new());
            for part in copy.chunks(size) {
                rows.read(part, |place, person| {
                    read.push((place, person));
                    Ok(())
                })
                .unwrap();
            }
            assert_eq!(read, [(1, -5), (7, i64::MAX)], "in parts of {size}");
        }
    }

    #[test]
    fn what_is_no_copy_is_refused() {
        for bytes in [
            b"PGCOPY, or so it says".to_vec(),
            [&b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0"[..], &[9; 22]].concat(),
        ] {
            assert!(Rows::default().read(&bytes, |_, _| Ok(())).is_err());
        }
    }
}
