//! The writing side of a process: request rows by group commit, and the chain of all its rows.
//!
//! One task, one connection. Rows that are written in the transactions of others are linked once they are
//! committed, within a second: a chain that each transaction had to extend would let only one of them run at a
//! time (decision 0007). The connection holds an advisory lock under the process's name; rows of a process
//! whose lock is free have nobody left to link them, and are adopted.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::Utc;
use serde_json::json;
use sqlx::{PgConnection, PgPool};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::chain::{BEGINNING, Hash, Head, Row};
use crate::store;
use crate::{AuditEvent, AuditOutcome};

/// Requests at work or waiting for their row; more are answered 503.
const PLACES: usize = 4096;
/// Rows of one group commit.
const BATCH: usize = 512;
/// The longest that a request waits for its row.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often rows of others' transactions are looked for.
const TICK: Duration = Duration::from_millis(500);
/// How often rows of dead processes are looked for, and the head goes to the log.
const MINUTE: Duration = Duration::from_mins(1);
/// No transaction stays open for as long: rows behind this are all seen.
const SETTLED: Duration = Duration::from_mins(3);
const PAUSE: Duration = Duration::from_secs(1);
/// The longest that a group commit takes in a database that is there: it waits for no lock as long (`lock_timeout`).
const COMMIT_LIMIT: Duration = Duration::from_secs(15);
/// The same for looking through the trail, whose statements end sooner or are ended (`statement_timeout`).
const SEARCH_LIMIT: Duration = Duration::from_secs(45);

/// The row of a request could not be written: nothing may be answered that is not on record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the audit trail cannot be written")]
pub struct TrailDown;

/// Where requests leave their rows. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Trail {
    waiting: mpsc::Sender<Waiting>,
    is_up: Arc<AtomicBool>,
    silences: watch::Receiver<u64>,
}

#[derive(Debug)]
struct Waiting {
    event: AuditEvent,
    written: oneshot::Sender<()>,
}

/// The place of a row that is still to come: whoever has it can leave a row without waiting for anything.
#[derive(Debug)]
pub struct Place {
    place: mpsc::OwnedPermit<Waiting>,
    is_up: Arc<AtomicBool>,
}

/// The task that writes and links; see [`Writer::run`].
pub struct Writer {
    pool: PgPool,
    service: &'static str,
    name: String,
    waiting: mpsc::Receiver<Waiting>,
    is_up: Arc<AtomicBool>,
    silences: watch::Sender<u64>,
    backend: Option<i32>,
    is_open: bool,
    head: Option<(i64, Hash)>,
    seen: Seen,
    look_back_at: Instant,
    adopted: Seen,
}

/// Returns a name that no other process has: rows and chains carry it. Give it to the pool as `application_name`.
pub fn writer_name(service: &str) -> String {
    format!("{service}/{}", uuid::Uuid::now_v7())
}

impl Trail {
    /// Makes the trail of this process; `name` is the `application_name` of the pool's connections.
    pub fn new(pool: PgPool, service: &'static str, name: String) -> (Self, Writer) {
        let (sender, waiting) = mpsc::channel(PLACES);
        let is_up = Arc::new(AtomicBool::new(false));
        let (silences, heard) = watch::channel(0);
        let trail = Self { waiting: sender, is_up: is_up.clone(), silences: heard };
        let writer = Writer {
            pool,
            service,
            name,
            waiting,
            is_up,
            silences,
            backend: None,
            is_open: false,
            head: None,
            seen: Seen::default(),
            look_back_at: Instant::now(),
            adopted: Seen::default(),
        };
        (trail, writer)
    }

    /// Takes a place for a row, before what it will tell of begins; there are 4096.
    pub fn place(&self) -> Result<Place, TrailDown> {
        let place = self.waiting.clone().try_reserve_owned().map_err(|_| TrailDown)?;
        Ok(Place { place, is_up: self.is_up.clone() })
    }

    /// Waits until the database falls silent from now on: it ends no connection and answers none, as when its node
    /// has died. Whatever waits for it then waits for ever, and is to be dropped.
    pub fn silence(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut silences = self.silences.clone();
        silences.mark_unchanged();
        async move {
            if silences.changed().await.is_err() {
                std::future::pending::<()>().await; // the process is at its end
            }
        }
    }

    /// Tells whether the trail could be written when it was last tried.
    pub fn is_up(&self) -> bool {
        self.is_up.load(Ordering::Relaxed)
    }
}

impl Place {
    /// Writes a row by group commit; returns once it is durable.
    pub async fn write(self, event: AuditEvent) -> Result<(), TrailDown> {
        let (written, done) = oneshot::channel();
        self.place.send(Waiting { event, written });
        let is_written = matches!(tokio::time::timeout(PATIENCE, done).await, Ok(Ok(())));
        if !is_written {
            self.is_up.store(false, Ordering::Relaxed);
        }
        is_written.then_some(()).ok_or(TrailDown)
    }

    /// Leaves a row to be written by the next group commit.
    pub fn leave(self, event: AuditEvent) {
        let (written, _) = oneshot::channel();
        self.place.send(Waiting { event, written });
    }
}

impl Writer {
    /// Writes and links until `stop`, then what still waits. A lost connection is made again.
    pub async fn run(mut self, stop: CancellationToken) {
        loop {
            match self.connected(&stop).await {
                Ok(()) => break,
                Err(error) => {
                    if matches!(&error, sqlx::Error::Io(io) if io.kind() == io::ErrorKind::TimedOut) {
                        self.silences.send_modify(|silences| *silences += 1);
                    }
                    if self.is_up.swap(false, Ordering::Relaxed) || !self.is_open {
                        tracing::error!(%error, "the audit trail cannot be written; trying again");
                    }
                    if stop.run_until_cancelled(tokio::time::sleep(PAUSE)).await.is_none() {
                        break;
                    }
                }
            }
        }
        self.log_head();
    }

    async fn connected(&mut self, stop: &CancellationToken) -> Result<(), sqlx::Error> {
        let mut connection = self.pool.acquire().await?.detach();
        within(SEARCH_LIMIT, self.begin(&mut connection)).await?;
        let mut adopt_at = Instant::now();
        loop {
            let requests = self.next_requests(stop).await;
            within(COMMIT_LIMIT, self.commit(&mut connection, requests)).await?;
            self.is_up.store(true, Ordering::Relaxed);
            if Instant::now() >= adopt_at {
                adopt_at = Instant::now() + MINUTE;
                within(SEARCH_LIMIT, self.adopt(&mut connection)).await?;
                self.log_head();
            }
            if stop.is_cancelled() && self.waiting.is_empty() {
                return Ok(());
            }
        }
    }

    /// Becomes the only connection that writes the chain.
    async fn begin(&mut self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        // A connection that was lost without a word has its end there still, with the lock, and may have a commit
        // on its way.
        if let Some(lost) = self.backend.take() {
            store::end_backend(connection, lost, &self.name).await?;
        }
        store::lock_writer(connection, &self.name).await?;
        self.backend = Some(store::backend(connection).await?);
        if !self.is_open {
            self.open(connection).await?;
        }
        // What was committed of a batch whose answer was lost is in the database.
        self.head = store::head(connection, &self.name).await?;
        Ok(())
    }

    /// Opens the chain with a row that names the heads of those before it.
    async fn open(&mut self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let before = store::heads_not_named(connection).await?;
        let opening = AuditEvent {
            #[expect(clippy::disallowed_methods, reason = "the trail tells the computer's own time")]
            at: Utc::now(),
            action: "audit.opened",
            outcome: AuditOutcome::Success,
            forensic: false,
            actor: self.service.to_owned(),
            transfer_id: None,
            peer: None,
            detail: json!({"predecessors": before}),
        };
        store::insert_all(connection, &[opening]).await?;
        self.is_open = true;
        Ok(())
    }

    /// Waits for requests, at most a tick, and takes all that wait.
    async fn next_requests(&mut self, stop: &CancellationToken) -> Vec<Waiting> {
        let mut taken = Vec::new();
        let waiting = async {
            if self.waiting.recv_many(&mut taken, BATCH).await == 0 {
                std::future::pending::<()>().await; // nobody is left who could ask; the rows of others are linked still
            }
        };
        let _ = tokio::time::timeout(TICK, stop.run_until_cancelled(waiting)).await;
        if stop.is_cancelled() {
            while let Ok(one) = self.waiting.try_recv() {
                taken.push(one);
            }
        }
        taken
    }

    /// Writes the requests' rows and links all rows of this process, in one transaction.
    async fn commit(
        &mut self,
        connection: &mut PgConnection,
        requests: Vec<Waiting>,
    ) -> Result<(), sqlx::Error> {
        use sqlx::Connection as _;
        let mut tx = connection.begin().await?;
        let (events, written): (Vec<_>, Vec<_>) =
            requests.into_iter().map(|one| (one.event, one.written)).unzip();
        if !events.is_empty() {
            store::insert_all(&mut tx, &events).await?;
            metrics::counter!("audit_request_rows_total").increment(events.len() as u64);
        }
        // With each batch only what is new: what came late, with a lower id, is looked for once a tick.
        let looks_back = self.look_back_at <= Instant::now();
        let floor = if looks_back { self.seen.floor() } else { self.seen.highest() };
        let rows = store::unlinked(&mut tx, &self.name, floor).await?;
        let (head, linked) = self.link(&mut tx, &rows).await?;
        tx.commit().await?;
        self.head = head;
        if looks_back {
            self.look_back_at = Instant::now() + TICK;
        }
        self.seen.note(rows.iter().map(|row| row.id).max());
        metrics::counter!("audit_rows_linked_total").increment(linked);
        for one in written {
            let _ = one.send(()); // the caller may have gone
        }
        Ok(())
    }

    /// Links rows of processes that are no more.
    async fn adopt(&mut self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        use sqlx::Connection as _;
        let (writers, last) =
            store::writers_with_unlinked(connection, &self.name, self.adopted.floor()).await?;
        let mut is_whole = true;
        for writer in writers {
            if !store::try_lock_writer(connection, &writer).await? {
                // It lives, and links its rows itself; or the server has not noticed yet that it does not.
                is_whole = false;
                continue;
            }
            let mut tx = connection.begin().await?;
            let rows = store::unlinked(&mut tx, &writer, 0).await?;
            let (head, linked) = self.link(&mut tx, &rows).await?;
            tx.commit().await?;
            self.head = head;
            store::unlock_writer(connection, &writer).await?;
            if linked > 0 {
                tracing::info!(
                    audit.chain = self.name,
                    count = linked,
                    "rows of a process that has gone were linked"
                );
            }
        }
        if is_whole {
            self.adopted.note(last);
        }
        Ok(())
    }

    /// Adds links for the rows behind the head; returns the new head, which holds once the transaction does.
    async fn link(
        &self,
        connection: &mut PgConnection,
        rows: &[Row],
    ) -> Result<(Option<(i64, Hash)>, u64), sqlx::Error> {
        let (mut seq, mut hash) = self.head.map_or((-1, BEGINNING), |head| head);
        let mut links = Vec::with_capacity(rows.len());
        for row in rows {
            seq += 1;
            hash = row.hash(&hash, seq);
            links.push((seq, row.id, hash));
        }
        if !links.is_empty() {
            store::insert_links(connection, &self.name, &links).await?;
        }
        Ok(((seq >= 0).then_some((seq, hash)), links.len() as u64))
    }

    /// Tells the log how far the chain has come: what `iidictl audit verify` holds it against.
    fn log_head(&self) {
        if let Some((seq, hash)) = self.head {
            let head = Head { chain: self.name.clone(), seq, hash: hex::encode(hash) };
            tracing::info!(
                audit.chain = head.chain,
                audit.seq = head.seq,
                audit.hash = head.hash,
                "audit chain head"
            );
        }
    }
}

/// Waits at most so long for a database that may have fallen silent.
async fn within<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    let silent = || sqlx::Error::Io(io::ErrorKind::TimedOut.into());
    tokio::time::timeout(limit, work).await.unwrap_or_else(|_| Err(silent()))
}

/// Up to which row all are seen: ids are given before the commit, so a lower one may still come for some minutes.
#[derive(Debug, Default)]
struct Seen {
    highest: VecDeque<(Instant, i64)>,
    floor: i64,
}

impl Seen {
    fn note(&mut self, highest: Option<i64>) {
        let now = Instant::now();
        if let Some(highest) = highest {
            // What came late has a lower id than what was seen before.
            self.highest.push_back((now, highest.max(self.highest())));
        }
        while self.highest.front().is_some_and(|(at, _)| now.duration_since(*at) > SETTLED) {
            if let Some((_, id)) = self.highest.pop_front() {
                self.floor = self.floor.max(id);
            }
        }
    }

    /// Returns the id behind which something may still come.
    fn floor(&self) -> i64 {
        self.floor
    }

    /// Returns the highest id that was seen.
    fn highest(&self) -> i64 {
        self.highest.back().map_or(self.floor, |(_, id)| *id)
    }
}
