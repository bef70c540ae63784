//! The real FHIR server behind a line that breaks in the middle of pages, for a while altogether.

use local_stack::ProvinceService::Aggregator;
use serde_json::{Value, json};
use test_kit::fhir_proxy::{Fault, Proxy};
use test_kit::people::{delete_all, put_all};
use test_kit::wire::Wire;
use test_kit::{Person, World, eventually};

use super::storm::{equal_a_fresh_rebuild, of, quick};

#[tokio::test]
async fn after_broken_pages_and_an_outage_the_facts_equal_a_fresh_rebuild() {
    let people: Vec<Person> = (0..40).map(|_| Person::new().doses(5)).collect();
    let ids: Vec<String> = people.iter().map(Person::id).collect();
    let prepared = World::prepared("breaks", &[("ON", Aggregator)]).await;
    let fhir = prepared.fhir("ON");
    let real = prepared.stack().fhir_url("ON").unwrap();
    for person in &people[..20] {
        person.upload(&fhir).await;
    }

    // The first load: four pages end in the middle, in both types.
    let proxy = Proxy::start(real).await;
    for resource_type in ["Patient", "Immunization", "Immunization", "Patient"] {
        proxy.break_next(resource_type, Fault::HalfAnAnswer);
    }
    let wire = Wire::to(proxy.base()).await;
    let behind = wire.through(proxy.base());
    let follow = |config: &mut Value| {
        config["fhir"]["base_url"] = json!(behind);
        quick(config);
    };
    prepared.start("ON", Aggregator, "", &follow, &[]).await;
    let facts = prepared.database("ON", Aggregator).await;
    eventually("the first load", async || (of(&facts, &ids).await.len() == 100).then_some(())).await;
    eventually("every fault to be met", async || (proxy.still_to_break() == 0).then_some(())).await;

    // An outage, during which people write to the server.
    wire.cut();
    for (n, person) in people.iter().enumerate().skip(10) {
        person.upload(&fhir).await;
        if n % 3 == 0 {
            delete_all(&fhir, &[format!("Immunization/{}", person.resource_id(0))]).await;
        }
        if n % 4 == 0 {
            let mut changed = person.resources[1].clone();
            changed["status"] = json!("entered-in-error");
            put_all(&fhir, &[changed]).await;
        }
        if n % 5 == 0 {
            let mut patient = person.patient.clone();
            patient["birthDate"] = json!("2001-01-01");
            put_all(&fhir, &[patient]).await;
        }
    }
    wire.mend();
    proxy.break_next("Immunization", Fault::HalfAnAnswer);

    // 200 doses, of 30 people who were written again ten deleted.
    equal_a_fresh_rebuild(&facts, "ON", &ids, 190).await;
    assert!(prepared.log("ON", Aggregator).contains("could not be followed"), "the line was broken");
}

/// Alone, after all others: they use the same server.
#[tokio::test]
#[ignore = "kills a FHIR server that other tests use"]
async fn after_the_fhir_server_was_killed_in_mid_page_the_facts_equal_a_fresh_rebuild() {
    let people: Vec<Person> = (0..30).map(|_| Person::new().doses(5)).collect();
    let ids: Vec<String> = people.iter().map(Person::id).collect();
    let world = World::prepared("killed", &[("QC", Aggregator)]).await;
    let fhir = world.fhir("QC");
    for person in &people[..20] {
        person.upload(&fhir).await;
    }
    let proxy = Proxy::start(world.stack().fhir_url("QC").unwrap()).await;
    proxy.break_next("Immunization", Fault::HalfAnAnswerHeld);
    let behind = |config: &mut Value| {
        config["fhir"]["base_url"] = json!(proxy.base());
        quick(config);
    };
    world.start("QC", Aggregator, "", &behind, &[]).await;
    eventually("a page to be on its way", async || proxy.holds_half().then_some(())).await;
    world.stack().kill_hapi("QC").await.unwrap();
    assert!(!world.log("QC", Aggregator).contains("could not be followed"), "it was killed in mid-page");
    proxy.let_go();
    eventually("the server to be missed", async || {
        world.log("QC", Aggregator).contains("could not be followed").then_some(())
    })
    .await;

    world.stack().start_hapi("QC").await.unwrap();
    for person in &people[10..] {
        person.upload(&fhir).await;
        delete_all(&fhir, &[format!("Immunization/{}", person.resource_id(0))]).await;
    }

    let facts = world.database("QC", Aggregator).await;
    equal_a_fresh_rebuild(&facts, "QC", &ids, 130).await;
}
