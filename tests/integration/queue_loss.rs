//! PostgreSQL is the truth: a queue that forgets everything loses nothing.

use std::collections::BTreeSet;

use domain::{TransferId, TransferState};
use futures::{StreamExt, stream};
use local_stack::ProvinceService::{Inbound, Outbound};
use serde_json::{Value, json};
use test_kit::people::put_all;
use test_kit::{Person, World, copy_id, eventually, start_held};

const PEOPLE: usize = 1000;

/// People of one family: tiny, and easy to count.
fn family(name: &str) -> Vec<Person> {
    let member = |_| {
        let mut person = Person::new();
        person.patient["name"][0]["family"] = json!(name);
        person
    };
    (0..PEOPLE).map(member).collect()
}

/// The keys of a world's queue in Redis.
async fn keys(world: &World) -> Vec<String> {
    let redis = world.stack().redis();
    let pattern = format!("{{on:tx:{}:*", world.name());
    let answer = redis.admin(&format!("SCAN 0 MATCH {pattern} COUNT 1000000")).await.unwrap();
    answer.lines().filter(|line| line.starts_with('{')).map(str::to_owned).collect()
}

async fn count(world: &World, states: &[&str]) -> usize {
    let database = world.database("ON", Outbound).await;
    let query = sqlx::query_scalar("SELECT count(*) FROM transfer WHERE state = ANY($1)").bind(states);
    let count: i64 = query.fetch_one(&database).await.unwrap();
    usize::try_from(count).unwrap()
}

#[tokio::test]
async fn a_thousand_waiting_transfers_survive_the_loss_of_the_whole_queue() {
    let world = World::prepared("queueloss", &[("ON", Outbound), ("BC", Inbound)]).await;
    let change = |config: &mut Value| {
        config["transfers"]["first_retry_milliseconds"] = json!(50);
        config["transfers"]["concurrency"] = json!(16);
        config["transfers"]["close_source"] = json!("keep");
    };
    world.start("ON", Outbound, "", &change, &[]).await;
    let name = format!("Perte-{}", world.name());
    let people = family(&name);
    let patients: Vec<Value> = people.iter().map(|person| person.patient.clone()).collect();
    for some in patients.chunks(200) {
        put_all(&world.fhir("ON"), some).await;
    }
    let outbound = world.outbound("ON");
    let requested: BTreeSet<TransferId> = stream::iter(&people)
        .map(|person| {
            let id = person.id();
            let outbound = outbound.clone();
            async move { outbound.request(&id, "BC").await }
        })
        .buffer_unordered(8)
        .collect()
        .await;
    assert_eq!(requested.len(), PEOPLE);
    assert_eq!(count(&world, &["requested", "sealed"]).await, PEOPLE, "all are waiting");

    // The queue loses everything, its groups and what waits for a retry too.
    let lost = keys(&world).await;
    assert!(!lost.is_empty());
    world.stack().redis().admin(&format!("DEL {}", lost.join(" "))).await.unwrap();
    world.start("BC", Inbound, "", &|_| {}, &[]).await;

    for hundreds in 1..=PEOPLE / 100 {
        eventually(&format!("{hundreds} hundred transfers to complete"), async || {
            (count(&world, &["completed"]).await >= hundreds * 100).then_some(())
        })
        .await;
    }
    let database = world.database("BC", Inbound).await;
    let arrived: Vec<(String, i64)> = sqlx::query_as(
        "SELECT receipt->>'patient', (receipt->'counts'->'Patient'->>'created')::bigint
        FROM inbound_transfer WHERE state = 'committed'",
    )
    .fetch_all(&database)
    .await
    .unwrap();
    assert_eq!(arrived.len(), PEOPLE);
    assert!(arrived.iter().all(|(_, created)| *created == 1));
    let arrived: BTreeSet<String> = arrived.into_iter().map(|(patient, _)| patient).collect();
    let sent: BTreeSet<String> = people
        .iter()
        .map(|person| format!("BC/Patient/{}", copy_id("ON", "Patient", &person.id())))
        .collect();
    assert_eq!(arrived, sent);
    let found = world.fhir("BC").count("Patient", &[("family:exact", &name)]).await.unwrap();
    assert_eq!(found, PEOPLE as u64);
}

#[tokio::test]
async fn one_lost_id_comes_back_though_its_lane_is_busy() {
    let world = World::prepared("onelost", &[("ON", Outbound), ("BC", Inbound)]).await;
    let held = start_held(&world, "ON", Outbound, "before-delivery").await;
    let (busy, lost) = (Person::new(), Person::new());
    put_all(&world.fhir("ON"), &[busy.patient.clone(), lost.patient.clone()]).await;
    let outbound = world.outbound("ON");
    let first = outbound.request(&busy.id(), "BC").await; // its entry stays on the lane
    held.reached().await;

    // A transfer as it is when the queue has forgotten the one entry that was written last.
    let second = TransferId::generate();
    sqlx::query(
        "INSERT INTO transfer (id, patient_id, transfer_to, approval_ref, requested_by, requested_at, updated_at,
            horizon_ends_at, state, next_attempt_at, enqueued_at)
        SELECT $1, $2, transfer_to, approval_ref, requested_by, requested_at, updated_at, horizon_ends_at,
            'requested', requested_at, requested_at
        FROM transfer WHERE id = $3",
    )
    .bind(second.uuid())
    .bind(lost.id())
    .bind(first.uuid())
    .execute(&world.database("ON", Outbound).await)
    .await
    .unwrap();

    outbound.until(second, TransferState::Sealed).await;
}
