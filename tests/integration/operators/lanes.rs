//! A peer that is away or paused: its lane holds everything back, and nothing is lost or counted meanwhile.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use mtls::Credentials;
use test_kit::gateway::{Asked, plain, signed};

use super::*;

/// Answers 503 until it is let.
fn away_until(is_back: &Arc<AtomicBool>, bc: &Credentials) -> Answer {
    let (is_back, bc) = (is_back.clone(), bc.clone());
    Box::new(
        move |asked: &Asked| {
            if is_back.load(Ordering::Relaxed) { signed(&asked.receipt, &bc) } else { plain(503, "") }
        },
    )
}

#[tokio::test]
async fn a_peer_that_is_away_costs_neither_attempts_nor_horizon() {
    let (world, gateway) = Gateway::in_a_world("away").await;
    let (api, bc) = (world.outbound("ON"), world.credentials("BC", "inbound-transfer"));
    let is_back = Arc::new(AtomicBool::new(false));
    let mut ids = Vec::new();
    for _ in 0..12 {
        ids.push(gateway.sent(&world, away_until(&is_back, &bc)).await.1);
    }
    let parked = until_lane(&api, "BC", LaneState::Parked).await;
    assert!(parked.failures >= 5 && parked.next_probe_at.is_some(), "{parked:?}");
    assert_eq!(parked.last_problem.unwrap().code, "peer-fault");
    for &id in &ids {
        until_parked(&api, id).await;
    }
    let before: Vec<_> = futures::future::join_all(ids.iter().map(|&id| api.find(id))).await;
    // Two probes at least find the peer away.
    let failures = peer(&api, "BC").await.failures;
    eventually("two probes", async || (peer(&api, "BC").await.failures >= failures + 2).then_some(())).await;
    for (&id, before) in ids.iter().zip(&before) {
        let now = api.find(id).await;
        assert_eq!(now.attempts, before.attempts, "a probe has cost an attempt");
        assert_eq!(now.horizon_ends_at, before.horizon_ends_at);
        assert_eq!(now.parked_since, before.parked_since);
    }
    let status = peer(&api, "BC").await;
    assert_eq!((status.parked, status.transfers["sealed"]), (12, 12));
    eventually("the gauges to show it", async || {
        let metrics = world.metrics("ON", Outbound).await;
        let shows = |line: &str| metrics.lines().any(|found| found == line);
        let lines = [r#"peer_lane{peer="BC",lane="parked"} 1"#, r#"transfers_parked{peer="BC"} 12"#];
        lines.into_iter().all(shows).then_some(())
    })
    .await;

    is_back.store(true, Ordering::Relaxed);
    let before: std::collections::BTreeMap<_, _> = ids.iter().copied().zip(before).collect();
    for &id in &ids {
        let view = api.until(id, TransferState::Completed).await;
        assert_eq!(view.parked_since, None);
        let was = &before[&id];
        // The one that found the peer back went straight on.
        if events(&api, id, "unparked").await > 0 {
            assert!(view.horizon_ends_at > was.horizon_ends_at, "parked time is added to the horizon");
        }
        assert_eq!(events(&api, id, "parked").await, 1);
    }
    assert_eq!(until_lane(&api, "BC", LaneState::Open).await.failures, 0);
    assert_eq!(gateway.stop().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_paused_lane_sends_nothing_and_what_waits_can_still_be_cancelled() {
    let (world, gateway) = Gateway::in_a_world("paused").await;
    let (api, bc) = (world.outbound("ON"), world.credentials("BC", "inbound-transfer"));
    let good = || -> Answer {
        let bc = bc.clone();
        Box::new(move |asked: &Asked| signed(&asked.receipt, &bc))
    };
    let answer = operate(&api, "/peers/BC/pause").await;
    assert_eq!(answer.status(), 200);
    let paused: PeerView = answer.json().await.unwrap();
    assert_eq!(paused.lane, LaneState::Paused);
    let pause = paused.pause.unwrap();
    assert_eq!((pause.by.as_str(), pause.reason.as_str()), ("test", "a test"));
    // A second replica sees the same pause.
    world.start("ON", Outbound, "-2", &|_| {}, &[]).await;

    let (kept, cancelled) = (gateway.sent(&world, good()).await.1, gateway.sent(&world, good()).await.1);
    for id in [kept, cancelled] {
        let view = until_parked(&api, id).await;
        assert_eq!((view.first_attempt_at, view.attempts), (None, 0));
    }
    let view = done(&api, cancelled, "cancel").await;
    assert_eq!((view.state, view.parked_since), (TransferState::Cancelled, None));
    assert_eq!(done(&api, cancelled, "cancel").await.state, TransferState::Cancelled, "again is the same");
    let told = api.events(cancelled).await.events.pop().unwrap();
    assert_eq!(
        (told.event.as_str(), told.actor.as_deref(), told.reason.as_deref()),
        ("cancelled", Some("test"), Some("a test"))
    );
    assert_eq!(refused(&api, cancelled, "retry").await, (409, "transfer-not-retryable".to_owned()));
    // A retry does not get past a pause.
    done(&api, kept, "retry").await;
    assert_eq!(peer(&api, "BC").await.lane, LaneState::Paused);

    assert_eq!(operate(&api, "/peers/BC/resume").await.status(), 200);
    let view = api.until(kept, TransferState::Completed).await;
    assert!(view.first_attempt_at.is_some());
    assert_eq!(refused(&api, kept, "cancel").await, (409, "transfer-not-cancellable".to_owned()));
    assert_eq!(api.find(cancelled).await.state, TransferState::Cancelled);

    let pool = world.database("ON", Outbound).await;
    let rows: Vec<(String, String, serde_json::Value)> =
        sqlx::query_as("SELECT action, actor, detail FROM audit_event WHERE detail ? 'reason' ORDER BY id")
            .fetch_all(&pool)
            .await
            .unwrap();
    let actions: Vec<_> = rows.iter().map(|(action, _, _)| action.as_str()).collect();
    assert_eq!(actions, ["peer.paused", "transfer.cancelled", "transfer.retried", "peer.resumed"]);
    assert!(rows.iter().all(|(_, actor, detail)| actor == "test" && detail["reason"] == "a test"));
    pool.close().await;
    gateway.stop().await;
}

#[tokio::test]
async fn lost_trust_parks_a_lane_at_once_and_rejects_nothing() {
    let (world, gateway) = Gateway::in_a_world("distrust").await;
    let (api, bc) = (world.outbound("ON"), world.credentials("BC", "inbound-transfer"));
    let is_back = Arc::new(AtomicBool::new(false));
    let statuses = [401, 403];
    let mut ids = Vec::new();
    for status in statuses {
        let (is_back, bc) = (is_back.clone(), bc.clone());
        let answer: Answer = Box::new(move |asked| {
            if is_back.load(Ordering::Relaxed) { signed(&asked.receipt, &bc) } else { plain(status, "") }
        });
        ids.push(gateway.sent(&world, answer).await.1);
    }
    for &id in &ids {
        let view = until_parked(&api, id).await;
        assert_eq!(view.state, TransferState::Sealed);
    }
    let parked = until_lane(&api, "BC", LaneState::Parked).await;
    assert_eq!(parked.last_problem.unwrap().code, "peer-untrusted");
    let alarmed = world.log("ON", Outbound).lines().any(|line| {
        line.contains("\"ERROR\"") && line.contains("a peer's lane was parked; somebody must act")
    });
    assert!(alarmed, "an operator is not told");
    is_back.store(true, Ordering::Relaxed);
    for &id in &ids {
        api.until(id, TransferState::Completed).await;
    }
    let distinct: BTreeSet<_> = ids.iter().collect();
    assert_eq!(distinct.len(), 2);
    gateway.stop().await;
}

#[tokio::test]
async fn one_poisonous_transfer_does_not_keep_a_lane_parked() {
    let (world, gateway) = Gateway::in_a_world("poison").await;
    let (api, bc) = (world.outbound("ON"), world.credentials("BC", "inbound-transfer"));
    let is_back = Arc::new(AtomicBool::new(false));
    let mut poisonous = Vec::new();
    for _ in 0..5 {
        poisonous.push(gateway.sent(&world, |_: &Asked| plain(500, "<html>")).await.1);
    }
    until_lane(&api, "BC", LaneState::Parked).await;
    let mut good = Vec::new();
    for _ in 0..5 {
        good.push(gateway.sent(&world, away_until(&is_back, &bc)).await.1);
    }
    is_back.store(true, Ordering::Relaxed);
    for id in good {
        api.until(id, TransferState::Completed).await;
    }
    for id in poisonous {
        assert_eq!(api.find(id).await.state, TransferState::Sealed);
    }
    gateway.stop().await;
}
