use std::sync::Arc;
use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig, MultiplexedConnection};
use redis::{AsyncConnectionConfig, Client, RedisError, Script, cmd};

use crate::delivery::Delivery;
use crate::keys::Keys;

/// How long a read waits for new entries.
const BLOCK: Duration = Duration::from_secs(1);
/// Beyond that, the server counts as gone.
const BLOCK_MARGIN: Duration = Duration::from_secs(3);
/// The longest wait for any other answer.
const ANSWER: Duration = Duration::from_secs(5);

/// Takes an entry off for good. 0: another consumer has it.
const ACK: &str = "
local n = redis.call('XACK', KEYS[1], ARGV[1], ARGV[2])
if n == 1 then redis.call('XDEL', KEYS[1], ARGV[2]) end
return n";

/// Takes an entry off and lets its id return after ARGV[4] ms. 0: another consumer has it.
const RETRY: &str = "
local n = redis.call('XACK', KEYS[1], ARGV[1], ARGV[2])
if n == 0 then return 0 end
redis.call('XDEL', KEYS[1], ARGV[2])
local t = redis.call('TIME')
redis.call('ZADD', KEYS[2], t[1] * 1000 + math.floor(t[2] / 1000) + ARGV[4], ARGV[3])
return 1";

/// Moves at most ARGV[1] due ids back to the stream.
const PROMOTE: &str = "
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local due = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, ARGV[1])
for _, id in ipairs(due) do
  redis.call('XADD', KEYS[1], '*', 'id', id)
  redis.call('ZREM', KEYS[2], id)
end
return #due";

/// Why the queue did not do what was asked. The caller tries again; nothing is lost that its database holds.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// The URL is no Redis URL.
    #[error("the queue's URL cannot be used")]
    Url {
        /// Why, without the URL.
        source: RedisError,
    },
    /// The server does not answer, or refuses.
    #[error("the queue does not answer")]
    Unavailable {
        /// What the driver says.
        source: RedisError,
    },
}

impl From<RedisError> for QueueError {
    fn from(source: RedisError) -> Self {
        Self::Unavailable { source }
    }
}

/// How much waits in a lane.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Depth {
    /// Entries on the stream, those in workers' hands included.
    pub stream: u64,
    /// Entries in workers' hands.
    pub pending: u64,
    /// Ids that wait for their time.
    pub delayed: u64,
}

/// A queue of ids in lanes. Cheap to clone.
#[derive(Clone)]
pub struct Queue {
    client: Client,
    manager: ConnectionManager,
    prefix: Arc<str>,
    group: Arc<str>,
    consumer: Arc<str>,
    scripts: Arc<Scripts>,
}

struct Scripts {
    ack: Script,
    retry: Script,
    promote: Script,
}

impl Queue {
    /// Makes a queue; the connection is made when it is first needed and again whenever it is lost.
    ///
    /// `consumer` names this worker, the same after a restart where possible (the pod's name).
    #[expect(clippy::unused_async, reason = "must run inside a runtime: the connection lives on it")]
    pub async fn connect(url: &str, prefix: &str, group: &str, consumer: &str) -> Result<Self, QueueError> {
        let client = Client::open(url).map_err(|source| QueueError::Url { source })?;
        let config = ConnectionManagerConfig::new()
            .set_response_timeout(Some(ANSWER))
            .set_connection_timeout(Some(ANSWER))
            .set_number_of_retries(2);
        let manager = client.get_connection_manager_lazy(config)?;
        let scripts =
            Scripts { ack: Script::new(ACK), retry: Script::new(RETRY), promote: Script::new(PROMOTE) };
        Ok(Self {
            client,
            manager,
            prefix: prefix.into(),
            group: group.into(),
            consumer: consumer.into(),
            scripts: Arc::new(scripts),
        })
    }

    /// Puts ids on a lane.
    pub async fn add_many(&self, lane: &str, ids: &[String]) -> Result<(), QueueError> {
        let keys = self.keys(lane);
        for some in ids.chunks(500) {
            let mut pipe = redis::pipe();
            for id in some {
                pipe.cmd("XADD").arg(&keys.stream).arg("*").arg("id").arg(id).ignore();
            }
            let () = pipe.query_async(&mut self.manager.clone()).await?;
        }
        Ok(())
    }

    /// Moves at most `limit` due ids back to the stream; returns how many.
    pub async fn promote_due(&self, lane: &str, limit: usize) -> Result<usize, QueueError> {
        let keys = self.keys(lane);
        let mut call = self.scripts.promote.key(&keys.stream);
        Ok(call.key(&keys.delayed).arg(limit).invoke_async(&mut self.manager.clone()).await?)
    }

    /// Returns how much waits in a lane.
    pub async fn depth(&self, lane: &str) -> Result<Depth, QueueError> {
        let keys = self.keys(lane);
        let mut connection = self.manager.clone();
        let stream: u64 = cmd("XLEN").arg(&keys.stream).query_async(&mut connection).await?;
        let pending: (u64, redis::Value, redis::Value, redis::Value) = if stream == 0 {
            (0, redis::Value::Nil, redis::Value::Nil, redis::Value::Nil)
        } else {
            self.create_group(lane).await?;
            cmd("XPENDING").arg(&keys.stream).arg(&*self.group).query_async(&mut connection).await?
        };
        let delayed: u64 =
            cmd("ZCOUNT").arg(&keys.delayed).arg("-inf").arg("+inf").query_async(&mut connection).await?;
        Ok(Depth { stream, pending: pending.0, delayed })
    }

    /// Makes the consumer group of a lane, unless it is there. It begins with the oldest entry.
    pub(crate) async fn create_group(&self, lane: &str) -> Result<(), QueueError> {
        let keys = self.keys(lane);
        let mut create = cmd("XGROUP");
        create.arg("CREATE").arg(&keys.stream).arg(&*self.group).arg("0").arg("MKSTREAM");
        match create.query_async::<()>(&mut self.manager.clone()).await {
            Ok(()) => Ok(()),
            Err(error) if error.code() == Some("BUSYGROUP") => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Opens a connection of its own for blocking reads.
    pub(crate) async fn reading_connection(&self) -> Result<MultiplexedConnection, QueueError> {
        let config = AsyncConnectionConfig::new()
            .set_response_timeout(Some(BLOCK + BLOCK_MARGIN))
            .set_connection_timeout(Some(ANSWER));
        Ok(self.client.get_multiplexed_async_connection_with_config(&config).await?)
    }

    /// Reads at most `count` entries: with `after` = `>` new ones, waiting for them; else this consumer's own
    /// pending ones behind that id.
    pub(crate) async fn read(
        &self,
        connection: &mut MultiplexedConnection,
        lane: &str,
        count: usize,
        after: &str,
    ) -> Result<Vec<Delivery>, QueueError> {
        type Entries = Vec<(String, Option<Vec<String>>)>;
        let keys = self.keys(lane);
        let mut read = cmd("XREADGROUP");
        read.arg("GROUP").arg(&*self.group).arg(&*self.consumer).arg("COUNT").arg(count);
        if after == ">" {
            read.arg("BLOCK").arg(u64::try_from(BLOCK.as_millis()).unwrap_or(1000));
        }
        read.arg("STREAMS").arg(&keys.stream).arg(after);
        let answer: Option<Vec<(String, Entries)>> = read.query_async(connection).await?;
        let entries = answer.into_iter().flatten().flat_map(|(_, entries)| entries);
        Ok(self.deliveries(lane, entries))
    }

    /// Takes over entries that their consumer has not settled for `idle`.
    pub(crate) async fn reclaim(
        &self,
        lane: &str,
        idle: Duration,
        count: usize,
    ) -> Result<Vec<Delivery>, QueueError> {
        type Claimed = (String, Vec<(String, Option<Vec<String>>)>, Vec<String>);
        let keys = self.keys(lane);
        let mut claim = cmd("XAUTOCLAIM");
        claim.arg(&keys.stream).arg(&*self.group).arg(&*self.consumer);
        claim.arg(u64::try_from(idle.as_millis()).unwrap_or(u64::MAX)).arg("0-0").arg("COUNT").arg(count);
        let (_, entries, deleted): Claimed = claim.query_async(&mut self.manager.clone()).await?;
        if !deleted.is_empty() {
            tracing::error!(
                lane,
                count = deleted.len(),
                "entries were deleted while they were being worked on"
            );
        }
        Ok(self.deliveries(lane, entries.into_iter()))
    }

    fn deliveries(
        &self,
        lane: &str,
        entries: impl Iterator<Item = (String, Option<Vec<String>>)>,
    ) -> Vec<Delivery> {
        let delivery = |(entry, fields): (String, Option<Vec<String>>)| {
            let id = fields.and_then(|fields| fields.into_iter().nth(1)).unwrap_or_default();
            Delivery::new(self.clone(), lane.to_owned(), entry, id)
        };
        entries.map(delivery).collect()
    }

    pub(crate) async fn ack(&self, lane: &str, entry: &str) -> Result<bool, QueueError> {
        let keys = self.keys(lane);
        let mut call = self.scripts.ack.key(&keys.stream);
        let taken: u64 = call.arg(&*self.group).arg(entry).invoke_async(&mut self.manager.clone()).await?;
        Ok(taken == 1)
    }

    pub(crate) async fn retry(
        &self,
        lane: &str,
        entry: &str,
        id: &str,
        delay: Duration,
    ) -> Result<bool, QueueError> {
        let keys = self.keys(lane);
        let millis = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX >> 12);
        let mut call = self.scripts.retry.key(&keys.stream);
        let call = call.key(&keys.delayed).arg(&*self.group).arg(entry).arg(id).arg(millis);
        let moved: u64 = call.invoke_async(&mut self.manager.clone()).await?;
        Ok(moved == 1)
    }

    fn keys(&self, lane: &str) -> Keys {
        Keys::of(&self.prefix, lane)
    }
}
