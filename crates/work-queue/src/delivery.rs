use std::fmt;
use std::future;
use std::sync::Arc;
use std::time::Duration;

use crate::error::QueueError;
use crate::keys::Keys;
use crate::queue::Queue;
use crate::scripts::Entry;

/// How often settling is tried when the connection is lost.
const TRIES: u32 = 3;
/// The longest delay, in milliseconds: ten thousand years fit into a score without rounding.
const LONGEST_DELAY: u128 = 1 << 48;

/// Where an entry lies and for whom it is pending.
#[derive(Clone)]
struct Place {
    queue: Queue,
    lane: Arc<str>,
    keys: Arc<Keys>,
    entry_id: String,
}

/// An id in a worker's hands, to be settled by value: [`ack`](Self::ack) or [`retry_in`](Self::retry_in). One that
/// is dropped stays pending and comes again.
#[must_use = "settle it by ack or retry_in, or it comes again"]
pub struct Delivery {
    place: Place,
    id: String,
    times_delivered: u64,
}

impl Delivery {
    pub(crate) fn new(queue: &Queue, lane: &Arc<str>, keys: &Arc<Keys>, entry: Entry) -> Self {
        let place =
            Place { queue: queue.clone(), lane: lane.clone(), keys: keys.clone(), entry_id: entry.name };
        Self { place, id: entry.id, times_delivered: entry.times_delivered }
    }

    /// Returns the id; empty when somebody else wrote the entry and left it out.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns the name that the stream gave to the entry.
    pub fn entry_id(&self) -> &str {
        &self.place.entry_id
    }

    /// Returns the lane.
    pub fn lane(&self) -> &str {
        &self.place.lane
    }

    /// Returns how often this entry was handed out, this time included. Not the number of attempts: a retry makes
    /// a new entry.
    pub fn times_delivered(&self) -> u64 {
        self.times_delivered
    }

    /// Tells whether the entry was handed out so often without being settled that something is wrong with it, such
    /// as a process that dies of it.
    pub fn delivered_too_often(&self) -> bool {
        self.times_delivered >= self.place.queue.options().max_deliveries
    }

    /// Takes the entry off for good. `false` when it is no longer this consumer's: another one took it over, or
    /// Redis was emptied; nothing is changed then. Also when only the answer to an earlier try was lost.
    ///
    /// # Errors
    /// [`QueueError`]; the entry then stays pending and comes again.
    pub async fn ack(self) -> Result<bool, QueueError> {
        self.place.settle(&self.id, None).await
    }

    /// Takes the entry off and lets its id return after `delay`, in one step. `false` as for [`ack`](Self::ack).
    ///
    /// # Errors
    /// [`QueueError`]; the entry then stays pending and comes again.
    pub async fn retry_in(self, delay: Duration) -> Result<bool, QueueError> {
        self.place.settle(&self.id, Some(delay)).await
    }

    /// Returns what keeps the entry this consumer's while the work lasts.
    pub fn heartbeat(&self) -> Heartbeat {
        Heartbeat { place: self.place.clone() }
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("lane", &self.place.lane)
            .field("entry_id", &self.place.entry_id)
            .field("times_delivered", &self.times_delivered)
            .finish_non_exhaustive()
    }
}

impl Place {
    async fn settle(&self, id: &str, delay: Option<Duration>) -> Result<bool, QueueError> {
        let delay = delay.map_or_else(String::new, |delay| delay.as_millis().min(LONGEST_DELAY).to_string());
        let mut tried = 0;
        loop {
            let mut call = self.queue.scripts().settle.prepare_invoke();
            call.key(&self.keys.stream).key(&self.keys.delayed);
            call.arg(self.queue.group()).arg(self.queue.consumer_name()).arg(&self.entry_id);
            call.arg(id).arg(&delay);
            tried += 1;
            match call.invoke_async(&mut self.queue.manager()).await.map_err(QueueError::of) {
                Err(QueueError::Unavailable { .. }) if tried < TRIES => {
                    tokio::time::sleep(Duration::from_millis(100) * tried).await;
                }
                settled => return settled,
            }
        }
    }
}

/// Keeps a delivery from being reclaimed while its work lasts.
pub struct Heartbeat {
    place: Place,
}

impl Heartbeat {
    /// Resets the idle time of the entry, without counting a delivery. `false` when it is no longer this
    /// consumer's.
    ///
    /// # Errors
    /// [`QueueError`].
    pub async fn beat(&self) -> Result<bool, QueueError> {
        let queue = &self.place.queue;
        let mut call = queue.scripts().keep.prepare_invoke();
        call.key(&self.place.keys.stream);
        call.arg(queue.group()).arg(queue.consumer_name()).arg(&self.place.entry_id);
        call.invoke_async(&mut queue.manager()).await.map_err(QueueError::of)
    }

    /// Beats three times in each [`min_idle`](crate::QueueOptions::min_idle), for ever: run it beside the work.
    /// Once the entry is lost it waits in silence; the work goes on, since whether it counts is not decided here.
    pub async fn keep(&self) {
        let every = self.place.queue.options().min_idle / 3;
        loop {
            tokio::time::sleep(every).await;
            match self.beat().await {
                Ok(true) => {}
                Ok(false) => {
                    tracing::warn!(lane = %self.place.lane, "an entry was lost while its work went on");
                    return future::pending().await;
                }
                Err(error) => {
                    let error: &dyn std::error::Error = &error;
                    tracing::warn!(lane = %self.place.lane, error, "an entry could not be kept");
                }
            }
        }
    }
}
