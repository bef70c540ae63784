//! The source is closed only on proof, and only if it is still what was sent.

use domain::{SourceOutcome, TransferId, TransferState};
use fhir::OriginRecord;
use fhir::canonical::closed_to;
use fhir_client::Found;
use local_stack::ProvinceService::{Inbound, Outbound};
use serde_json::{Value, json};
use test_kit::people::{delete_all, put_all};
use test_kit::{Person, World, copy_id, start_held, url_of, versions};

mod answers;

/// Reads a patient past every search index.
async fn patient(world: &World, province: &str, id: &str) -> Value {
    match world.fhir(province).read("Patient", id).await.unwrap() {
        Found::Present(patient) => patient,
        _ => panic!("the patient is not there"),
    }
}

fn assert_open(patient: &Value, what: &str) {
    assert_ne!(patient["active"], json!(false), "{what}");
    assert_eq!(closed_to(patient), None, "{what}");
}

/// Changes a person's record at its source.
async fn change(world: &World, what: &str, person: &mut Person) {
    let on = world.fhir("ON");
    match what {
        "nothing" => {}
        "a dose is added" => {
            *person = person.clone().dose("2021-12-01", "140");
            put_all(&on, &person.resources[2..]).await;
        }
        "a dose is changed" => {
            person.resources[1]["lotNumber"] = json!("L-1");
            put_all(&on, &person.resources[1..]).await;
        }
        "a dose is marked as an error" => {
            person.resources[1]["status"] = json!("entered-in-error");
            put_all(&on, &person.resources[1..]).await;
        }
        "a dose is deleted" => delete_all(&on, &[url_of(&person.resources[1])]).await,
        "the patient is changed" => {
            person.patient["maritalStatus"] = json!({"text": "mariée"});
            put_all(&on, std::slice::from_ref(&person.patient)).await;
        }
        "the patient is merged into another" => {
            let live = Person::new();
            live.upload(&on).await;
            let other = json!({"reference": format!("Patient/{}", live.id())});
            person.patient["link"] = json!([{"other": other, "type": "replaced-by"}]);
            put_all(&on, std::slice::from_ref(&person.patient)).await;
        }
        _ => panic!("unknown: {what}"),
    }
}

#[tokio::test]
async fn a_source_that_changed_after_sealing_stays_open_until_a_follow_up() {
    let world = World::prepared("changed", &[("ON", Outbound), ("BC", Inbound)]).await;
    world.start("BC", Inbound, "", &|_| {}, &[]).await;
    let held = start_held(&world, "ON", Outbound, "before-delivery").await;
    let outbound = world.outbound("ON");
    let mut cases = Vec::new();
    for what in [
        "nothing",
        "a dose is added",
        "a dose is changed",
        "a dose is marked as an error",
        "a dose is deleted",
        "the patient is changed",
        "the patient is merged into another",
    ] {
        let person = Person::new().doses(2);
        person.upload(&world.fhir("ON")).await;
        let id = outbound.request(&person.id(), "BC").await;
        cases.push((what, person, id));
    }
    for (what, person, id) in &mut cases {
        outbound.until(*id, TransferState::Sealed).await;
        change(&world, what, person).await;
    }
    held.reached().await;
    world.kill("ON", Outbound).await;
    world.start("ON", Outbound, "", &|_| {}, &[]).await;

    for (what, person, id) in &cases {
        let view = outbound.until(*id, TransferState::Completed).await;
        let source = patient(&world, "ON", &person.id()).await;
        assert_eq!(view.receipt.unwrap().counts["Immunization"].created, 2, "{what}: as it was sealed");
        if *what == "nothing" {
            assert_eq!(view.source, Some(SourceOutcome::Closed));
            assert_eq!(source["active"], false);
            continue;
        }
        assert_eq!(view.source, Some(SourceOutcome::ChangedSinceSeal), "{what}");
        assert_open(&source, what);
        let written = if what.starts_with("the patient") { 2 } else { 1 };
        assert_eq!(versions(&world, "ON", &format!("Patient/{}", person.id())).await, written, "{what}");
    }
    // The follow-up that the alarm proposes brings what was added or changed and closes the source.
    for (what, person, _) in &cases[1..4] {
        let follow_up = outbound.transfer(&person.id(), "BC").await;
        assert_eq!(follow_up.source, Some(SourceOutcome::Closed), "{what}");
        let counts = follow_up.receipt.unwrap().counts["Immunization"];
        let expected = if *what == "a dose is added" { (1, 0, 2) } else { (0, 1, 1) };
        assert_eq!((counts.created, counts.updated, counts.unchanged), expected, "{what}");
        assert!(closed_to(&patient(&world, "ON", &person.id()).await).is_some(), "{what}");
    }
}

/// ON's service dies at a place after BC's receipt; BC sends the person home; ON's service starts again.
async fn comes_home_while_held_at(place: &str, was_closed: bool) {
    let services = [("ON", Outbound), ("ON", Inbound), ("BC", Outbound), ("BC", Inbound)];
    let world = World::prepared("returned", &services).await;
    for (province, service) in &services[1..] {
        world.start(province, *service, "", &|_| {}, &[]).await;
    }
    let held = start_held(&world, "ON", Outbound, place).await;
    let person = Person::new().doses(2);
    person.upload(&world.fhir("ON")).await;
    let id: TransferId = world.outbound("ON").request(&person.id(), "BC").await;
    held.reached().await;
    assert_eq!(world.outbound("ON").find(id).await.state, TransferState::Delivered);
    assert_eq!(closed_to(&patient(&world, "ON", &person.id()).await).is_some(), was_closed, "{place}");
    world.kill("ON", Outbound).await;

    let there = copy_id("ON", "Patient", &person.id());
    let home = world.outbound("BC").transfer(&there, "ON").await;
    assert_eq!(home.source, Some(SourceOutcome::Closed));
    world.start("ON", Outbound, "", &|_| {}, &[]).await;
    let late = world.outbound("ON").until(id, TransferState::Completed).await;

    assert_eq!(late.source, Some(SourceOutcome::Returned), "{place}");
    assert_open(&patient(&world, "ON", &person.id()).await, place);
    let copy = patient(&world, "BC", &there).await;
    assert_eq!(closed_to(&copy).unwrap().to_string(), format!("ON/Patient/{}", person.id()));
}

#[tokio::test]
async fn a_late_receipt_closes_nobody_who_has_come_home() {
    comes_home_while_held_at("after-receipt", false).await;
}

#[tokio::test]
async fn whoever_comes_home_while_being_closed_is_open_in_the_end() {
    comes_home_while_held_at("after-closing", true).await;
}

/// What a clinic has done by hand to `active` or to the mark of an earlier transfer does not keep a record open, nor
/// closed to somewhere else.
#[tokio::test]
async fn a_patient_that_was_marked_by_hand_is_closed_to_where_it_goes() {
    let world = World::shared().await;
    let (on, outbound) = (world.fhir("ON"), world.outbound("ON"));
    let mut inactive = Person::new().doses(1);
    inactive.patient["active"] = json!(false);
    let mut reopened = Person::new().doses(1);
    fhir::canonical::close(&mut reopened.patient, &OriginRecord::parse("QC/Patient/before").unwrap());
    reopened.patient["active"] = json!(true);
    for person in [inactive, reopened] {
        person.upload(&on).await;
        let view = outbound.transfer(&person.id(), "BC").await;
        assert_eq!(view.source, Some(SourceOutcome::Closed));
        let source = patient(world, "ON", &person.id()).await;
        assert_eq!(closed_to(&source).unwrap().to_string(), view.receipt.unwrap().patient);
        assert_eq!(source["link"].as_array().unwrap().len(), 1, "{source}");
    }
}

#[tokio::test]
async fn a_province_may_keep_its_sources_open() {
    let world = World::prepared("keep", &[("ON", Outbound), ("BC", Inbound)]).await;
    let keep = |config: &mut Value| config["transfers"]["close_source"] = json!("keep");
    world.start("ON", Outbound, "", &keep, &[]).await;
    world.start("BC", Inbound, "", &|_| {}, &[]).await;
    let person = Person::new().doses(1);
    person.upload(&world.fhir("ON")).await;

    let view = world.outbound("ON").transfer(&person.id(), "BC").await;

    assert_eq!(view.source, Some(SourceOutcome::Kept));
    assert_eq!(view.receipt.unwrap().counts["Immunization"].created, 1);
    assert_open(&patient(&world, "ON", &person.id()).await, "kept");
    assert_eq!(versions(&world, "ON", &format!("Patient/{}", person.id())).await, 1);
}

#[tokio::test]
async fn both_ends_keep_an_audit_event_of_the_disclosure_however_it_ends() {
    let world = World::prepared("disclosed", &[("ON", Outbound), ("BC", Inbound)]).await;
    world.start("BC", Inbound, "", &|_| {}, &[]).await;
    let held = start_held(&world, "ON", Outbound, "before-delivery").await;
    let (outbound, mut sent) = (world.outbound("ON"), Vec::new());
    for what in ["nothing", "a dose is added", "the patient is deleted"] {
        let person = Person::new().doses(1);
        person.upload(&world.fhir("ON")).await;
        sent.push((what, outbound.request(&person.id(), "BC").await, person));
    }
    held.reached().await;
    for (_, id, _) in &sent {
        outbound.until(*id, TransferState::Sealed).await;
    }
    let (_, _, added) = &mut sent[1];
    change(&world, "a dose is added", added).await;
    let gone = &sent[2].2;
    delete_all(&world.fhir("ON"), &[url_of(&gone.resources[0]), url_of(&gone.patient)]).await;
    world.kill("ON", Outbound).await;
    world.start("ON", Outbound, "", &|_| {}, &[]).await;

    for (what, id, person) in sent {
        outbound.until(id, TransferState::Completed).await;
        let events = async |province: &str, code: &str| {
            let found = world.fhir(province).search("AuditEvent", &[("type", code)]).await.unwrap();
            let of_transfer =
                |event: &&Value| event["entity"][2]["what"]["identifier"]["value"] == json!(id.to_string());
            found.iter().filter(of_transfer).cloned().collect::<Vec<_>>()
        };
        let (export, import) = (events("ON", "110106").await, events("BC", "110107").await);
        assert_eq!((export.len(), import.len()), (1, 1), "{what}");
        let named = &export[0]["entity"][0]["what"];
        let is_named = named["reference"] == json!(format!("Patient/{}", person.id()))
            || named["identifier"]["value"] == json!(format!("ON/Patient/{}", person.id()));
        assert!(is_named, "{what}: {named}");
        assert_eq!(export[0]["agent"], import[0]["agent"], "{what}");
    }
}
