//! Releases and their series: made in one snapshot of the facts, and never changed.

use std::collections::HashMap;
use std::time::Instant;

use audit::{AuditEvent, AuditOutcome};
use chrono::{DateTime, Utc};
use contracts::release::{ReleaseDocument, ReleaseHead};
use disclosure::{Facts, Place, Policy, Release, Series};
use serde_json::json;
use sqlx::PgConnection;

use super::persons::Persons;
use super::{Store, StoreError, basis, persons, places};
use crate::rules;

/// A release as it is sent.
#[derive(Debug)]
pub struct Stored {
    /// What a list says of it.
    pub head: ReleaseHead,
    /// The document, JSON.
    pub document: Vec<u8>,
}

/// Who wants a release, when.
#[derive(Debug, Clone, Copy)]
pub struct Publication<'a> {
    /// Who.
    pub by: &'a str,
    /// When.
    pub now: DateTime<Utc>,
    /// The rules of a new series.
    pub policy: Policy,
    /// Whether a new series begins, on an operator's word.
    pub new_series: bool,
    /// Nothing is published if there was a release after this: another replica had the same thought.
    pub unless_since: Option<DateTime<Utc>>,
}

/// What the store gives a release.
pub struct Header {
    /// Its number.
    pub id: u64,
    /// Its series.
    pub series: u64,
    /// The state of the records that is counted.
    pub as_of: DateTime<Utc>,
    /// When it is published.
    pub published_at: DateTime<Utc>,
}

impl Store {
    /// Publishes what the facts are now; `write` makes the document.
    ///
    /// Nothing is published of a server that was not read to its end by today's rules, and compared with what is here
    /// since; nor in a series that counts by other rules. Everything happens in one transaction on one snapshot: facts,
    /// basis, series and release agree, or nothing is published. Of two at once, one is turned away.
    pub async fn publish(
        &self,
        publication: Publication<'_>,
        write: impl FnOnce(&Header, &Release) -> ReleaseDocument + Send,
    ) -> Result<Stored, StoreError> {
        let Publication { by, now, policy, new_series, unless_since } = publication;
        let mut tx = service_kit::begin(&self.pool).await?;
        sqlx::query!("-- aggregator.one_snapshot\nSET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            .execute(&mut *tx)
            .await?;
        alone(&mut tx, unless_since).await?;
        let open = sqlx::query!(
            "-- aggregator.open_series\nSELECT id, state, rules FROM series WHERE closed_at IS NULL"
        )
        .fetch_optional(&mut *tx)
        .await?
        .filter(|_| !new_series);
        if open.as_ref().is_some_and(|open| open.rules.as_deref() != Some(rules::version())) {
            return Err(StoreError::OtherRules);
        }
        let mut watch = StopWatch::start();
        let Read { as_of, places, persons, facts } = self.read(&mut tx, open.is_some()).await?;
        let is_behind = sqlx::query_scalar!(
            r#"-- aggregator.is_behind
            SELECT EXISTS (SELECT 1 FROM release WHERE as_of > $1) AS "is_behind!""#,
            as_of,
        );
        if self.reports.is_some() && is_behind.fetch_one(&mut *tx).await? {
            return Err(StoreError::Behind);
        }

        let (series_id, release) = if let Some(open) = open {
            let mut series: Series =
                serde_json::from_slice(&open.state).map_err(|_| StoreError::Unreadable("a series"))?;
            series.rename(|person| persons.one(person.cast_signed()).cast_unsigned());
            let before = basis::published(&mut tx, &places, &persons).await?;
            watch.step("read");
            let (next, facts) = off_the_runtime(move || (series.next(&before, &facts), facts)).await?;
            let next = next.map_err(|_| StoreError::Unreadable("a basis that fits its series"))?;
            watch.step("protect");
            basis::replace(&mut tx, &places, &facts, Some(&next.published)).await?;
            save_series(&mut tx, open.id, &next.series).await?;
            (open.id, next.release)
        } else {
            persons::forget(&mut tx).await?;
            watch.step("read");
            let ((series, release), facts) =
                off_the_runtime(move || (Series::first(&facts, policy), facts)).await?;
            watch.step("protect");
            basis::replace(&mut tx, &places, &facts, None).await?;
            let id = open_series(&mut tx, &series, now, by).await?;
            (id, release)
        };
        let id = sqlx::query_scalar!(
            r#"-- aggregator.next_release
            SELECT coalesce(max(id), 0) + 1 AS "id!" FROM release"#
        )
        .fetch_one(&mut *tx)
        .await?;
        let header =
            Header { id: id.unsigned_abs(), series: series_id.unsigned_abs(), as_of, published_at: now };
        let document = write(&header, &release);
        let (checksum, bytes) = (document.release.checksum.clone(), document.to_bytes());
        sqlx::query!(
            "-- aggregator.publish
            INSERT INTO release (id, series, as_of, published_at, published_by, checksum, document)
            VALUES ($1, $2, $3, $4, $5, $6, $7)",
            id,
            series_id,
            as_of,
            now,
            by,
            checksum,
            bytes,
        )
        .execute(&mut *tx)
        .await?;
        let event = AuditEvent {
            at: now,
            action: "release.published",
            outcome: AuditOutcome::Success,
            forensic: false,
            actor: by.to_owned(),
            transfer_id: None,
            peer: None,
            detail: json!({"release": id, "series": series_id, "checksum": checksum, "new_series": new_series}),
        };
        audit::record(&mut tx, event).await?;
        tx.commit().await?;
        watch.step("write");
        let Header { id, series, as_of, published_at } = header;
        let head = ReleaseHead { id, series, as_of, published_at, published_by: by.to_owned(), checksum };
        Ok(Stored { head, document: bytes })
    }

    /// Reads the facts in one snapshot, of the standby where there is one.
    async fn read(&self, primary: &mut PgConnection, goes_on: bool) -> Result<Read, StoreError> {
        let Some(reports) = &self.reports else { return Read::from(primary, goes_on).await };
        let mut standby = match service_kit::begin(reports).await {
            Ok(standby) => standby,
            Err(error) => {
                tracing::warn!(%error, "the standby does not answer; the facts are read where they are written");
                return Read::from(primary, goes_on).await;
            }
        };
        sqlx::query!("-- aggregator.one_snapshot\nSET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            .execute(&mut *standby)
            .await?;
        patience(&mut standby).await?;
        Read::from(&mut standby, goes_on).await
    }

    /// Returns a release.
    pub async fn release(&self, id: u64) -> Result<Option<Stored>, StoreError> {
        let Ok(id) = i64::try_from(id) else { return Ok(None) };
        let row = sqlx::query!(
            "-- aggregator.release
            SELECT id, series, as_of, published_at, published_by, checksum, document FROM release WHERE id = $1",
            id,
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(|row| Stored {
            head: ReleaseHead {
                id: row.id.unsigned_abs(),
                series: row.series.unsigned_abs(),
                as_of: row.as_of,
                published_at: row.published_at,
                published_by: row.published_by,
                checksum: row.checksum,
            },
            document: row.document,
        }))
    }

    /// Returns the number of the newest release, and when it was published.
    pub async fn newest(&self) -> Result<Option<(u64, DateTime<Utc>)>, StoreError> {
        let row = sqlx::query!(
            "-- aggregator.newest
            SELECT id, published_at FROM release ORDER BY id DESC LIMIT 1"
        );
        Ok(row.fetch_optional(&self.pool).await?.map(|row| (row.id.unsigned_abs(), row.published_at)))
    }

    /// Returns the releases, newest first.
    pub async fn releases(&self) -> Result<Vec<ReleaseHead>, StoreError> {
        let rows = sqlx::query!(
            "-- aggregator.releases
            SELECT id, series, as_of, published_at, published_by, checksum FROM release ORDER BY id DESC LIMIT 500"
        );
        let rows = rows.fetch_all(&self.pool).await?;
        let head = rows.into_iter().map(|row| ReleaseHead {
            id: row.id.unsigned_abs(),
            series: row.series.unsigned_abs(),
            as_of: row.as_of,
            published_at: row.published_at,
            published_by: row.published_by,
            checksum: row.checksum,
        });
        Ok(head.collect())
    }
}

/// What a release counts: facts of one moment, and of which.
struct Read {
    as_of: DateTime<Utc>,
    places: HashMap<i32, Place>,
    /// Who is one person; nobody in a new series.
    persons: Persons,
    facts: Facts,
}

impl Read {
    async fn from(connection: &mut PgConnection, goes_on: bool) -> Result<Self, StoreError> {
        let as_of = sqlx::query_scalar!(
            r#"-- aggregator.as_of
            SELECT min(until) AS "until" FROM followed
            WHERE checked_at IS NOT NULL AND EXISTS (SELECT 1 FROM collector WHERE rules = $1) HAVING count(*) = 2"#,
            rules::version(),
        )
        .fetch_optional(&mut *connection)
        .await?
        .flatten()
        .ok_or(StoreError::NotCollected)?;
        let places = places::all(connection).await?;
        let persons = if goes_on { Persons::read(connection).await? } else { Persons::default() };
        let facts = basis::now(connection, &places, &persons).await?;
        Ok(Self { as_of, places, persons, facts })
    }
}

/// Where the time of a release goes.
struct StopWatch(Instant);

impl StopWatch {
    fn start() -> Self {
        Self(Instant::now())
    }

    fn step(&mut self, step: &'static str) {
        metrics::histogram!("release_step_seconds", "step" => step).record(self.0.elapsed().as_secs_f64());
        self.0 = Instant::now();
    }
}

/// Counting and protecting takes seconds: not on a thread that others wait for.
async fn off_the_runtime<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| StoreError::Unreadable("what the protection said"))
}

/// Makes sure that nobody else publishes meanwhile.
async fn alone(connection: &mut PgConnection, unless_since: Option<DateTime<Utc>>) -> Result<(), StoreError> {
    patience(connection).await?;
    let is_alone = sqlx::query_scalar!(
        r#"-- aggregator.alone
        SELECT pg_try_advisory_xact_lock(hashtextextended('aggregator.publish', 0)) AND NOT EXISTS (
            SELECT 1 FROM release WHERE published_at > $1) AS "alone!""#,
        unless_since,
    )
    .fetch_one(connection)
    .await?;
    if is_alone { Ok(()) } else { Err(StoreError::AnotherRelease) }
}

/// Millions of facts take their time, here and, with this transaction idle meanwhile, at the standby.
async fn patience(connection: &mut PgConnection) -> Result<(), StoreError> {
    sqlx::query!("-- aggregator.patience\nSET LOCAL statement_timeout = '10min'")
        .execute(&mut *connection)
        .await?;
    sqlx::query!("-- aggregator.idle_patience\nSET LOCAL idle_in_transaction_session_timeout = '10min'")
        .execute(connection)
        .await?;
    Ok(())
}

async fn save_series(connection: &mut PgConnection, id: i64, series: &Series) -> Result<(), StoreError> {
    sqlx::query!(
        "-- aggregator.save_series\nUPDATE series SET state = $2 WHERE id = $1",
        id,
        written(series)?
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn open_series(
    connection: &mut PgConnection,
    series: &Series,
    now: DateTime<Utc>,
    by: &str,
) -> Result<i64, StoreError> {
    sqlx::query!("-- aggregator.close_series\nUPDATE series SET closed_at = $1 WHERE closed_at IS NULL", now)
        .execute(&mut *connection)
        .await?;
    let id = sqlx::query_scalar!(
        "-- aggregator.begin_series
        INSERT INTO series (threshold, state, opened_at, opened_by, rules) VALUES ($1, $2, $3, $4, $5) RETURNING id",
        i32::try_from(series.policy().threshold()).unwrap_or(i32::MAX),
        written(series)?,
        now,
        by,
        rules::version(),
    );
    Ok(id.fetch_one(connection).await?)
}

fn written(series: &Series) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(series).map_err(|_| StoreError::Unreadable("a series"))
}
