//! The writing side of a process: request rows by group commit, and the chain of all its rows.
//!
//! One task, one connection. Rows that are written in the transactions of others are linked once they are
//! committed, within a second: a chain that each transaction had to extend would let only one of them run at a
//! time (decision 0007). The connection holds an advisory lock under the process's name; rows of a process
//! whose lock is free have nobody left to link them, and are adopted.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::Utc;
use serde_json::json;
use sqlx::{PgConnection, PgPool};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::chain::{BEGINNING, Hash, Head};
use crate::store::{self, Unlinked};
use crate::{AuditEvent, AuditOutcome};

/// Requests that wait for their row; more are answered 503.
const WAITING: usize = 4096;
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

/// The row of a request could not be written: nothing may be answered that is not on record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the audit trail cannot be written")]
pub struct TrailDown;

/// Where requests leave their rows. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Trail {
    waiting: mpsc::Sender<Waiting>,
    is_up: Arc<AtomicBool>,
}

#[derive(Debug)]
struct Waiting {
    event: AuditEvent,
    written: oneshot::Sender<()>,
}

/// The task that writes and links; see [`Writer::run`].
pub struct Writer {
    pool: PgPool,
    service: &'static str,
    name: String,
    waiting: mpsc::Receiver<Waiting>,
    is_up: Arc<AtomicBool>,
    is_open: bool,
    head: Option<(i64, Hash)>,
    seen: Seen,
    adopted: Seen,
}

/// Returns a name that no other process has: rows and chains carry it. Give it to the pool as `application_name`.
pub fn writer_name(service: &str) -> String {
    format!("{service}/{}", uuid::Uuid::now_v7())
}

impl Trail {
    /// Makes the trail of this process; `name` is the `application_name` of the pool's connections.
    pub fn new(pool: PgPool, service: &'static str, name: String) -> (Self, Writer) {
        let (sender, waiting) = mpsc::channel(WAITING);
        let is_up = Arc::new(AtomicBool::new(false));
        let trail = Self { waiting: sender, is_up: is_up.clone() };
        let writer = Writer {
            pool,
            service,
            name,
            waiting,
            is_up,
            is_open: false,
            head: None,
            seen: Seen::default(),
            adopted: Seen::default(),
        };
        (trail, writer)
    }

    /// Writes a row by group commit; returns once it is durable.
    pub async fn write(&self, event: AuditEvent) -> Result<(), TrailDown> {
        let (written, done) = oneshot::channel();
        self.waiting.try_send(Waiting { event, written }).map_err(|_| TrailDown)?;
        match tokio::time::timeout(PATIENCE, done).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(TrailDown),
        }
    }

    /// Tells whether the trail could be written when it was last tried.
    pub fn is_up(&self) -> bool {
        self.is_up.load(Ordering::Relaxed)
    }
}

impl Writer {
    /// Writes and links until `stop`, then what still waits. A lost connection is made again.
    pub async fn run(mut self, stop: CancellationToken) {
        loop {
            match self.connected(&stop).await {
                Ok(()) => break,
                Err(error) => {
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
        store::lock_writer(&mut connection, &self.name).await?;
        if !self.is_open {
            self.open(&mut connection).await?;
        }
        // What was committed of a batch whose answer was lost is in the database.
        self.head = store::head(&mut connection, &self.name).await?;
        let mut adopt_at = Instant::now();
        loop {
            let requests = self.next_requests(stop).await;
            self.commit(&mut connection, requests).await?;
            self.is_up.store(true, Ordering::Relaxed);
            if Instant::now() >= adopt_at {
                adopt_at = Instant::now() + MINUTE;
                self.adopt(&mut connection).await?;
                self.log_head();
            }
            if stop.is_cancelled() && self.waiting.is_empty() {
                return Ok(());
            }
        }
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
        let waiting = self.waiting.recv_many(&mut taken, BATCH);
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
        let rows = store::unlinked(&mut tx, &self.name, self.seen.floor()).await?;
        let (head, linked) = self.link(&mut tx, &rows).await?;
        tx.commit().await?;
        self.head = head;
        self.seen.note(rows.iter().map(|row| row.0.id).max());
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
        for writer in writers {
            if !store::try_lock_writer(connection, &writer).await? {
                continue; // it lives, and links its rows itself
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
        self.adopted.note(last);
        Ok(())
    }

    /// Adds links for the rows behind the head; returns the new head, which holds once the transaction does.
    async fn link(
        &self,
        connection: &mut PgConnection,
        rows: &[Unlinked],
    ) -> Result<(Option<(i64, Hash)>, u64), sqlx::Error> {
        let (mut seq, mut hash) = self.head.map_or((-1, BEGINNING), |head| head);
        let mut links = Vec::with_capacity(rows.len());
        for Unlinked(row) in rows {
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
            self.highest.push_back((now, highest));
        }
        while self.highest.front().is_some_and(|(at, _)| now.duration_since(*at) > SETTLED) {
            if let Some((_, id)) = self.highest.pop_front() {
                self.floor = self.floor.max(id);
            }
        }
    }

    fn floor(&self) -> i64 {
        self.floor
    }
}
