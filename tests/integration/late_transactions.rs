//! What a FHIR server carries out after its client has given up must not contradict what was decided since.

use axum::http::StatusCode;
use domain::{SourceOutcome, TransferId, TransferState};
use fhir::canonical::closed_to;
use fhir_client::Found;
use local_stack::ProvinceService::{self, Inbound, Outbound};
use serde_json::{Value, json};
use test_kit::fhir_proxy::Proxy;
use test_kit::people::put_all;
use test_kit::{Person, World, copy_id, eventually, versions};

/// ON sends to BC; one service of them sees its FHIR server through a proxy that withholds a transaction.
async fn world_with(name: &str, province: &str, service: ProvinceService, text: &str) -> (World, Proxy) {
    let services = [("ON", Outbound), ("BC", Inbound)];
    let world = World::prepared(name, &services).await;
    let proxy = Proxy::start(world.stack().fhir_url(province).unwrap()).await;
    proxy.withhold_next(text);
    for (at, which) in services {
        let base = proxy.base().to_owned();
        let behind = move |config: &mut Value| config["fhir"]["base_url"] = json!(base);
        if (at, which) == (province, service) {
            world.start(at, which, "", &behind, &[]).await;
        } else {
            world.start(at, which, "", &|_| {}, &[]).await;
        }
    }
    (world, proxy)
}

/// Somebody's transfer, as far as the transaction that is withheld.
async fn withheld(world: &World, proxy: &Proxy) -> (Person, TransferId) {
    let person = Person::new().doses(2);
    person.upload(&world.fhir("ON")).await;
    let id = world.outbound("ON").request(&person.id(), "BC").await;
    eventually("a transaction to be withheld", async || proxy.withholds().then_some(())).await;
    (person, id)
}

async fn read(world: &World, province: &str, resource_type: &str, id: &str) -> Value {
    match world.fhir(province).read(resource_type, id).await.unwrap() {
        Found::Present(resource) => resource,
        _ => panic!("{resource_type} is not there"),
    }
}

#[tokio::test]
async fn a_late_closing_does_not_close_a_source_that_was_left_open() {
    let (world, proxy) = world_with("lateclosing", "ON", Outbound, "\"refer\"").await;
    let (person, id) = withheld(&world, &proxy).await;
    let more = person.clone().dose("2021-12-01", "140");
    put_all(&world.fhir("ON"), &more.resources[2..]).await;
    proxy.let_through();
    let view = world.outbound("ON").until(id, TransferState::Completed).await;
    assert_eq!(view.source, Some(SourceOutcome::ChangedSinceSeal));

    assert_eq!(proxy.carry_out_late().await, StatusCode::CONFLICT);

    let source = read(&world, "ON", "Patient", &person.id()).await;
    assert_eq!(closed_to(&source), None);
    assert_ne!(source["active"], json!(false));
}

#[tokio::test]
async fn a_late_closing_that_comes_first_closes_what_has_not_changed() {
    let (world, proxy) = world_with("lateandfirst", "ON", Outbound, "\"refer\"").await;
    let (person, id) = withheld(&world, &proxy).await;

    assert_eq!(proxy.carry_out_late().await, StatusCode::OK);
    proxy.let_through();

    let view = world.outbound("ON").until(id, TransferState::Completed).await;
    assert_eq!(view.source, Some(SourceOutcome::Closed));
    let source = read(&world, "ON", "Patient", &person.id()).await;
    assert_eq!(source["active"], json!(false));
    assert_eq!(versions(&world, "ON", &format!("Patient/{}", person.id())).await, 2, "closed once");
}

#[tokio::test]
async fn a_late_arrival_does_not_take_back_what_was_recorded_since() {
    let (world, proxy) = world_with("latearrival", "BC", Inbound, "\"Provenance/").await;
    let (person, id) = withheld(&world, &proxy).await;
    proxy.let_through();
    world.outbound("ON").until(id, TransferState::Completed).await;
    let dose = copy_id("ON", "Immunization", &person.resource_id(0));
    let mut copy = read(&world, "BC", "Immunization", &dose).await;
    copy["note"] = json!([{"text": "added by a clinic"}]);
    put_all(&world.fhir("BC"), &[copy]).await;

    assert_eq!(proxy.carry_out_late().await, StatusCode::CONFLICT);

    let copy = read(&world, "BC", "Immunization", &dose).await;
    assert_eq!(copy["note"][0]["text"], "added by a clinic");
    assert_eq!(versions(&world, "BC", &format!("Immunization/{dose}")).await, 2);
}
