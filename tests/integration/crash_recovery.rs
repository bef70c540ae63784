//! `kill -9` at every step: what was begun is finished, exactly once and as it was planned.

use chrono::{DateTime, Utc};
use contracts::receipt::ReceiptDocument;
use domain::{SourceOutcome, TransferId, TransferState};
use fhir::canonical::closed_to;
use fhir_client::Found;
use futures::future::join_all;
use local_stack::ProvinceService::{Inbound, Outbound};
use serde_json::{Value, json};
use test_kit::people::put_all;
use test_kit::world::put_by;
use test_kit::{Person, World, assert_arrived_once, copy_id, eventually, package_of, start_held, versions};

/// What BC's ledger and audit trail say of a transfer: when it was planned last, and how often.
async fn planned(world: &World, id: TransferId) -> (Option<DateTime<Utc>>, i64) {
    let database = world.database("BC", Inbound).await;
    sqlx::query_as(
        "SELECT max(at), count(*) FROM audit_event WHERE transfer_id = $1 AND action = 'transfer.planned'",
    )
    .bind(id.uuid())
    .fetch_one(&database)
    .await
    .unwrap()
}

async fn state(world: &World, id: TransferId) -> String {
    let database = world.database("BC", Inbound).await;
    let state = sqlx::query_scalar("SELECT state FROM inbound_transfer WHERE id = $1").bind(id.uuid());
    state.fetch_one(&database).await.unwrap()
}

async fn keys_held(world: &World) -> i64 {
    let database = world.database("BC", Inbound).await;
    sqlx::query_scalar("SELECT count(*) FROM match_lock").fetch_one(&database).await.unwrap()
}

async fn read(world: &World, province: &str, resource_type: &str, id: &str) -> Value {
    match world.fhir(province).read(resource_type, id).await.unwrap() {
        Found::Present(resource) => resource,
        _ => panic!("{resource_type} is not there"),
    }
}

/// A world in which ON sends and BC is held at a place by the transfer of a person.
async fn receiver_held_at(place: &str) -> (World, Person, TransferId) {
    let world = World::prepared("crash", &[("ON", Outbound), ("BC", Inbound)]).await;
    world.start("ON", Outbound, "", &|_| {}, &[]).await;
    let held = start_held(&world, "BC", Inbound, place).await;
    let person = Person::new().doses(3).allergy();
    person.upload(&world.fhir("ON")).await;
    let id = world.outbound("ON").request(&person.id(), "BC").await;
    held.reached().await;
    (world, person, id)
}

async fn receiver_dies_at(place: &str, state_before: &str) {
    let (world, person, id) = receiver_held_at(place).await;
    assert_eq!(state(&world, id).await, state_before, "{place}");
    world.kill("BC", Inbound).await;
    let (plan, _) = planned(&world, id).await;

    world.start("BC", Inbound, "", &|_| {}, &[]).await;
    let view = world.outbound("ON").until(id, TransferState::Completed).await;

    assert_eq!(view.source, Some(SourceOutcome::Closed), "{place}");
    let receipt = view.receipt.unwrap();
    assert_eq!(receipt.counts["Patient"].created, 1, "{place}");
    assert_eq!(receipt.counts["Immunization"].created, 3, "{place}");
    assert_eq!(receipt.counts["AllergyIntolerance"].created, 1, "{place}");
    // It was planned once, before the end of the first process, and that plan is what stands there now.
    assert_eq!(planned(&world, id).await, (plan, 1), "{place}");
    let provenance = inbound_transfer::plan::provenance_id(&"ON".parse().unwrap(), id);
    let recorded = read(&world, "BC", "Provenance", &provenance).await["recorded"].clone();
    let recorded: DateTime<Utc> = recorded.as_str().unwrap().parse().unwrap();
    assert!(recorded <= plan.unwrap(), "{place}: {recorded} is not of the plan of {plan:?}");
    assert_arrived_once(&world, &person, "ON", "BC", id).await;
    assert_eq!(keys_held(&world).await, 0, "{place}");
}

#[tokio::test]
async fn a_receiver_killed_after_planning_carries_out_that_plan() {
    receiver_dies_at("after-plan", "planned").await;
}

#[tokio::test]
async fn a_receiver_killed_after_writing_writes_nothing_twice() {
    receiver_dies_at("after-transaction", "planned").await;
}

#[tokio::test]
async fn a_receiver_killed_before_answering_gives_the_receipt_later() {
    receiver_dies_at("after-commit", "committed").await;
}

/// An update is written with the version it replaces, which its own first attempt has made stale.
async fn receiver_dies_in_an_update_at(place: &str) {
    let world = World::of("update", &["ON", "BC"]).await;
    let (on, outbound) = (world.fhir("ON"), world.outbound("ON"));
    let person = Person::new().doses(2);
    person.upload(&on).await;
    let first = outbound.transfer(&person.id(), "BC").await;
    assert_arrived_once(&world, &person, "ON", "BC", first.id).await;
    world.kill("BC", Inbound).await;
    let mut corrected = person.resources[0].clone();
    corrected["lotNumber"] = json!("A-17");
    put_all(&on, &[corrected]).await;

    let held = start_held(&world, "BC", Inbound, place).await;
    let id = outbound.request(&person.id(), "BC").await;
    held.reached().await;
    world.kill("BC", Inbound).await;
    world.start("BC", Inbound, "", &|_| {}, &[]).await;
    let view = outbound.until(id, TransferState::Completed).await;

    let counts = view.receipt.unwrap().counts;
    assert_eq!((counts["Immunization"].updated, counts["Immunization"].unchanged), (1, 1), "{place}");
    assert_eq!(planned(&world, id).await.1, 1, "{place}");
    let copy = |at| copy_id("ON", "Immunization", &person.resource_id(at));
    assert_eq!(read(&world, "BC", "Immunization", &copy(0)).await["lotNumber"], "A-17");
    assert_eq!(versions(&world, "BC", &format!("Immunization/{}", copy(0))).await, 2, "{place}");
    assert_eq!(versions(&world, "BC", &format!("Immunization/{}", copy(1))).await, 1, "{place}");
    assert_eq!(keys_held(&world).await, 0, "{place}");
}

#[tokio::test]
async fn an_update_whose_receiver_is_killed_before_writing_is_written() {
    receiver_dies_in_an_update_at("after-plan").await;
}

#[tokio::test]
async fn an_update_whose_receiver_is_killed_after_writing_is_not_stale_for_ever() {
    receiver_dies_in_an_update_at("after-transaction").await;
}

#[tokio::test]
async fn a_plan_is_finished_though_the_sender_never_asks_again() {
    let world = World::prepared("alone", &[("ON", Outbound), ("BC", Inbound)]).await;
    let held = start_held(&world, "BC", Inbound, "after-plan").await;
    let (person, id) = (Person::new().doses(2), TransferId::generate());
    let package = package_of(&person, "ON", id).to_string().into_bytes();
    let (client, gateway) = (world.peer_client("ON", "outbound-transfer", "BC"), world.gateway("BC", ""));
    let delivery = {
        let gateway = gateway.clone();
        let client = client.clone();
        tokio::spawn(async move { put_by(&client, &gateway, id, &package).await.status() })
    };
    held.reached().await;
    world.kill("BC", Inbound).await;
    assert!(delivery.await.is_err(), "the only delivery was lost");

    world.start("BC", Inbound, "", &|_| {}, &[]).await;
    eventually("the plan to be finished", async || (state(&world, id).await == "committed").then_some(()))
        .await;

    assert_eq!(planned(&world, id).await.1, 1);
    assert_arrived_once(&world, &person, "ON", "BC", id).await;
    let found = client.get(format!("{gateway}/inbound-transfer/{id}")).send().await.unwrap();
    assert_eq!(found.status(), 200);
    assert!(!found.json::<ReceiptDocument>().await.unwrap().receipt.is_empty());
    assert_eq!(keys_held(&world).await, 0);
}

#[tokio::test]
async fn a_plan_that_no_longer_fits_is_dropped_and_made_again() {
    let world = World::of("outdated", &["ON", "BC"]).await;
    let (on, bc, outbound) = (world.fhir("ON"), world.fhir("BC"), world.outbound("ON"));
    let person = Person::new().doses(1);
    person.upload(&on).await;
    outbound.transfer(&person.id(), "BC").await;
    world.kill("BC", Inbound).await;
    let mut theirs = person.resources[0].clone();
    theirs["lotNumber"] = json!("of-ON");
    put_all(&on, &[theirs]).await;

    // BC corrects its copy between the plan and the restart.
    let held = start_held(&world, "BC", Inbound, "after-plan").await;
    let id = outbound.request(&person.id(), "BC").await;
    held.reached().await;
    world.kill("BC", Inbound).await;
    let copy = copy_id("ON", "Immunization", &person.resource_id(0));
    let mut ours = read(&world, "BC", "Immunization", &copy).await;
    ours["lotNumber"] = json!("of-BC");
    put_all(&bc, &[ours]).await;
    world.start("BC", Inbound, "", &|_| {}, &[]).await;
    let receipt = outbound.until(id, TransferState::Completed).await.receipt.unwrap();

    assert_eq!(receipt.counts["Immunization"].unchanged, 1);
    assert_eq!(receipt.conflicts.len(), 1);
    assert_eq!(receipt.conflicts[0].fields, ["lotNumber"]);
    assert_eq!(planned(&world, id).await.1, 2);
    assert_eq!(read(&world, "BC", "Immunization", &copy).await["lotNumber"], "of-BC");
    assert_eq!(versions(&world, "BC", &format!("Immunization/{copy}")).await, 2);
}

async fn sender_dies_at(place: &str, state_before: TransferState) {
    let world = World::prepared("sender", &[("ON", Outbound), ("BC", Inbound)]).await;
    world.start("BC", Inbound, "", &|_| {}, &[]).await;
    let held = start_held(&world, "ON", Outbound, place).await;
    let outbound = world.outbound("ON");
    let person = Person::new().doses(2);
    person.upload(&world.fhir("ON")).await;
    let id = outbound.request(&person.id(), "BC").await;
    held.reached().await;
    assert_eq!(outbound.find(id).await.state, state_before, "{place}");
    world.kill("ON", Outbound).await;

    world.start("ON", Outbound, "", &|_| {}, &[]).await;
    let view = outbound.until(id, TransferState::Completed).await;

    assert_eq!(view.source, Some(SourceOutcome::Closed), "{place}");
    let receipt = view.receipt.unwrap();
    assert_eq!(receipt.counts["Immunization"].created, 2, "{place}");
    assert_arrived_once(&world, &person, "ON", "BC", id).await;
    let source = read(&world, "ON", "Patient", &person.id()).await;
    assert_eq!(closed_to(&source).unwrap().to_string(), receipt.patient, "{place}");
    assert_eq!(versions(&world, "ON", &format!("Patient/{}", person.id())).await, 2, "{place}: closed once");
    let events: Vec<String> = outbound.events(id).await.events.into_iter().map(|event| event.event).collect();
    assert_eq!(events, ["requested", "sealed", "delivered", "completed"], "{place}");
}

#[tokio::test]
async fn a_sender_killed_at_any_step_completes_after_its_restart() {
    let places = [
        ("before-delivery", TransferState::Sealed),
        ("before-receipt", TransferState::Sealed),
        ("after-receipt", TransferState::Delivered),
        ("after-closing", TransferState::Delivered),
        ("before-completed", TransferState::Delivered),
    ];
    join_all(places.map(|(place, state)| sender_dies_at(place, state))).await;
}
