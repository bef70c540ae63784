use std::error::Error;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::consumer::Consumer;
use crate::delivery::Delivery;
use crate::error::QueueError;
use crate::queue::Queue;

/// The shortest and the longest pause after the queue has failed.
const PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// Works on a lane until `stop`: hands each delivery to `handler` in a task of its own, at most `concurrency` at
/// once, and reads no more than that. Meanwhile promotes due ids, reclaims entries of dead consumers and keeps
/// the entries of running work. On `stop` reads nothing more and returns when all handlers have ended.
///
/// A lost connection or an emptied Redis is waited out. A handler that panics leaves its entry pending; it comes
/// again. A lane whose name cannot be one is logged and left at once.
pub async fn run_lane<H, F>(
    queue: Queue,
    lane: String,
    concurrency: usize,
    handler: H,
    stop: CancellationToken,
) where
    H: Fn(Delivery) -> F + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let consumer = match queue.consumer(&lane) {
        Ok(consumer) => consumer,
        Err(error) => {
            tracing::error!(lane, error = &error as &dyn Error, "the lane cannot be opened");
            return;
        }
    };
    let permits = Arc::new(Semaphore::new(concurrency.clamp(1, Semaphore::MAX_PERMITS)));
    let tasks = TaskTracker::new();
    let reader = Reader {
        consumer,
        permits,
        tasks: tasks.clone(),
        handler: Arc::new(handler),
        reclaim_at: Instant::now(),
    };
    let promoting = promote(&queue, &lane);
    let reading = reader.run();
    // Both run for ever; dropping the read frees its connection, and what was on its way is reclaimed later.
    stop.run_until_cancelled(async { tokio::join!(promoting, reading) }).await;
    tasks.close();
    tasks.wait().await;
}

/// Moves due ids to the stream, for ever.
async fn promote(queue: &Queue, lane: &str) {
    let options = queue.options();
    let mut trouble = Trouble::default();
    loop {
        match queue.promote_due(lane, options.promote_limit).await {
            Ok(moved) => {
                trouble.is_over(lane);
                if moved < options.promote_limit {
                    tokio::time::sleep(options.promote_every).await;
                }
            }
            Err(error) => trouble.pause(lane, &error).await,
        }
    }
}

struct Reader<H> {
    consumer: Consumer,
    permits: Arc<Semaphore>,
    tasks: TaskTracker,
    handler: Arc<H>,
    reclaim_at: Instant,
}

impl<H, F> Reader<H>
where
    H: Fn(Delivery) -> F + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    async fn run(mut self) {
        let lane = self.consumer.lane.clone();
        let mut trouble = Trouble::default();
        loop {
            let Some(mut free) = free_permits(&self.permits).await else { return };
            match self.read(free.num_permits()).await {
                Ok(deliveries) => {
                    trouble.is_over(&lane);
                    for delivery in deliveries {
                        if let Some(permit) = free.split(1) {
                            self.start(delivery, permit);
                        }
                    }
                }
                Err(error) => {
                    drop(free);
                    trouble.pause(&lane, &error).await;
                }
            }
        }
    }

    async fn read(&mut self, max: usize) -> Result<Vec<Delivery>, QueueError> {
        let (block, reclaim_every) = {
            let options = self.consumer.queue.options();
            (options.block, options.reclaim_every)
        };
        if Instant::now() >= self.reclaim_at {
            let reclaimed = self.consumer.reclaim_up_to(max).await?;
            if reclaimed.is_complete {
                self.reclaim_at = Instant::now() + reclaim_every;
            }
            if !reclaimed.deliveries.is_empty() {
                return Ok(reclaimed.deliveries);
            }
        }
        let until_reclaim = self.reclaim_at.saturating_duration_since(Instant::now());
        self.consumer.next(max, block.min(until_reclaim.max(Duration::from_millis(1)))).await
    }

    fn start(&self, delivery: Delivery, permit: OwnedSemaphorePermit) {
        let handler = self.handler.clone();
        let lane = self.consumer.lane.clone();
        self.tasks.spawn(async move {
            let _permit = permit;
            let _alarm = Alarm { lane };
            let heartbeat = delivery.heartbeat();
            tokio::select! {
                () = async { handler(delivery).await } => {}
                () = heartbeat.keep() => {}
            }
        });
    }
}

/// Says that a handler has panicked; its task ends, and nothing else.
struct Alarm {
    lane: Arc<str>,
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!(lane = %self.lane, "a handler has panicked; its entry stays pending and comes again");
        }
    }
}

/// Waits for a free permit and takes all that are free.
async fn free_permits(permits: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
    let mut free = permits.clone().acquire_owned().await.ok()?;
    let more = u32::try_from(permits.available_permits()).unwrap_or(u32::MAX);
    if let Ok(more) = permits.clone().try_acquire_many_owned(more) {
        free.merge(more);
    }
    Some(free)
}

/// The pauses while the queue does not answer; says so once when it begins and once when it is over.
#[derive(Default)]
struct Trouble {
    failures: u32,
}

impl Trouble {
    async fn pause(&mut self, lane: &str, error: &QueueError) {
        self.report(lane, error);
        let (shortest, longest) = PAUSE;
        let pause = shortest.saturating_mul(1 << self.failures.min(10)).min(longest);
        self.failures = self.failures.saturating_add(1);
        tokio::time::sleep(pause).await;
    }

    fn report(&self, lane: &str, error: &QueueError) {
        let cause: &dyn Error = error;
        match error {
            QueueError::Unavailable { .. } if self.failures > 0 => {}
            QueueError::Unavailable { .. } => {
                tracing::warn!(lane, error = cause, "the queue does not answer; trying again");
            }
            QueueError::Refused { .. } | QueueError::Invalid { .. } => {
                tracing::error!(lane, error = cause, "the queue refuses; trying again");
            }
        }
    }

    fn is_over(&mut self, lane: &str) {
        if self.failures > 0 {
            tracing::info!(lane, failures = self.failures, "the queue answers again");
            self.failures = 0;
        }
    }
}
