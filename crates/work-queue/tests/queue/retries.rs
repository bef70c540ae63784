use std::time::Duration;

use crate::server::{DELAYED, EMPTY, LANE, Server, depth_becomes, ids_of, soon};

const SHORT: Duration = Duration::from_millis(50);

#[tokio::test]
async fn a_delayed_id_returns_when_it_is_due_and_not_before() {
    let server = Server::start().await;
    let queue = server.queue("a").await;
    for id in ["soon", "later"] {
        queue.add(LANE, id).await.unwrap();
    }
    let mut consumer = queue.consumer(LANE).unwrap();
    for delivery in soon(consumer.next(2, SHORT)).await.unwrap() {
        let delay = if delivery.id() == "soon" { Duration::from_millis(1) } else { Duration::from_hours(1) };
        assert!(delivery.retry_in(delay).await.unwrap());
    }
    let mut moved = 0;
    soon(async {
        while moved == 0 {
            moved = queue.promote_due(LANE, 10).await.unwrap();
        }
    })
    .await;
    assert_eq!(moved, 1);
    assert_eq!(ids_of(&soon(consumer.next(10, SHORT)).await.unwrap()), ["soon"]);
    assert_eq!(queue.promote_due(LANE, 10).await.unwrap(), 0);
    assert_eq!(queue.depth(LANE).await.unwrap().delayed, 1);
}

#[tokio::test]
async fn the_due_time_is_the_servers_time_plus_the_delay() {
    let server = Server::start().await;
    let queue = server.queue("a").await;
    queue.add(LANE, "id").await.unwrap();
    let mut consumer = queue.consumer(LANE).unwrap();
    let delivery = soon(consumer.next(1, SHORT)).await.unwrap().pop().unwrap();
    let mut admin = server.admin().await;
    let now = async |admin: &mut redis::aio::MultiplexedConnection| {
        let (seconds, micros): (u64, u64) = redis::cmd("TIME").query_async(admin).await.unwrap();
        seconds * 1000 + micros / 1000
    };
    let before = now(&mut admin).await;
    assert!(delivery.retry_in(Duration::from_hours(24)).await.unwrap());
    let after = now(&mut admin).await;
    let due: f64 = redis::cmd("ZSCORE").arg(DELAYED).arg("id").query_async(&mut admin).await.unwrap();
    let day = 24 * 3600 * 1000;
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of this century are below 2^52")]
    let expected = (before + day) as f64..=(after + day) as f64;
    assert!(expected.contains(&due), "{due} is not in {expected:?}");
}

#[tokio::test]
async fn an_entry_that_another_consumer_took_is_lost_to_the_first() {
    let server = Server::start().await;
    let (slow, quick) = (server.queue("slow").await, server.queue("quick").await);
    slow.add_many(LANE, &["acked", "retried"]).await.unwrap();
    let mut consumer = slow.consumer(LANE).unwrap();
    let [acked, retried] = soon(consumer.next(2, SHORT)).await.unwrap().try_into().unwrap();

    let mut other = quick.consumer(LANE).unwrap();
    let mut taken = Vec::new();
    soon(async {
        while taken.len() < 2 {
            taken.extend(other.reclaim(10).await.unwrap());
        }
    })
    .await;
    assert!(!acked.ack().await.unwrap(), "acknowledged what another consumer has");
    assert!(!retried.retry_in(Duration::ZERO).await.unwrap(), "delayed what another consumer has");
    let depth = quick.depth(LANE).await.unwrap();
    assert_eq!((depth.pending, depth.delayed), (2, 0));
    for delivery in taken {
        assert_eq!(delivery.times_delivered(), 2);
        assert!(delivery.ack().await.unwrap());
    }
    assert_eq!(quick.depth(LANE).await.unwrap(), EMPTY);
}

#[tokio::test]
async fn fifty_thousand_due_ids_are_moved_in_steps_and_once_by_two_promoters() {
    const COUNT: usize = 50_000;
    let server = Server::start().await;
    let (one, two) = (server.queue("one").await, server.queue("two").await);
    let mut admin = server.admin().await;
    let mut add = redis::pipe();
    for number in 0..COUNT {
        add.cmd("ZADD").arg(DELAYED).arg(1).arg(format!("id-{number}")).ignore();
    }
    add.query_async::<()>(&mut admin).await.unwrap();
    assert_eq!(one.promote_due(LANE, 100).await.unwrap(), 100, "the limit holds");
    let all = async |queue: &work_queue::Queue| {
        let mut total = 0;
        loop {
            match queue.promote_due(LANE, 500).await.unwrap() {
                0 => return total,
                moved => total += moved,
            }
        }
    };
    let (by_one, by_two) = soon(async { tokio::join!(all(&one), all(&two)) }).await;
    assert_eq!(100 + by_one + by_two, COUNT);
    let depth = depth_becomes(&one, LANE, |depth| depth.delayed == 0).await;
    assert_eq!(depth.stream, COUNT as u64);
}

#[tokio::test]
async fn scripts_that_the_server_has_forgotten_are_sent_again() {
    let server = Server::start().await;
    let queue = server.queue("a").await;
    queue.promote_due(LANE, 1).await.unwrap();
    redis::cmd("SCRIPT").arg("FLUSH").query_async::<()>(&mut server.admin().await).await.unwrap();
    queue.promote_due(LANE, 1).await.unwrap();
}
