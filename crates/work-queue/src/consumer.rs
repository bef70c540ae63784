use std::sync::Arc;
use std::time::Duration;

use redis::RedisError;
use redis::aio::MultiplexedConnection;

use crate::delivery::Delivery;
use crate::error::{QueueError, is_no_group};
use crate::keys::Keys;
use crate::queue::Queue;
use crate::scripts::{Batch, Entry, new_entries};

/// Before the first entry of a stream.
const BEGINNING: &str = "0-0";

/// Reads one lane, over a connection of its own. Nothing that goes wrong ends it: the next call connects again
/// and, when Redis was emptied, makes the group again.
pub struct Consumer {
    pub(crate) queue: Queue,
    pub(crate) lane: Arc<str>,
    pub(crate) keys: Arc<Keys>,
    connection: Option<(Duration, MultiplexedConnection)>,
    group_exists: bool,
    /// Up to where this consumer's own pending entries were read; `None` when all were.
    own_read_to: Option<String>,
}

impl Queue {
    /// Opens a lane for reading. Nothing is sent before the first read. A process opens each lane once: two
    /// readers of one name would get each other's pending entries.
    ///
    /// # Errors
    /// [`QueueError::Invalid`] when the lane cannot be one.
    pub fn consumer(&self, lane: &str) -> Result<Consumer, QueueError> {
        Ok(Consumer {
            queue: self.clone(),
            lane: lane.into(),
            keys: Arc::new(self.keys(lane)?),
            connection: None,
            group_exists: false,
            own_read_to: Some(BEGINNING.to_owned()),
        })
    }
}

impl Consumer {
    /// Returns up to `max` entries: first those that this consumer was given in an earlier life, then new ones.
    /// Waits up to `block` for new ones and returns none when there are none.
    ///
    /// Whoever drops this future may leave entries pending that were on their way; they are reclaimed later.
    ///
    /// # Errors
    /// [`QueueError`]; the next call starts afresh.
    pub async fn next(&mut self, max: usize, block: Duration) -> Result<Vec<Delivery>, QueueError> {
        self.make_group().await?;
        match self.read(max.max(1), block).await {
            Ok(entries) => Ok(self.deliveries(entries)),
            Err(Failure::Redis(error)) if is_no_group(&error) => {
                self.group_is_gone();
                self.make_group().await?;
                Ok(Vec::new())
            }
            Err(Failure::Redis(error)) => {
                self.connection = None;
                Err(QueueError::of(error))
            }
            Err(Failure::Connection(error)) => Err(error),
        }
    }

    async fn read(&mut self, max: usize, block: Duration) -> Result<Vec<Entry>, Failure> {
        while let Some(after) = self.own_read_to.clone() {
            let own = self.read_own(max, &after).await?;
            self.alarm_gone(own.gone);
            self.own_read_to = Some(own.cursor).filter(|last| !last.is_empty());
            if !own.entries.is_empty() {
                return Ok(own.entries);
            }
        }
        self.read_new(max, block).await
    }

    async fn read_own(&self, max: usize, after: &str) -> Result<Batch, RedisError> {
        let mut call = self.queue.scripts().own.prepare_invoke();
        call.key(&self.keys.stream);
        call.arg(self.queue.group()).arg(self.queue.consumer_name()).arg(max).arg(after);
        call.invoke_async(&mut self.queue.manager()).await
    }

    async fn read_new(&mut self, max: usize, block: Duration) -> Result<Vec<Entry>, Failure> {
        let mut connection = match self.connection.take() {
            Some((longest, connection)) if longest >= block => (longest, connection),
            _ => (block, self.queue.blocking_connection(block).await.map_err(Failure::Connection)?),
        };
        let mut read = redis::cmd("XREADGROUP");
        read.arg("GROUP").arg(self.queue.group()).arg(self.queue.consumer_name()).arg("COUNT").arg(max);
        if !block.is_zero() {
            read.arg("BLOCK").arg(u64::try_from(block.as_millis()).unwrap_or(u64::MAX).max(1));
        }
        read.arg("STREAMS").arg(&self.keys.stream).arg(">");
        let answer = read.query_async(&mut connection.1).await;
        if !answer.as_ref().is_err_and(|error| !is_no_group(error)) {
            self.connection = Some(connection);
        }
        Ok(new_entries(answer?)?)
    }

    /// Makes the group, and with it the stream, unless it was made before.
    pub(crate) async fn make_group(&mut self) -> Result<(), QueueError> {
        if self.group_exists {
            return Ok(());
        }
        let mut create = redis::cmd("XGROUP");
        create.arg("CREATE").arg(&self.keys.stream).arg(self.queue.group()).arg("0").arg("MKSTREAM");
        match create.query_async::<()>(&mut self.queue.manager()).await {
            Err(error) if error.code() != Some("BUSYGROUP") => Err(QueueError::of(error)),
            _ => {
                self.group_exists = true;
                Ok(())
            }
        }
    }

    /// Notes that Redis was emptied.
    pub(crate) fn group_is_gone(&mut self) {
        tracing::warn!(lane = %self.lane, "the queue was emptied; its group is made again");
        self.group_exists = false;
        self.own_read_to = None;
    }

    pub(crate) fn deliveries(&self, entries: Vec<Entry>) -> Vec<Delivery> {
        let deliveries: Vec<_> = entries
            .into_iter()
            .map(|entry| Delivery::new(&self.queue, &self.lane, &self.keys, entry))
            .collect();
        for delivery in deliveries.iter().filter(|delivery| delivery.delivered_too_often()) {
            let (entry, times) = (delivery.entry_id(), delivery.times_delivered());
            tracing::error!(lane = %self.lane, entry, times, "an entry comes back again and again");
        }
        deliveries
    }

    /// Entries that are pending and no longer exist: somebody trims or deletes what this crate never does.
    pub(crate) fn alarm_gone(&self, count: u64) {
        if count > 0 {
            tracing::error!(lane = %self.lane, count, "entries were deleted while they were pending");
        }
    }
}

enum Failure {
    /// The connection for blocking reads did not come up.
    Connection(QueueError),
    Redis(RedisError),
}

impl From<RedisError> for Failure {
    fn from(error: RedisError) -> Self {
        Self::Redis(error)
    }
}
