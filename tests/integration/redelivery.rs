//! The same package any number of times: one patient, one copy of each record, one receipt.

use std::time::SystemTime;

use contracts::receipt::ReceiptDocument;
use contracts::{ContentDigest, Problem, Receipt};
use domain::{SourceOutcome, TransferId, TransferState};
use futures::future::join_all;
use local_stack::ProvinceService::{Inbound, Outbound};
use local_stack::spiffe_id;
use mtls::SpiffeId;
use reqwest::Response;
use serde_json::{Value, json};
use test_kit::world::put_by;
use test_kit::{Person, World, assert_arrived_once, copy_id, package_of, start_held, versions};

/// Reads the verified payload of an answer that carries a receipt of BC for ON.
async fn receipt(world: &World, answer: Response) -> Receipt {
    let document: ReceiptDocument = answer.error_for_status().unwrap().json().await.unwrap();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let signer = SpiffeId::parse(&spiffe_id("BC", "inbound-transfer").unwrap()).unwrap();
    let credentials = world.credentials("ON", "outbound-transfer");
    auth::verify_receipt(&document.receipt, &credentials, &signer, now).expect("a good receipt")
}

async fn get(world: &World, id: TransferId) -> Response {
    let client = world.peer_client("ON", "outbound-transfer", "BC");
    client.get(format!("{}/inbound-transfer/{id}", world.gateway("BC", ""))).send().await.unwrap()
}

fn package(person: &Person, id: TransferId) -> Vec<u8> {
    package_of(person, "ON", id).to_string().into_bytes()
}

#[tokio::test]
async fn fifty_deliveries_at_once_to_two_replicas_leave_one_copy_and_one_receipt() {
    let world = World::prepared("fifty", &[("ON", Outbound), ("BC", Inbound)]).await;
    world.start("BC", Inbound, "", &|_| {}, &[]).await;
    world.start("BC", Inbound, "-2", &|_| {}, &[]).await;
    let (person, id) = (Person::new().doses(3).allergy(), TransferId::generate());
    let package = package(&person, id);
    let client = world.peer_client("ON", "outbound-transfer", "BC");
    let gateways = [world.gateway("BC", ""), world.gateway("BC", "-2")];
    assert_ne!(gateways[0], gateways[1]);

    let deliveries = (0..50).map(|n| put_by(&client, &gateways[n % 2], id, &package));
    let answers = join_all(deliveries).await;

    let (mut created, mut receipts) = (0, Vec::new());
    for answer in answers {
        match answer.status().as_u16() {
            status @ (200 | 201) => {
                created += usize::from(status == 201);
                receipts.push(receipt(&world, answer).await);
            }
            202 => assert_eq!(answer.headers()["retry-after"], "1"),
            503 => assert_eq!(answer.json::<Problem>().await.unwrap().code, "busy"),
            other => panic!("{other}: {}", answer.text().await.unwrap()),
        }
    }
    assert_eq!(created, 1, "one delivery of the fifty has committed");
    for gateway in &gateways {
        let again = put_by(&client, gateway, id, &package).await;
        assert_eq!(again.status(), 200);
        receipts.push(receipt(&world, again).await);
    }
    let found = get(&world, id).await;
    assert_eq!(found.status(), 200);
    receipts.push(receipt(&world, found).await);
    receipts.dedup();
    assert_eq!(receipts.len(), 1, "every receipt says the same");
    assert_eq!(receipts[0].digest, ContentDigest::of(&package).to_string());
    assert_eq!(receipts[0].counts["Immunization"].created, 3);
    assert_arrived_once(&world, &person, "ON", "BC", id).await;
}

#[tokio::test]
async fn the_same_id_with_other_bytes_is_refused_and_on_record() {
    let world = World::shared().await;
    let (person, id) = (Person::new().doses(1), TransferId::generate());
    let first = package(&person, id);
    let committed = receipt(world, world.put("ON", "BC", id, &first).await).await;

    let other = package(&person.clone().dose("2015-06-07", "21"), id);
    let answer = world.put("ON", "BC", id, &other).await;

    assert_eq!(answer.status(), 409);
    assert_eq!(answer.json::<Problem>().await.unwrap().code, "digest-conflict");
    let database = world.database("BC", Inbound).await;
    let rows: Vec<(String, String, String, Value)> = sqlx::query_as(
        "SELECT outcome, peer, actor, detail FROM audit_event WHERE transfer_id = $1 AND forensic",
    )
    .bind(id.uuid())
    .fetch_all(&database)
    .await
    .unwrap();
    let digests = json!({"stored": ContentDigest::of(&first).to_string(), "sent": ContentDigest::of(&other).to_string()});
    let actor = spiffe_id("ON", "outbound-transfer").unwrap();
    assert_eq!(rows, [("refused".to_owned(), "ON".to_owned(), actor, digests)]);
    // Nothing came of the other bytes, and the first ones are as good as before.
    assert_arrived_once(world, &person, "ON", "BC", id).await;
    let again = world.put("ON", "BC", id, &first).await;
    assert_eq!(again.status(), 200);
    assert_eq!(receipt(world, again).await, committed);
}

#[tokio::test]
async fn two_provinces_may_use_the_same_id() {
    let world = World::shared().await;
    let (from_on, from_qc, id) = (Person::new().doses(1), Person::new().doses(2), TransferId::generate());

    let on = world.put("ON", "BC", id, &package(&from_on, id)).await;
    let qc = world.put("QC", "BC", id, package_of(&from_qc, "QC", id).to_string().as_bytes()).await;

    assert_eq!((on.status().as_u16(), qc.status().as_u16()), (201, 201));
    assert_arrived_once(world, &from_on, "ON", "BC", id).await;
    assert_arrived_once(world, &from_qc, "QC", "BC", id).await;
}

#[tokio::test]
async fn after_a_restart_the_receipt_says_the_same() {
    let world = World::prepared("replay", &[("ON", Outbound), ("BC", Inbound)]).await;
    world.start("BC", Inbound, "", &|_| {}, &[]).await;
    let (person, id) = (Person::new().doses(2), TransferId::generate());
    let package = package(&person, id);
    let first = receipt(&world, world.put("ON", "BC", id, &package).await).await;

    assert_eq!(world.terminate("BC", Inbound).await, Some(0));
    world.start("BC", Inbound, "", &|_| {}, &[]).await;

    assert_eq!(receipt(&world, get(&world, id).await).await, first);
    let again = world.put("ON", "BC", id, &package).await;
    assert_eq!(again.status(), 200);
    assert_eq!(receipt(&world, again).await, first);
    assert_arrived_once(&world, &person, "ON", "BC", id).await;
}

#[tokio::test]
async fn every_attempt_sends_the_bytes_that_were_sealed_first() {
    let world = World::prepared("samebytes", &[("ON", Outbound), ("BC", Inbound)]).await;
    world.start("ON", Outbound, "", &|_| {}, &[]).await;
    let held = start_held(&world, "BC", Inbound, "after-plan").await;
    let on = world.fhir("ON");
    let person = Person::new().doses(1);
    person.upload(&on).await;
    let outbound = world.outbound("ON");

    // The first attempt has arrived when BC dies; the record changes before the second.
    let id = outbound.request(&person.id(), "BC").await;
    held.reached().await;
    let sealed = outbound.find(id).await.digest.expect("a sealed transfer");
    world.kill("BC", Inbound).await;
    let later = person.clone().dose("2020-02-03", "21");
    later.upload(&on).await;
    world.start("BC", Inbound, "", &|_| {}, &[]).await;
    let view = outbound.until(id, TransferState::Completed).await;

    assert_eq!(view.source, Some(SourceOutcome::ChangedSinceSeal));
    assert_eq!(view.digest.as_ref(), Some(&sealed));
    assert_eq!(view.receipt.unwrap().digest, sealed);
    let attempts = outbound.events(id).await.events;
    assert!(attempts.iter().any(|event| event.event == "attempt-failed"), "{attempts:?}");
    let ledgers = [
        (world.database("ON", Outbound).await, "SELECT digest FROM transfer WHERE id = $1"),
        (world.database("BC", Inbound).await, "SELECT digest FROM inbound_transfer WHERE id = $1"),
    ];
    for (database, query) in ledgers {
        let digest: Vec<u8> = sqlx::query_scalar(query).bind(id.uuid()).fetch_one(&database).await.unwrap();
        assert_eq!(ContentDigest::from_bytes(digest.try_into().unwrap()).to_string(), sealed);
    }
    assert_arrived_once(&world, &person, "ON", "BC", id).await;
    // What came later follows with a transfer of its own.
    let next = outbound.transfer(&person.id(), "BC").await;
    assert_eq!(next.receipt.unwrap().counts["Immunization"].created, 1);
    let copy = copy_id("ON", "Immunization", &later.resource_id(1));
    assert_eq!(versions(&world, "BC", &format!("Immunization/{copy}")).await, 1);
}
