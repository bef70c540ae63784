//! The straight way: a record arrives whole, the source is closed, and who comes home is recognised.

use domain::{SourceOutcome, TransferState};
use fhir::OriginRecord;
use fhir::canonical::closed_to;
use test_kit::{Person, World};

#[tokio::test]
async fn a_record_arrives_whole_and_its_source_is_closed() {
    let world = World::shared().await;
    let person = Person::new().doses(3).allergy();
    person.upload(&world.fhir("ON")).await;

    let transfer = world.outbound("ON").transfer(&person.id(), "BC").await;

    assert_eq!(transfer.source, Some(SourceOutcome::Closed));
    let receipt = transfer.receipt.unwrap();
    assert_eq!(receipt.counts["Immunization"].created, 3);
    assert_eq!(receipt.counts["AllergyIntolerance"].created, 1);
    let destination = OriginRecord::parse(&receipt.patient).unwrap();
    let there = world.fhir("BC").search("Immunization", &[("patient", &destination.id)]).await.unwrap();
    assert_eq!(there.len(), 3);
    let source = world.fhir("ON").search("Patient", &[("_id", &person.id())]).await.unwrap().remove(0);
    assert_eq!(closed_to(&source), Some(destination));
    let events: Vec<String> =
        world.outbound("ON").events(transfer.id).await.events.into_iter().map(|e| e.event).collect();
    assert_eq!(events, ["requested", "sealed", "delivered", "completed"]);
}

#[tokio::test]
async fn whoever_comes_home_is_recognised_and_nothing_is_doubled() {
    let world = World::shared().await;
    let (on, bc) = (world.fhir("ON"), world.fhir("BC"));
    let person = Person::new().doses(2);
    person.upload(&on).await;
    let there = world.outbound("ON").transfer(&person.id(), "BC").await.receipt.unwrap().patient;
    let there = OriginRecord::parse(&there).unwrap().id;

    let home = world.outbound("BC").transfer(&there, "ON").await;

    let receipt = home.receipt.unwrap();
    assert_eq!(receipt.patient, format!("ON/Patient/{}", person.id()));
    assert!(receipt.counts.values().all(|counts| counts.created == 0), "{:?}", receipt.counts);
    assert_eq!(receipt.conflicts, []);
    assert_eq!(on.count("Immunization", &[("patient", &person.id())]).await.unwrap(), 2);
    let patient = on.search("Patient", &[("_id", &person.id())]).await.unwrap().remove(0);
    assert_eq!(patient["active"], true);
    assert_eq!(closed_to(&patient), None);
    // And the copy that was left behind in BC is closed in its turn.
    assert_eq!(home.source, Some(SourceOutcome::Closed));
    let copy = bc.search("Patient", &[("_id", &there)]).await.unwrap().remove(0);
    assert_eq!(closed_to(&copy).unwrap().to_string(), format!("ON/Patient/{}", person.id()));
    assert_eq!(home.state, TransferState::Completed);
}
