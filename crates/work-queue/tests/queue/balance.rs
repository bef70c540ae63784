use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Barrier;
use tokio_util::sync::CancellationToken;
use work_queue::{Delivery, run_lane};

use crate::server::{EMPTY, LANE, Server, depth_becomes, soon};

const CROWD: usize = 20;
const EACH: usize = 100;

/// Each consumer holds its first delivery until all of them have one: were one starved, this would not end.
#[tokio::test(flavor = "multi_thread")]
async fn of_20_producers_and_20_consumers_nothing_is_lost_and_nobody_starves() {
    let server = Server::start().await;
    let all_have_one = Arc::new(Barrier::new(CROWD));
    let seen: Arc<Mutex<BTreeMap<String, usize>>> = Arc::default();
    let stop = CancellationToken::new();
    let mut consumers = Vec::new();
    for number in 0..CROWD {
        let queue =
            server.queue_with(&format!("consumer-{number}"), work_queue::QueueOptions::default()).await;
        let (barrier, seen, own) = (all_have_one.clone(), seen.clone(), Arc::new(AtomicUsize::new(0)));
        let handler = move |delivery: Delivery| {
            let (barrier, seen, own) = (barrier.clone(), seen.clone(), own.clone());
            async move {
                if own.fetch_add(1, Ordering::SeqCst) == 0 {
                    barrier.wait().await;
                }
                *seen.lock().unwrap().entry(delivery.id().to_owned()).or_default() += 1;
                // Every tenth has to be tried twice.
                let is_retried = delivery.id().ends_with('7') && delivery.times_delivered() == 1;
                let is_second = seen.lock().unwrap()[delivery.id()] > 1;
                if is_retried && !is_second {
                    assert!(delivery.retry_in(Duration::from_millis(20)).await.unwrap());
                } else {
                    assert!(delivery.ack().await.unwrap());
                }
            }
        };
        consumers.push(tokio::spawn(run_lane(queue, LANE.to_owned(), 1, handler, stop.clone())));
    }
    let mut producers = Vec::new();
    for number in 0..CROWD {
        let queue = server.queue(&format!("producer-{number}")).await;
        producers.push(tokio::spawn(async move {
            for item in 0..EACH {
                queue.add(LANE, &format!("{number}-{item}")).await.unwrap();
            }
        }));
    }
    for producer in producers {
        soon(producer).await.unwrap();
    }
    depth_becomes(&server.queue("observer").await, LANE, |depth| *depth == EMPTY).await;
    stop.cancel();
    for consumer in consumers {
        soon(consumer).await.unwrap();
    }
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), CROWD * EACH);
    for (id, times) in seen.iter() {
        assert_eq!(*times, if id.ends_with('7') { 2 } else { 1 }, "{id}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_than_the_allowed_number_runs_or_is_taken_at_once() {
    let server = Server::start().await;
    let queue = server.queue("a").await;
    queue.add_many(LANE, &crate::server::ids(200)).await.unwrap();
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let handler = {
        let (running, most) = (running.clone(), most.clone());
        move |delivery: Delivery| {
            let (running, most) = (running.clone(), most.clone());
            async move {
                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::task::yield_now().await;
                running.fetch_sub(1, Ordering::SeqCst);
                assert!(delivery.ack().await.unwrap());
            }
        }
    };
    let stop = CancellationToken::new();
    let lane = tokio::spawn(run_lane(queue.clone(), LANE.to_owned(), 5, handler, stop.clone()));
    soon(async {
        loop {
            let depth = queue.depth(LANE).await.unwrap();
            assert!(depth.pending <= 5, "{} were taken", depth.pending);
            if depth == EMPTY {
                return;
            }
        }
    })
    .await;
    stop.cancel();
    soon(lane).await.unwrap();
    assert!(most.load(Ordering::SeqCst) <= 5);
}
