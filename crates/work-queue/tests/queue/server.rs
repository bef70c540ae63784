//! A Redis server of a test's own: free port, temporary folder, ended by its process id.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use tempfile::TempDir;
use work_queue::{Delivery, Depth, Queue, QueueOptions};

/// How long anything in these tests may take.
pub const LIMIT: Duration = Duration::from_mins(1);
/// The lane that most tests use.
pub const LANE: &str = "bc";
pub const STREAM: &str = "{on:tx:bc}:stream";
pub const DELAYED: &str = "{on:tx:bc}:delayed";

pub struct Server {
    folder: TempDir,
    port: u16,
    process: Child,
}

impl Server {
    /// Starts an empty server that keeps an append-only file.
    pub async fn start() -> Self {
        for _ in 0..5 {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let port = free_port();
            let mut process = launch(folder.path(), port);
            if is_ready(&mut process, port).await {
                return Self { folder, port, process };
            }
            // Somebody else took the port meanwhile.
            end(&mut process);
        }
        panic!("redis-server did not start, five times");
    }

    /// Ends the server at once, as a crash would.
    pub fn kill(&mut self) {
        end(&mut self.process);
    }

    /// Starts it again with the same port and data.
    pub async fn restart(&mut self) {
        self.kill();
        self.process = launch(self.folder.path(), self.port);
        assert!(is_ready(&mut self.process, self.port).await, "redis-server did not start again");
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    pub fn url_of(&self, user: &str, password: &str) -> String {
        format!("redis://{user}:{password}@127.0.0.1:{}/0", self.port)
    }

    /// A queue of the province `on` for one worker.
    pub async fn queue(&self, consumer: &str) -> Queue {
        self.queue_with(consumer, quick()).await
    }

    pub async fn queue_with(&self, consumer: &str, options: QueueOptions) -> Queue {
        Queue::connect_with(&self.url(), "on:tx", "transfer", consumer, options).await.expect("a queue")
    }

    /// A connection that may do everything.
    pub async fn admin(&self) -> MultiplexedConnection {
        admin(self.port).await.expect("an administrator's connection")
    }

    pub async fn flush_all(&self) {
        redis::cmd("FLUSHALL").query_async::<()>(&mut self.admin().await).await.expect("FLUSHALL");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        end(&mut self.process);
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("its address").port()
}

fn launch(folder: &Path, port: u16) -> Child {
    Command::new("redis-server")
        .args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", "", "--appendonly", "yes"])
        .args(["--appendfsync", "always", "--dir"])
        .arg(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("redis-server must be in PATH: install Redis 7.0 or newer")
}

fn end(process: &mut Child) {
    // It may have ended by itself.
    let _ = process.kill();
    let _ = process.wait();
}

async fn is_ready(process: &mut Child, port: u16) -> bool {
    let started = Instant::now();
    while started.elapsed() < LIMIT {
        if process.try_wait().expect("the state of redis-server").is_some() {
            return false;
        }
        if let Ok(mut connection) = admin(port).await
            && redis::cmd("PING").query_async::<()>(&mut connection).await.is_ok()
        {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    false
}

async fn admin(port: u16) -> redis::RedisResult<MultiplexedConnection> {
    let config = redis::AsyncConnectionConfig::new()
        .set_response_timeout(Some(LIMIT))
        .set_connection_timeout(Some(LIMIT));
    redis::Client::open(format!("redis://127.0.0.1:{port}/0"))?
        .get_multiplexed_async_connection_with_config(&config)
        .await
}

/// Options under which dead consumers are noticed within a moment.
pub fn quick() -> QueueOptions {
    QueueOptions {
        min_idle: Duration::from_millis(300),
        block: Duration::from_millis(500),
        promote_every: Duration::from_millis(20),
        reclaim_every: Duration::from_millis(50),
        ..QueueOptions::default()
    }
}

/// Waits until the lane looks as it should.
pub async fn depth_becomes(queue: &Queue, lane: &str, wanted: impl Fn(&Depth) -> bool) -> Depth {
    let started = Instant::now();
    loop {
        let last = queue.depth(lane).await;
        if let Ok(depth) = last
            && wanted(&depth)
        {
            return depth;
        }
        assert!(started.elapsed() < LIMIT, "the lane never looked as it should; last: {last:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Fails the test instead of hanging.
pub async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(LIMIT, future).await.expect("it takes too long")
}

pub fn ids(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("id-{number}")).collect()
}

pub fn ids_of(deliveries: &[Delivery]) -> Vec<&str> {
    deliveries.iter().map(Delivery::id).collect()
}

/// An empty lane, everything read.
pub const EMPTY: Depth = Depth { stream: 0, pending: 0, delayed: 0, lag: Some(0) };
