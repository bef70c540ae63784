use std::time::Duration;

use crate::server::{DELAYED, EMPTY, LANE, STREAM, Server, ids, ids_of, soon};

const AT_ONCE: Duration = Duration::ZERO;
const SHORT: Duration = Duration::from_millis(50);

#[tokio::test]
async fn an_acknowledged_entry_is_off_the_stream_and_lag_stays_right() {
    let server = Server::start().await;
    let queue = server.queue("a").await;
    queue.add_many(LANE, &ids(3)).await.unwrap();
    let mut consumer = queue.consumer(LANE).unwrap();
    for delivery in soon(consumer.next(10, SHORT)).await.unwrap() {
        assert!(delivery.ack().await.unwrap());
    }
    assert_eq!(queue.depth(LANE).await.unwrap(), EMPTY);
}

#[tokio::test]
async fn depth_tells_unread_handed_out_and_delayed_apart() {
    let server = Server::start().await;
    let queue = server.queue("a").await;
    assert_eq!(queue.depth(LANE).await.unwrap(), EMPTY, "a lane that was never used");
    queue.add_many(LANE, &ids(5)).await.unwrap();
    let mut consumer = queue.consumer(LANE).unwrap();
    let [first, _second, third] = soon(consumer.next(3, SHORT)).await.unwrap().try_into().unwrap();
    assert!(first.retry_in(Duration::from_hours(1)).await.unwrap());
    let depth = queue.depth(LANE).await.unwrap();
    assert_eq!((depth.stream, depth.pending, depth.delayed, depth.lag), (4, 2, 1, Some(2)));
    // Settled before an older one: until the next read the server cannot tell what nobody has read.
    assert!(third.ack().await.unwrap());
    assert_eq!(queue.depth(LANE).await.unwrap().lag, None);
    assert_eq!(soon(consumer.next(1, SHORT)).await.unwrap().len(), 1);
    assert_eq!(queue.depth(LANE).await.unwrap().lag, Some(1));
}

#[tokio::test]
async fn lanes_and_provinces_do_not_meet() {
    let server = Server::start().await;
    let queue = server.queue("a").await;
    queue.add(LANE, "for-bc").await.unwrap();
    let mut other_lane = queue.consumer("qc").unwrap();
    assert!(soon(other_lane.next(10, AT_ONCE)).await.unwrap().is_empty());
    let other_province = work_queue::Queue::connect(&server.url(), "ab:tx", "transfer", "a").await.unwrap();
    let mut consumer = other_province.consumer(LANE).unwrap();
    assert!(soon(consumer.next(10, AT_ONCE)).await.unwrap().is_empty());
}

#[tokio::test]
async fn only_the_id_is_stored_under_keys_of_one_hash_tag() {
    let server = Server::start().await;
    let queue = server.queue("a").await;
    queue.add(LANE, "some-id").await.unwrap();
    queue.add(LANE, "other-id").await.unwrap();
    let mut consumer = queue.consumer(LANE).unwrap();
    let mut read = soon(consumer.next(1, SHORT)).await.unwrap();
    assert!(read.pop().unwrap().retry_in(Duration::from_hours(1)).await.unwrap());
    let mut admin = server.admin().await;
    let mut keys: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut admin).await.unwrap();
    keys.sort();
    assert_eq!(keys, [DELAYED, STREAM]);
    let entries: Vec<(String, Vec<String>)> =
        redis::cmd("XRANGE").arg(STREAM).arg("-").arg("+").query_async(&mut admin).await.unwrap();
    assert_eq!(entries[0].1, ["id", "other-id"]);
}

#[tokio::test]
async fn a_consumer_that_comes_back_first_gets_what_it_had() {
    let server = Server::start().await;
    let queue = server.queue("pod-1").await;
    queue.add_many(LANE, &ids(3)).await.unwrap();
    let mut first_life = queue.consumer(LANE).unwrap();
    drop(soon(first_life.next(2, SHORT)).await.unwrap());
    drop(first_life);

    let mut second_life = server.queue("pod-1").await.consumer(LANE).unwrap();
    let own = soon(second_life.next(1, SHORT)).await.unwrap();
    assert_eq!(ids_of(&own), ["id-0"]);
    assert_eq!(own[0].times_delivered(), 2);
    let own = soon(second_life.next(10, SHORT)).await.unwrap();
    assert_eq!(ids_of(&own), ["id-1"]);
    let new = soon(second_life.next(10, SHORT)).await.unwrap();
    assert_eq!(ids_of(&new), ["id-2"]);
    assert_eq!(new[0].times_delivered(), 1);
}

#[tokio::test]
async fn a_read_blocks_longer_than_half_a_second_and_wakes_for_a_new_entry() {
    let server = Server::start().await;
    let queue = server.queue("a").await;
    let mut consumer = queue.consumer(LANE).unwrap();
    let started = std::time::Instant::now();
    assert!(consumer.next(1, Duration::from_millis(700)).await.unwrap().is_empty());
    assert!(started.elapsed() >= Duration::from_millis(690), "the client gave up early");
    let (read, added) = tokio::join!(soon(consumer.next(1, Duration::from_mins(1))), queue.add(LANE, "late"));
    added.unwrap();
    assert_eq!(ids_of(&read.unwrap()), ["late"]);
}

#[tokio::test]
async fn names_that_would_break_the_keys_are_refused() {
    let server = Server::start().await;
    let queue = server.queue("a").await;
    for lane in ["", "BC", "b c", "b}c", "b:c", "é"] {
        assert!(queue.add(lane, "id").await.is_err(), "{lane}");
        assert!(queue.consumer(lane).is_err(), "{lane}");
    }
    for prefix in ["", "on}", "on*"] {
        assert!(
            work_queue::Queue::connect(&server.url(), prefix, "transfer", "a").await.is_err(),
            "{prefix}"
        );
    }
}
