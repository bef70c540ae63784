use std::time::Duration;

use crate::queue::{Queue, QueueError};

/// An id in a worker's hands, to be settled by value. One that is dropped unsettled is reclaimed later.
#[must_use = "settle it by ack or retry_in, or it comes again"]
pub struct Delivery {
    queue: Queue,
    lane: String,
    entry: String,
    id: String,
}

impl Delivery {
    pub(crate) fn new(queue: Queue, lane: String, entry: String, id: String) -> Self {
        Self { queue, lane, entry, id }
    }

    /// Returns the id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Takes it off for good; `false` when another consumer has taken it over.
    pub async fn ack(self) -> Result<bool, QueueError> {
        self.queue.ack(&self.lane, &self.entry).await
    }

    /// Lets its id return after `delay`; `false` when another consumer has taken it over.
    pub async fn retry_in(self, delay: Duration) -> Result<bool, QueueError> {
        self.queue.retry(&self.lane, &self.entry, &self.id, delay).await
    }
}
