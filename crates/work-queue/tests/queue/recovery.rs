use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;
use work_queue::{Delivery, Queue, QueueOptions, run_lane};

use crate::server::{EMPTY, LANE, STREAM, Server, depth_becomes, ids, ids_of, quick, soon};

const SHORT: Duration = Duration::from_millis(50);

/// Runs the lane with a handler that acknowledges and tells the id.
fn acknowledge_all(
    queue: &Queue,
    stop: &CancellationToken,
) -> (tokio::task::JoinHandle<()>, mpsc::UnboundedReceiver<String>) {
    let (sender, seen) = mpsc::unbounded_channel();
    let handler = move |delivery: Delivery| {
        let sender = sender.clone();
        async move {
            let id = delivery.id().to_owned();
            if delivery.ack().await.is_ok() {
                let _ = sender.send(id);
            }
        }
    };
    (tokio::spawn(run_lane(queue.clone(), LANE.to_owned(), 4, handler, stop.clone())), seen)
}

async fn wait_for(seen: &mut mpsc::UnboundedReceiver<String>, ids: &[String]) {
    let mut missing: BTreeSet<_> = ids.iter().cloned().collect();
    soon(async {
        while !missing.is_empty() {
            missing.remove(&seen.recv().await.expect("the lane goes on"));
        }
    })
    .await;
}

#[tokio::test]
async fn a_dropped_delivery_is_reclaimed_by_another_consumer() {
    let server = Server::start().await;
    let dead = server.queue("dead").await;
    dead.add_many(LANE, &ids(100)).await.unwrap();
    let mut consumer = dead.consumer(LANE).unwrap();
    drop(soon(consumer.next(100, SHORT)).await.unwrap());

    let stop = CancellationToken::new();
    let (lane, mut seen) = acknowledge_all(&server.queue("alive").await, &stop);
    wait_for(&mut seen, &ids(100)).await;
    stop.cancel();
    soon(lane).await.unwrap();
    assert_eq!(dead.depth(LANE).await.unwrap(), EMPTY);
}

#[tokio::test]
async fn an_idle_entry_behind_many_busy_ones_is_found() {
    let server = Server::start().await;
    let (busy, dead) = (server.queue("busy").await, server.queue("dead").await);
    busy.add_many(LANE, &ids(1_001)).await.unwrap();
    let held = soon(busy.consumer(LANE).unwrap().next(1_000, SHORT)).await.unwrap();
    let left = soon(dead.consumer(LANE).unwrap().next(1, SHORT)).await.unwrap().pop().unwrap();
    let mut grow_old = redis::cmd("XCLAIM");
    grow_old.arg(STREAM).arg("transfer").arg("dead").arg(0).arg(left.entry_id());
    grow_old.arg("IDLE").arg(3_600_000).arg("JUSTID");
    grow_old.query_async::<()>(&mut server.admin().await).await.unwrap();

    let patient = QueueOptions { min_idle: Duration::from_mins(30), ..quick() };
    let mut alive = server.queue_with("alive", patient).await.consumer(LANE).unwrap();
    let taken = soon(alive.reclaim(1)).await.unwrap();
    assert_eq!(ids_of(&taken), ["id-1000"]);
    assert_eq!(held.len(), 1_000);
}

#[tokio::test]
async fn a_job_longer_than_min_idle_keeps_its_entry() {
    let server = Server::start().await;
    let queue = server.queue("slow").await;
    queue.add(LANE, "long").await.unwrap();
    let (started, finish) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let settled = Arc::new(Mutex::new(None));
    let handler = {
        let (started, finish, settled) = (started.clone(), finish.clone(), settled.clone());
        move |delivery: Delivery| {
            let (started, finish, settled) = (started.clone(), finish.clone(), settled.clone());
            async move {
                started.notify_one();
                finish.notified().await;
                let outcome = delivery.ack().await.unwrap();
                *settled.lock().unwrap() = Some(outcome);
            }
        }
    };
    let stop = CancellationToken::new();
    let lane = tokio::spawn(run_lane(queue.clone(), LANE.to_owned(), 1, handler, stop.clone()));
    soon(started.notified()).await;
    let mut rival = server.queue("rival").await.consumer(LANE).unwrap();
    let began = std::time::Instant::now();
    while began.elapsed() < 4 * quick().min_idle {
        assert!(rival.reclaim(10).await.unwrap().is_empty(), "taken from a worker that lives");
    }
    finish.notify_one();
    stop.cancel();
    soon(lane).await.unwrap();
    assert_eq!(*settled.lock().unwrap(), Some(true));
    assert_eq!(queue.depth(LANE).await.unwrap(), EMPTY);
}

#[tokio::test]
async fn the_lane_goes_on_by_itself_after_redis_was_emptied() {
    let server = Server::start().await;
    let queue = server.queue("a").await;
    let stop = CancellationToken::new();
    let (lane, mut seen) = acknowledge_all(&queue, &stop);
    queue.add(LANE, "before").await.unwrap();
    wait_for(&mut seen, &["before".to_owned()]).await;
    server.flush_all().await;
    queue.add_many(LANE, &ids(1_000)).await.unwrap();
    wait_for(&mut seen, &ids(1_000)).await;
    depth_becomes(&queue, LANE, |depth| *depth == EMPTY).await;
    stop.cancel();
    soon(lane).await.unwrap();
}

#[tokio::test]
async fn an_entry_that_redis_forgot_while_it_was_worked_on_is_lost_not_an_error() {
    let server = Server::start().await;
    let queue = server.queue("a").await;
    queue.add_many(LANE, &ids(2)).await.unwrap();
    let mut consumer = queue.consumer(LANE).unwrap();
    let [one, two] = soon(consumer.next(2, SHORT)).await.unwrap().try_into().unwrap();
    server.flush_all().await;
    assert!(!one.ack().await.unwrap());
    assert!(!two.retry_in(Duration::ZERO).await.unwrap());
}

#[tokio::test]
async fn the_lane_goes_on_by_itself_after_the_server_was_killed() {
    let mut server = Server::start().await;
    let queue = server.queue("a").await;
    let stop = CancellationToken::new();
    let (lane, mut seen) = acknowledge_all(&queue, &stop);
    queue.add(LANE, "before").await.unwrap();
    wait_for(&mut seen, &["before".to_owned()]).await;
    server.restart().await;
    soon(async { while queue.add(LANE, "after").await.is_err() {} }).await;
    wait_for(&mut seen, &["after".to_owned()]).await;
    stop.cancel();
    soon(lane).await.unwrap();
}

#[tokio::test]
async fn a_lane_may_be_opened_before_its_server_is_there() {
    let mut server = Server::start().await;
    let producer = server.queue("producer").await;
    producer.add(LANE, "waiting").await.unwrap();
    server.kill();
    let queue = server.queue("a").await;
    let stop = CancellationToken::new();
    let (lane, mut seen) = acknowledge_all(&queue, &stop);
    server.restart().await;
    wait_for(&mut seen, &["waiting".to_owned()]).await;
    stop.cancel();
    soon(lane).await.unwrap();
}

#[tokio::test]
async fn a_handler_that_panics_neither_ends_the_lane_nor_loses_the_id() {
    let server = Server::start().await;
    let queue = server.queue("a").await;
    queue.add_many(LANE, &ids(4)).await.unwrap();
    let calls = Arc::new(AtomicUsize::new(0));
    let handler = {
        let calls = calls.clone();
        move |delivery: Delivery| {
            let is_first = calls.fetch_add(1, Ordering::SeqCst) == 0;
            assert!(!is_first, "the first call panics, before there is any future");
            let is_second = calls.load(Ordering::SeqCst) == 2;
            async move {
                assert!(!is_second, "the second one panics in its future");
                delivery.ack().await.unwrap();
            }
        }
    };
    let stop = CancellationToken::new();
    let lane = tokio::spawn(run_lane(queue.clone(), LANE.to_owned(), 1, handler, stop.clone()));
    depth_becomes(&queue, LANE, |depth| *depth == EMPTY).await;
    assert_eq!(calls.load(Ordering::SeqCst), 6);
    stop.cancel();
    soon(lane).await.unwrap();
}

#[tokio::test]
async fn an_entry_that_comes_back_too_often_is_marked_and_still_handed_out() {
    let server = Server::start().await;
    let options = QueueOptions { min_idle: Duration::from_millis(1), max_deliveries: 3, ..quick() };
    let queue = server.queue_with("a", options).await;
    queue.add(LANE, "poison").await.unwrap();
    let mut consumer = queue.consumer(LANE).unwrap();
    let first = soon(consumer.next(1, SHORT)).await.unwrap().pop().unwrap();
    assert!(!first.delivered_too_often());
    drop(first);
    for times in 2..=4 {
        let delivery = soon(async {
            loop {
                if let Some(delivery) = consumer.reclaim(1).await.unwrap().pop() {
                    return delivery;
                }
            }
        })
        .await;
        assert_eq!(delivery.times_delivered(), times);
        assert_eq!(delivery.delivered_too_often(), times >= 3, "after {times} deliveries");
    }
}

#[tokio::test]
async fn entries_deleted_while_pending_end_nothing() {
    let server = Server::start().await;
    let queue = server.queue("a").await;
    queue.add_many(LANE, &ids(2)).await.unwrap();
    drop(soon(queue.consumer(LANE).unwrap().next(2, SHORT)).await.unwrap());
    let mut admin = server.admin().await;
    redis::cmd("XTRIM").arg(STREAM).arg("MAXLEN").arg(0).query_async::<()>(&mut admin).await.unwrap();
    let mut back = queue.consumer(LANE).unwrap();
    assert!(soon(back.next(10, SHORT)).await.unwrap().is_empty());
    let depth = queue.depth(LANE).await.unwrap();
    assert_eq!((depth.stream, depth.pending), (0, 0));
    queue.add(LANE, "next").await.unwrap();
    assert_eq!(soon(back.next(10, SHORT)).await.unwrap().len(), 1);
}

#[tokio::test]
async fn on_stop_running_work_ends_first_and_nothing_more_is_read() {
    let server = Server::start().await;
    let queue = server.queue("a").await;
    queue.add_many(LANE, &ids(3)).await.unwrap();
    let (started, finish) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let handler = {
        let (started, finish) = (started.clone(), finish.clone());
        move |delivery: Delivery| {
            let (started, finish) = (started.clone(), finish.clone());
            async move {
                started.notify_one();
                finish.notified().await;
                assert!(delivery.ack().await.unwrap());
            }
        }
    };
    let stop = CancellationToken::new();
    let mut lane = tokio::spawn(run_lane(queue.clone(), LANE.to_owned(), 1, handler, stop.clone()));
    soon(started.notified()).await;
    stop.cancel();
    assert!(tokio::time::timeout(SHORT, &mut lane).await.is_err(), "ended before its work");
    finish.notify_one();
    soon(lane).await.unwrap();
    let depth = queue.depth(LANE).await.unwrap();
    assert_eq!((depth.stream, depth.pending, depth.lag), (2, 0, Some(2)));
}
