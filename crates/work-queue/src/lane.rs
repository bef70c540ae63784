//! Reading a lane: as many entries as there are free permits, one task for each.

use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::delivery::Delivery;
use crate::queue::{Queue, QueueError};

/// Entries that are read at once.
const BATCH: usize = 32;
/// Due ids that are moved at once.
const PROMOTED: usize = 500;
/// An entry that nobody has settled for so long has lost its worker.
const IDLE: Duration = Duration::from_mins(5);
/// How often such entries are looked for.
const RECLAIM_EVERY: Duration = Duration::from_mins(1);
/// The longest pause before a lost server is tried again.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Hands the entries of a lane to `handle` until `stop`, at most `concurrency` at once; then lets those in
/// progress finish.
///
/// Never ends by itself: a lost server is tried again, a lost group is made again.
pub async fn run_lane<H, F>(
    queue: Queue,
    lane: String,
    concurrency: usize,
    handle: H,
    stop: CancellationToken,
) where
    H: Fn(Delivery) -> F + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let tasks = TaskTracker::new();
    let lane = Lane {
        queue,
        name: lane,
        permits: Arc::new(Semaphore::new(concurrency)),
        tasks: tasks.clone(),
        handle,
    };
    let mut pause = Duration::from_millis(200);
    while !stop.is_cancelled() {
        let started = Instant::now();
        let ended = stop.run_until_cancelled(lane.read()).await;
        let Some(Err(error)) = ended else { break };
        if started.elapsed() > LONGEST_PAUSE {
            pause = Duration::from_millis(200);
        }
        tracing::warn!(
            lane = lane.name,
            error = &error as &dyn std::error::Error,
            "the queue is lost; trying again"
        );
        stop.run_until_cancelled(tokio::time::sleep(pause)).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    tasks.close();
    tasks.wait().await;
}

struct Lane<H> {
    queue: Queue,
    name: String,
    permits: Arc<Semaphore>,
    tasks: TaskTracker,
    handle: H,
}

impl<H, F> Lane<H>
where
    H: Fn(Delivery) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    async fn read(&self) -> Result<(), QueueError> {
        self.queue.create_group(&self.name).await?;
        let mut connection = self.queue.reading_connection().await?;
        self.read_own(&mut connection).await?;
        let mut last_reclaim: Option<Instant> = None;
        loop {
            self.queue.promote_due(&self.name, PROMOTED).await?;
            if last_reclaim.is_none_or(|last| last.elapsed() > RECLAIM_EVERY) {
                self.spawn_all(self.queue.reclaim(&self.name, IDLE, BATCH).await?).await;
                last_reclaim = Some(Instant::now());
            }
            let first = self.permit().await;
            let mut permits = vec![first];
            while permits.len() < BATCH
                && let Ok(permit) = self.permits.clone().try_acquire_owned()
            {
                permits.push(permit);
            }
            let deliveries = self.queue.read(&mut connection, &self.name, permits.len(), ">").await?;
            for (delivery, permit) in deliveries.into_iter().zip(permits) {
                self.spawn(delivery, permit);
            }
        }
    }

    /// What a worker of this name had in its hands when it ended.
    async fn read_own(&self, connection: &mut MultiplexedConnection) -> Result<(), QueueError> {
        if self.tasks.is_empty() {
            let own = self.queue.read(connection, &self.name, PROMOTED, "0").await?;
            self.spawn_all(own).await;
        }
        Ok(())
    }

    async fn spawn_all(&self, deliveries: Vec<Delivery>) {
        for delivery in deliveries {
            let permit = self.permit().await;
            self.spawn(delivery, permit);
        }
    }

    fn spawn(&self, delivery: Delivery, permit: OwnedSemaphorePermit) {
        let work = (self.handle)(delivery);
        self.tasks.spawn(async move {
            work.await;
            drop(permit);
        });
    }

    async fn permit(&self) -> OwnedSemaphorePermit {
        // The semaphore is never closed; if it were, the lane would rightly wait for ever.
        match self.permits.clone().acquire_owned().await {
            Ok(permit) => permit,
            Err(_) => std::future::pending().await,
        }
    }
}
