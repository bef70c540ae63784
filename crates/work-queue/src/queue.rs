use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig, MultiplexedConnection};
use redis::{AsyncConnectionConfig, Client, IntoConnectionInfo, ProtocolVersion};

use crate::error::QueueError;
use crate::keys::{self, Keys};
use crate::scripts::Scripts;

/// How long a connection may take to come up.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long an answer may take, on top of the time a read blocks.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);

/// A queue of ids in one Redis. Cheap to clone; all clones share one connection, consumers open their own.
///
/// The server's user needs the keys `~{PREFIX:*` and the commands `xadd xreadgroup xack xdel xautoclaim xclaim
/// xpending xlen xinfo|groups xgroup|create zadd zrangebyscore zrem evalsha script|load time ping`.
#[derive(Clone)]
pub struct Queue {
    shared: Arc<Shared>,
}

struct Shared {
    client: Client,
    manager: ConnectionManager,
    prefix: String,
    group: String,
    consumer: String,
    options: QueueOptions,
    scripts: Scripts,
}

/// What can be set. Every field has a default that fits jobs of seconds.
#[derive(Debug, Clone)]
pub struct QueueOptions {
    /// How long an entry lies idle before another consumer may take it. A running job resets it three times in
    /// this span, so it need not be longer than the longest job, only longer than a pause of the whole process.
    pub min_idle: Duration,
    /// How long one read waits for new entries.
    pub block: Duration,
    /// From how many deliveries of one entry on it is marked as delivered too often.
    pub max_deliveries: u64,
    /// How often due ids are looked for.
    pub promote_every: Duration,
    /// How many due ids are moved in one step.
    pub promote_limit: usize,
    /// How often entries of dead consumers are looked for.
    pub reclaim_every: Duration,
}

impl Default for QueueOptions {
    fn default() -> Self {
        Self {
            min_idle: Duration::from_mins(1),
            block: Duration::from_secs(2),
            max_deliveries: 10,
            promote_every: Duration::from_millis(500),
            promote_limit: 500,
            reclaim_every: Duration::from_secs(10),
        }
    }
}

impl Queue {
    /// Makes a queue on the server at `url` (`redis://user:password@host:port/0`, `rediss://…`
    /// over TLS, by the authorities of the system or of `SSL_CERT_FILE` and `SSL_CERT_DIR`). The connection is made when it is
    /// first needed and again whenever it is lost; to know whether the server is there, [`ping`](Self::ping).
    ///
    /// `prefix` begins every key, such as `on:tx`; `group` is what all workers of one kind share; `consumer` is
    /// this process alone, such as the pod's name.
    ///
    /// # Errors
    /// [`QueueError::Invalid`] when one of the arguments cannot be used.
    pub async fn connect(url: &str, prefix: &str, group: &str, consumer: &str) -> Result<Self, QueueError> {
        Self::connect_with(url, prefix, group, consumer, QueueOptions::default()).await
    }

    /// Makes a queue with other options than the default ones.
    ///
    /// # Errors
    /// As [`Queue::connect`].
    #[expect(clippy::unused_async, reason = "must run inside a runtime: the connection lives on it")]
    pub async fn connect_with(
        url: &str,
        prefix: &str,
        group: &str,
        consumer: &str,
        options: QueueOptions,
    ) -> Result<Self, QueueError> {
        keys::check_prefix(prefix)?;
        for (name, what) in [(group, "the group"), (consumer, "the consumer")] {
            if name.is_empty() {
                return Err(QueueError::Invalid { what });
            }
        }
        if options.min_idle.is_zero() || options.promote_limit == 0 {
            return Err(QueueError::Invalid { what: "a zero option" });
        }
        let client = open(url)?;
        let config = ConnectionManagerConfig::new()
            .set_response_timeout(Some(ANSWER_TIMEOUT))
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_number_of_retries(3)
            .set_max_delay(Duration::from_secs(1));
        let manager = client.get_connection_manager_lazy(config).map_err(QueueError::of)?;
        let shared = Shared {
            client,
            manager,
            prefix: prefix.to_owned(),
            group: group.to_owned(),
            consumer: consumer.to_owned(),
            options,
            scripts: Scripts::new(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Tells whether the server answers.
    ///
    /// # Errors
    /// [`QueueError`] when it does not.
    pub async fn ping(&self) -> Result<(), QueueError> {
        redis::cmd("PING").query_async(&mut self.manager()).await.map_err(QueueError::of)
    }

    /// Returns the options in use.
    pub fn options(&self) -> &QueueOptions {
        &self.shared.options
    }

    /// The shared connection. It is multiplexed: nothing may block on it.
    pub(crate) fn manager(&self) -> ConnectionManager {
        self.shared.manager.clone()
    }

    pub(crate) fn keys(&self, lane: &str) -> Result<Keys, QueueError> {
        Keys::of(&self.shared.prefix, lane)
    }

    pub(crate) fn group(&self) -> &str {
        &self.shared.group
    }

    pub(crate) fn consumer_name(&self) -> &str {
        &self.shared.consumer
    }

    pub(crate) fn scripts(&self) -> &Scripts {
        &self.shared.scripts
    }

    /// Opens a connection for reads that block for `block`; a server that is silent for longer counts as lost.
    pub(crate) async fn blocking_connection(
        &self,
        block: Duration,
    ) -> Result<MultiplexedConnection, QueueError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(Some(block + ANSWER_TIMEOUT));
        self.shared.client.get_multiplexed_async_connection_with_config(&config).await.map_err(QueueError::of)
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue")
            .field("prefix", &self.shared.prefix)
            .field("group", &self.shared.group)
            .field("consumer", &self.shared.consumer)
            .finish_non_exhaustive()
    }
}

/// Reads the address. `HELLO` and `CLIENT SETINFO` are not used: a worker's user has no right to them.
fn open(url: &str) -> Result<Client, QueueError> {
    let invalid = |_| QueueError::Invalid { what: "the address" };
    let info = url.into_connection_info().map_err(invalid)?;
    let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP2).set_skip_set_lib_name();
    Client::open(info.set_redis_settings(settings)).map_err(invalid)
}
