//! Facts and the patients behind them: written only where what comes is newer than what is there.

use chrono::{DateTime, Utc};
use disclosure::{Key, Place};
use sqlx::{PgConnection, Postgres, Transaction};

use super::collector::Collector;
use super::{Store, StoreError, persons};
use crate::count::{self, Dose};

/// What is known of a patient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatientRow {
    /// The Patient's id.
    pub id: String,
    /// The pseudonym.
    pub person: i64,
    /// The birth date as written.
    pub birth_date: String,
    /// The value of the column `Sex`.
    pub sex: &'static str,
    /// The record that this one was merged into.
    pub replaced_by: Option<String>,
    /// The version.
    pub version: i64,
    /// When it was last changed.
    pub last_updated: DateTime<Utc>,
}

/// A record to be counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FactRow {
    /// What it says.
    pub dose: Dose,
    /// The version.
    pub version: i64,
    /// When it was last changed.
    pub last_updated: DateTime<Utc>,
}

/// What places a fact, beside the record itself.
struct Behind {
    person: i64,
    birth_date: String,
    sex: String,
}

impl Store {
    /// Writes patients down, and places the facts of those anew that have changed. Returns how many had.
    pub async fn put_patients(&self, collector: Collector, rows: &[PatientRow]) -> Result<u64, StoreError> {
        let mut tx = self.begin_held(collector).await?;
        let changed = sqlx::query_scalar!(
            "-- aggregator.put_patients
            INSERT INTO patient (id, person, birth_date, sex, replaced_by, version, last_updated)
            SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::bigint[],
                $7::timestamptz[])
            ON CONFLICT (id) DO UPDATE SET person = excluded.person, birth_date = excluded.birth_date,
                sex = excluded.sex, replaced_by = excluded.replaced_by, version = excluded.version,
                last_updated = excluded.last_updated
            WHERE (patient.version, patient.last_updated) < (excluded.version, excluded.last_updated)
                OR patient.last_updated < excluded.last_updated
            RETURNING id",
            &rows.iter().map(|row| row.id.clone()).collect::<Vec<_>>(),
            &rows.iter().map(|row| row.person).collect::<Vec<_>>(),
            &rows.iter().map(|row| row.birth_date.clone()).collect::<Vec<_>>(),
            &rows.iter().map(|row| row.sex.to_owned()).collect::<Vec<_>>(),
            &rows.iter().map(|row| row.replaced_by.clone()).collect::<Vec<_>>() as &[Option<String>],
            &rows.iter().map(|row| row.version).collect::<Vec<_>>(),
            &rows.iter().map(|row| row.last_updated).collect::<Vec<_>>(),
        )
        .fetch_all(&mut *tx)
        .await?;
        self.patients_changed(tx, &changed).await
    }

    /// Forgets patients that were deleted, unless they have come back; their facts stand alone from then on.
    pub async fn delete_patients(
        &self,
        collector: Collector,
        ids: &[String],
        versions: &[i64],
    ) -> Result<u64, StoreError> {
        let mut tx = self.begin_held(collector).await?;
        let deleted = sqlx::query_scalar!(
            "-- aggregator.delete_patients
            DELETE FROM patient p USING unnest($1::text[], $2::bigint[]) AS gone (id, version)
            WHERE p.id = gone.id AND p.version < gone.version RETURNING p.id",
            ids,
            versions,
        )
        .fetch_all(&mut *tx)
        .await?;
        self.patients_changed(tx, &deleted).await
    }

    /// Forgets all patients that are not among these ids, which are all that the server has.
    pub async fn keep_only_patients(
        &self,
        collector: Collector,
        ids: &[String],
        not_younger_than: DateTime<Utc>,
    ) -> Result<u64, StoreError> {
        let mut tx = self.begin_held(collector).await?;
        let deleted = sqlx::query_scalar!(
            "-- aggregator.keep_only_patients
            DELETE FROM patient p WHERE p.last_updated < $2
                AND NOT EXISTS (SELECT 1 FROM unnest($1::text[]) AS kept (id) WHERE kept.id = p.id)
            RETURNING p.id",
            ids,
            not_younger_than,
        )
        .fetch_all(&mut *tx)
        .await?;
        self.patients_changed(tx, &deleted).await
    }

    /// Ends a change of patients: places their facts anew in its transaction. Returns how many patients there were.
    async fn patients_changed(
        &self,
        mut tx: Transaction<'static, Postgres>,
        changed: &[String],
    ) -> Result<u64, StoreError> {
        self.place_anew(&mut tx, changed).await?;
        tx.commit().await?;
        Ok(changed.len() as u64)
    }

    /// Writes facts down. Returns how many were new or newer, or had been dropped though the server has them: a deletion
    /// has a version of its own, so nothing that is there has it.
    pub async fn put_facts(&self, collector: Collector, rows: &[FactRow]) -> Result<u64, StoreError> {
        let patient_ids: Vec<String> = rows.iter().map(|row| row.dose.patient_id.clone()).collect();
        let behind = self.behind(&mut *self.pool.acquire().await?, &patient_ids).await?;
        let placed: Vec<Place> =
            rows.iter().zip(&behind).map(|(row, behind)| place(&row.dose, behind)).collect();
        let numbers = self.place_ids(&placed).await?;
        let mut tx = self.begin_held(collector).await?;
        let written = sqlx::query!(
            "-- aggregator.put_facts
            INSERT INTO fact (id, patient_id, occurrence, vaccine, dose, reason, place, person, version, last_updated)
            SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::integer[],
                $8::bigint[], $9::bigint[], $10::timestamptz[])
            ON CONFLICT (id) DO UPDATE SET patient_id = excluded.patient_id, occurrence = excluded.occurrence,
                vaccine = excluded.vaccine, dose = excluded.dose, reason = excluded.reason, place = excluded.place,
                person = excluded.person, version = excluded.version, last_updated = excluded.last_updated
            WHERE fact.version < excluded.version OR fact.last_updated < excluded.last_updated
                OR (fact.place IS NULL AND fact.version = excluded.version)",
            &rows.iter().map(|row| row.dose.id.clone()).collect::<Vec<_>>(),
            &patient_ids,
            &rows.iter().map(|row| row.dose.occurrence.clone()).collect::<Vec<_>>(),
            &rows.iter().map(|row| row.dose.vaccine.clone()).collect::<Vec<_>>(),
            &rows.iter().map(|row| row.dose.dose.clone()).collect::<Vec<_>>(),
            &rows.iter().map(|row| row.dose.reason.map(str::to_owned)).collect::<Vec<_>>() as &[Option<String>],
            &numbers,
            &behind.iter().map(|behind| behind.person).collect::<Vec<_>>(),
            &rows.iter().map(|row| row.version).collect::<Vec<_>>(),
            &rows.iter().map(|row| row.last_updated).collect::<Vec<_>>(),
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(written.rows_affected())
    }

    /// Takes records out of the counts that were deleted, unless they have come back.
    pub async fn delete_facts(
        &self,
        collector: Collector,
        ids: &[String],
        versions: &[i64],
    ) -> Result<u64, StoreError> {
        let mut tx = self.begin_held(collector).await?;
        let deleted = sqlx::query!(
            "-- aggregator.delete_facts
            UPDATE fact f SET place = NULL, version = gone.version
            FROM unnest($1::text[], $2::bigint[]) AS gone (id, version)
            WHERE f.id = gone.id AND f.version < gone.version",
            ids,
            versions,
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(deleted.rows_affected())
    }

    /// Takes all records out of the counts that are not among these ids, which are all that the server has.
    pub async fn keep_only(
        &self,
        collector: Collector,
        ids: &[String],
        not_younger_than: DateTime<Utc>,
    ) -> Result<u64, StoreError> {
        let mut tx = self.begin_held(collector).await?;
        let deleted = sqlx::query!(
            "-- aggregator.keep_only
            UPDATE fact f SET place = NULL
            WHERE f.place IS NOT NULL AND f.last_updated < $2
                AND NOT EXISTS (SELECT 1 FROM unnest($1::text[]) AS kept (id) WHERE kept.id = f.id)",
            ids,
            not_younger_than,
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(deleted.rows_affected())
    }

    /// Returns how many records that were last changed before an instant are in the counts, or excluded from them with
    /// a reason.
    pub async fn facts_before(&self, until: DateTime<Utc>) -> Result<i64, StoreError> {
        let count = sqlx::query_scalar!(
            r#"-- aggregator.facts
            SELECT count(*) AS "count!" FROM fact WHERE place IS NOT NULL AND last_updated < $1"#,
            until,
        );
        Ok(count.fetch_one(&self.pool).await?)
    }

    /// Returns how many patients there are that were last changed before an instant.
    pub async fn patients_before(&self, until: DateTime<Utc>) -> Result<i64, StoreError> {
        let count = sqlx::query_scalar!(
            r#"-- aggregator.patients
            SELECT count(*) AS "count!" FROM patient WHERE last_updated < $1"#,
            until,
        );
        Ok(count.fetch_one(&self.pool).await?)
    }

    /// Places the facts of these patients anew, and those of patients that were merged into them. In the transaction
    /// that changes the patients: the server does not tell of the change a second time. Deleted facts follow their
    /// person: they may be in the numbers still, or come back.
    async fn place_anew(&self, connection: &mut PgConnection, patients: &[String]) -> Result<(), StoreError> {
        if patients.is_empty() {
            return Ok(());
        }
        let rows = sqlx::query!(
            "-- aggregator.facts_of
            WITH RECURSIVE merged AS (
                SELECT unnest($1::text[]) AS id
                UNION SELECT patient.id FROM patient JOIN merged ON patient.replaced_by = merged.id)
            SELECT id, patient_id, occurrence, vaccine, dose, reason, person, version FROM fact
            WHERE patient_id = ANY(ARRAY(SELECT id FROM merged))",
            patients,
        )
        .fetch_all(&mut *connection)
        .await?;
        if rows.is_empty() {
            return Ok(());
        }
        let ids: Vec<String> = rows.iter().map(|row| row.patient_id.clone()).collect();
        let behind = self.behind(connection, &ids).await?;
        let placed: Vec<Place> = rows
            .iter()
            .zip(&behind)
            .map(|(row, behind)| match &row.reason {
                Some(reason) => Place::Excluded(reason.clone()),
                None => cell(&row.occurrence, &row.vaccine, &row.dose, behind),
            })
            .collect();
        let numbers = self.place_ids(&placed).await?;
        sqlx::query!(
            "-- aggregator.place_anew
            UPDATE fact f SET place = CASE WHEN f.place IS NOT NULL THEN new.place END, person = new.person
            FROM unnest($1::text[], $2::bigint[], $3::integer[], $4::bigint[]) AS new (id, version, place, person)
            WHERE f.id = new.id AND f.version = new.version",
            &rows.iter().map(|row| row.id.clone()).collect::<Vec<_>>(),
            &rows.iter().map(|row| row.version).collect::<Vec<_>>(),
            &numbers,
            &behind.iter().map(|behind| behind.person).collect::<Vec<_>>(),
        )
        .execute(&mut *connection)
        .await?;
        let persons = rows.iter().zip(&behind).map(|(row, behind)| (row.person, behind.person));
        persons::note(connection, &persons.filter(|(earlier, later)| earlier != later).collect()).await
    }

    /// Returns what is known of the people behind these patients, in the same order. A record that was merged counts
    /// as the person it was merged into, with its own birth date where that has none.
    async fn behind(
        &self,
        connection: &mut PgConnection,
        patient_ids: &[String],
    ) -> Result<Vec<Behind>, StoreError> {
        let rows = sqlx::query!(
            r#"-- aggregator.behind
            SELECT coalesce(live.person, p.person) AS person, coalesce(nullif(live.birth_date, ''), p.birth_date) AS birth_date,
                coalesce(live.sex, p.sex) AS sex
            FROM unnest($1::text[]) WITH ORDINALITY AS asked (id, at)
            LEFT JOIN patient p ON p.id = asked.id
            LEFT JOIN LATERAL (
                WITH RECURSIVE into_whom AS (
                    SELECT person, birth_date, sex, replaced_by, 1 AS steps FROM patient WHERE id = p.replaced_by
                    UNION ALL
                    SELECT next.person, next.birth_date, next.sex, next.replaced_by, steps + 1
                    FROM into_whom JOIN patient next ON next.id = into_whom.replaced_by WHERE steps < 10)
                SELECT person, birth_date, sex FROM into_whom ORDER BY steps DESC LIMIT 1) live ON true
            ORDER BY asked.at"#,
            patient_ids,
        )
        .fetch_all(connection)
        .await?;
        let unknown = |id: &String| Behind {
            person: self.pseudonyms.of_record(id), // until it is known, each such Patient is somebody
            birth_date: String::new(),
            sex: count::sex(None).to_owned(),
        };
        let known = rows.into_iter().zip(patient_ids).map(|(row, id)| match row.person {
            None => unknown(id),
            Some(person) => Behind {
                person,
                birth_date: row.birth_date.unwrap_or_default(),
                sex: row.sex.unwrap_or_else(|| count::sex(None).to_owned()),
            },
        });
        Ok(known.collect())
    }
}

fn place(dose: &Dose, behind: &Behind) -> Place {
    match dose.reason {
        Some(reason) => Place::Excluded(reason.to_owned()),
        None => cell(&dose.occurrence, &dose.vaccine, &dose.dose, behind),
    }
}

fn cell(occurrence: &str, vaccine: &str, dose: &str, behind: &Behind) -> Place {
    Place::Cell(Key {
        vaccine: vaccine.to_owned(),
        year: count::year(occurrence),
        age: count::age_group(&behind.birth_date, occurrence).to_owned(),
        sex: behind.sex.clone(),
        dose: dose.to_owned(),
    })
}
