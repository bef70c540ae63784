//! Cells and reasons by number.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

use disclosure::{Key, Place};
use sqlx::PgConnection;

use super::{Store, StoreError};

/// The numbers that this process knows.
#[derive(Default)]
pub(super) struct Places {
    known: Mutex<HashMap<Place, i32>>,
}

impl Places {
    /// Returns the numbers of these, in their order, or those that have none yet.
    fn numbers<'a>(&self, places: &'a [Place]) -> Result<Vec<i32>, BTreeSet<&'a Place>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let numbers: Vec<i32> = places.iter().map_while(|place| known.get(place).copied()).collect();
        if numbers.len() == places.len() {
            return Ok(numbers);
        }
        Err(places.iter().filter(|place| !known.contains_key(place)).collect())
    }

    fn learn(&self, rows: Vec<PlaceRow>) -> Result<(), StoreError> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        for row in rows {
            let (id, place) = row.read()?;
            known.insert(place, id);
        }
        Ok(())
    }
}

/// A row of the table.
struct PlaceRow {
    id: i32,
    reason: Option<String>,
    year: Option<i32>,
    age: Option<String>,
    sex: Option<String>,
    vaccine: Option<String>,
    dose: Option<String>,
}

impl PlaceRow {
    fn read(self) -> Result<(i32, Place), StoreError> {
        let Self { id, reason, year, age, sex, vaccine, dose } = self;
        match (reason, age, sex, vaccine, dose) {
            (Some(reason), ..) => Ok((id, Place::Excluded(reason))),
            (None, Some(age), Some(sex), Some(vaccine), Some(dose)) => {
                Ok((id, Place::Cell(Key { vaccine, year, age, sex, dose })))
            }
            _ => Err(StoreError::Unreadable("a place")),
        }
    }
}

impl Store {
    /// Returns the numbers of these places; new ones are written down. A number is learned only once its row is sure to
    /// stay, so this has statements of its own.
    pub(super) async fn place_ids(&self, places: &[Place]) -> Result<Vec<i32>, StoreError> {
        let new = match self.places.numbers(places) {
            Ok(numbers) => return Ok(numbers),
            Err(new) => new,
        };
        self.places.learn(self.write_places(&new).await?)?;
        if let Ok(numbers) = self.places.numbers(places) {
            return Ok(numbers);
        }
        // Others were there already, written by another process or by one before this.
        self.places.learn(rows(&mut *self.pool.acquire().await?).await?)?;
        self.places.numbers(places).map_err(|_| StoreError::Unreadable("a place that was just written"))
    }

    /// Writes down those places that are not there yet, and returns them; all in one order, so that two processes do
    /// not wait for each other.
    async fn write_places(&self, places: &BTreeSet<&Place>) -> Result<Vec<PlaceRow>, StoreError> {
        let reason = |place: &&Place| match place {
            Place::Cell(_) => None,
            Place::Excluded(reason) => Some(reason.clone()),
        };
        let cells: Vec<Option<&Key>> = places
            .iter()
            .map(|place| match place {
                Place::Cell(key) => Some(key),
                Place::Excluded(_) => None,
            })
            .collect();
        let texts = |of: fn(&Key) -> &String| -> Vec<Option<String>> {
            cells.iter().map(|cell| cell.map(|key| of(key).clone())).collect()
        };
        let rows = sqlx::query_as!(
            PlaceRow,
            "-- aggregator.write_places
            INSERT INTO place (reason, year, age, sex, vaccine, dose)
            SELECT * FROM unnest($1::text[], $2::integer[], $3::text[], $4::text[], $5::text[], $6::text[])
            ON CONFLICT DO NOTHING RETURNING id, reason, year, age, sex, vaccine, dose",
            &places.iter().map(reason).collect::<Vec<_>>() as &[Option<String>],
            &cells.iter().map(|cell| cell.and_then(|key| key.year)).collect::<Vec<_>>() as &[Option<i32>],
            &texts(|key| &key.age) as &[Option<String>],
            &texts(|key| &key.sex) as &[Option<String>],
            &texts(|key| &key.vaccine) as &[Option<String>],
            &texts(|key| &key.dose) as &[Option<String>],
        );
        Ok(rows.fetch_all(&self.pool).await?)
    }
}

/// Returns all places by number.
pub(super) async fn all(connection: &mut PgConnection) -> Result<HashMap<i32, Place>, StoreError> {
    rows(connection).await?.into_iter().map(PlaceRow::read).collect()
}

async fn rows(connection: &mut PgConnection) -> Result<Vec<PlaceRow>, StoreError> {
    let rows = sqlx::query_as!(
        PlaceRow,
        "-- aggregator.places
        SELECT id, reason, year, age, sex, vaccine, dose FROM place"
    );
    Ok(rows.fetch_all(connection).await?)
}
