use std::time::Duration;

use work_queue::{Queue, QueueError, QueueOptions};

use crate::server::{LANE, STREAM, Server, ids, quick, soon};

const SHORT: Duration = Duration::from_millis(50);

/// What the server lets a worker do; nothing here needs a Redis newer than 7.0.
const WORKER: &str = "on >secret resetchannels ~{on:tx:* -@all +xreadgroup +xack +xdel +xautoclaim +xclaim \
     +xpending +xadd +xlen +xinfo|groups +xinfo|stream +xgroup|create +zadd +zrangebyscore +zrem +hset +hget \
     +hgetall +evalsha +script|load +multi +exec +ping +wait +time +client|setname";

async fn worker(server: &Server, options: QueueOptions) -> Queue {
    let mut set = redis::cmd("ACL");
    set.arg("SETUSER").arg("worker");
    for rule in WORKER.split_whitespace() {
        set.arg(rule);
    }
    set.query_async::<()>(&mut server.admin().await).await.expect("a user");
    let url = server.url_of("worker", "secret");
    Queue::connect_with(&url, "on:tx", "transfer", "a", options).await.expect("a queue")
}

async fn denied(server: &Server) -> usize {
    let log: Vec<redis::Value> =
        redis::cmd("ACL").arg("LOG").query_async(&mut server.admin().await).await.expect("the log");
    log.len()
}

#[tokio::test]
async fn a_workers_rights_suffice_for_all_that_the_queue_does() {
    let server = Server::start().await;
    let queue = worker(&server, QueueOptions { min_idle: Duration::from_millis(1), ..quick() }).await;
    queue.ping().await.unwrap();
    queue.add_many(LANE, &ids(3)).await.unwrap();
    let mut consumer = queue.consumer(LANE).unwrap();
    let [acked, retried, left] = soon(consumer.next(3, SHORT)).await.unwrap().try_into().unwrap();
    assert!(acked.heartbeat().beat().await.unwrap());
    assert!(acked.ack().await.unwrap());
    assert!(retried.retry_in(Duration::ZERO).await.unwrap());
    drop(left);
    assert_eq!(queue.promote_due(LANE, 10).await.unwrap(), 1);
    soon(async { while consumer.reclaim(10).await.unwrap().is_empty() {} }).await;
    assert_eq!(queue.depth(LANE).await.unwrap().pending, 1);
    let mut next_life = queue.consumer(LANE).unwrap();
    assert_eq!(soon(next_life.next(10, SHORT)).await.unwrap().len(), 1);
    assert_eq!(denied(&server).await, 0, "something was tried that a worker may not do");
}

#[tokio::test]
async fn a_worker_cannot_reach_another_provinces_keys() {
    let server = Server::start().await;
    drop(worker(&server, quick()).await);
    let url = server.url_of("worker", "secret");
    let queue = Queue::connect(&url, "ab:tx", "transfer", "a").await.unwrap();
    let error = queue.add(LANE, "id").await.unwrap_err();
    assert!(matches!(error, QueueError::Refused { .. }), "{error:?}");
    let error = soon(queue.consumer(LANE).unwrap().next(1, SHORT)).await.unwrap_err();
    assert!(matches!(error, QueueError::Refused { .. }), "{error:?}");
}

#[tokio::test]
async fn trouble_is_sorted_by_what_to_do_and_no_secret_is_shown() {
    let mut server = Server::start().await;
    let queue = server.queue("a").await;
    let mut admin = server.admin().await;
    redis::cmd("SET").arg(STREAM).arg("text").query_async::<()>(&mut admin).await.unwrap();
    assert!(matches!(queue.add(LANE, "id").await.unwrap_err(), QueueError::Refused { .. }));

    let url = server.url_of("worker", "wrong-secret");
    let stranger = Queue::connect(&url, "on:tx", "transfer", "a").await.unwrap();
    let error = stranger.ping().await.unwrap_err();
    assert!(!format!("{error:?} {error} {stranger:?}").contains("wrong-secret"));

    server.kill();
    assert!(matches!(queue.add(LANE, "id").await.unwrap_err(), QueueError::Unavailable { .. }));
    let error = Queue::connect("http://nowhere", "on:tx", "transfer", "a").await.unwrap_err();
    assert!(matches!(error, QueueError::Invalid { .. }), "{error:?}");
}
