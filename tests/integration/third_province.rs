//! A province joins by data alone, and is shut out and let in again by data alone.

use contracts::Problem;
use domain::{SourceOutcome, TransferId, TransferState};
use fhir::OriginRecord;
use local_stack::{ProvinceService, Stack};
use serde_json::json;
use test_kit::world::put_by;
use test_kit::{Person, World, assert_arrived_once, eventually, package_of};

/// The processes of a province's services in a world.
fn processes(world: &World, province: &str) -> Vec<u32> {
    let names = [ProvinceService::Inbound, ProvinceService::Outbound]
        .map(|service| format!("{}-{}-{}", province.to_lowercase(), service.binary(), world.name()));
    let all = Stack::status(world.stack().layout());
    let running: Vec<u32> = all
        .into_iter()
        .filter(|one| one.running && names.contains(&one.record.name))
        .map(|one| one.record.pid)
        .collect();
    assert_eq!(running.len(), names.len(), "both services of {province} run");
    running
}

/// Asks until the destination is accepted: the directory is read again while the service runs.
async fn request(world: &World, from: &str, person: &Person, to: &str) -> TransferId {
    let body = json!({"patient_id": person.id(), "transfer_to": to, "approval_ref": "test"});
    let (id, outbound) = (TransferId::generate(), world.outbound(from));
    eventually(&format!("{from} to accept {to} as a destination"), async || {
        let answer = outbound.ask(id, &body).await;
        if answer.status() == 202 {
            return Some(());
        }
        assert_eq!(answer.json::<Problem>().await.unwrap().code, "unknown-destination");
        None
    })
    .await;
    id
}

#[tokio::test]
async fn a_third_province_joins_by_data_while_the_others_run() {
    let mut world = World::of("third", &["ON", "BC"]).await;
    let before = [processes(&world, "ON"), processes(&world, "BC")];
    let (to_qc, from_qc) = (Person::new().doses(2), Person::new().doses(1).allergy());
    to_qc.upload(&world.fhir("ON")).await;
    from_qc.upload(&world.fhir("QC")).await;

    world.join("QC").await;
    let arriving = request(&world, "ON", &to_qc, "QC").await;
    let leaving = request(&world, "QC", &from_qc, "BC").await;

    let arrived = world.outbound("ON").until(arriving, TransferState::Completed).await;
    let left = world.outbound("QC").until(leaving, TransferState::Completed).await;
    assert_eq!((arrived.source, left.source), (Some(SourceOutcome::Closed), Some(SourceOutcome::Closed)));
    let patient = OriginRecord::parse(&arrived.receipt.unwrap().patient).unwrap();
    assert_eq!(patient.jurisdiction.as_str(), "QC");
    assert_arrived_once(&world, &to_qc, "ON", "QC", arriving).await;
    assert_arrived_once(&world, &from_qc, "QC", "BC", leaving).await;
    assert_eq!(before, [processes(&world, "ON"), processes(&world, "BC")], "nobody was restarted");
}

/// Waits until BC's admin port says of QC that one state holds and the other does not.
async fn stands(world: &World, state: &str, other: &str) {
    eventually(&format!("the gauge to show QC as {state}"), async || {
        let metrics = world.metrics("BC", ProvinceService::Inbound).await;
        let says = |state: &str, value: &str| {
            let line = format!("peer_directory_entry{{peer=\"QC\",state=\"{state}\"}} {value}");
            metrics.lines().any(|other| other == line)
        };
        (says(state, "1") && !says(other, "1")).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_suspended_province_is_refused_until_it_is_active_again() {
    let world = World::prepared(
        "suspended",
        &[
            ("BC", ProvinceService::Inbound),
            ("ON", ProvinceService::Outbound),
            ("QC", ProvinceService::Outbound),
        ],
    )
    .await;
    world.start("BC", ProvinceService::Inbound, "", &|_| {}, &[]).await;
    let client = world.peer_client("QC", "outbound-transfer", "BC"); // one connection, kept open
    let deliver = async || {
        let (person, id) = (Person::new(), TransferId::generate());
        let package = package_of(&person, "QC", id).to_string();
        let answer = put_by(&client, &world.gateway("BC", ""), id, package.as_bytes()).await;
        (answer, person, id)
    };
    let (answer, person, first) = deliver().await;
    assert_eq!(answer.status(), 201);
    stands(&world, "active", "suspended").await;
    let package = package_of(&person, "QC", first).to_string();
    let again = async || put_by(&client, &world.gateway("BC", ""), first, package.as_bytes()).await;

    world.write_directory(&["QC"]);
    let refusal = eventually("QC to be refused", async || {
        let answer = again().await;
        (answer.status() != 200).then_some(answer)
    })
    .await;

    stands(&world, "suspended", "active").await;
    assert_eq!(refusal.status(), 403);
    assert_eq!(refusal.json::<Problem>().await.unwrap().code, "peer-suspended");
    let (answer, refused, _) = deliver().await;
    assert_eq!(answer.status(), 403);
    assert_eq!(answer.json::<Problem>().await.unwrap().code, "peer-suspended");
    let family = refused.patient["name"][0]["family"].as_str().unwrap();
    assert_eq!(world.fhir("BC").count("Patient", &[("family:exact", family)]).await.unwrap(), 0);
    let (id, of_on) = (TransferId::generate(), Person::new());
    let package = package_of(&of_on, "ON", id).to_string();
    assert_eq!(world.put("ON", "BC", id, package.as_bytes()).await.status(), 201, "ON is not touched by it");

    world.write_directory(&[]);
    eventually("QC to be let in again", async || (again().await.status() == 200).then_some(())).await;
    stands(&world, "active", "suspended").await;
    let (answer, person, id) = deliver().await;
    assert_eq!(answer.status(), 201);
    assert_arrived_once(&world, &person, "QC", "BC", id).await;
}

#[tokio::test]
async fn a_transfer_waits_while_its_province_is_suspended_and_completes_afterwards() {
    let world = World::of("waits", &["BC", "QC"]).await;
    let (first, person) = (Person::new(), Person::new().doses(1));
    first.upload(&world.fhir("QC")).await;
    person.upload(&world.fhir("QC")).await;
    let outbound = world.outbound("QC");
    outbound.transfer(&first.id(), "BC").await;

    world.write_directory(&["QC"]);
    let client = world.peer_client("QC", "outbound-transfer", "BC");
    let unknown = format!("{}/inbound-transfer/{}", world.gateway("BC", ""), TransferId::generate());
    eventually("QC to be refused", async || {
        (client.get(&unknown).send().await.unwrap().status() == 403).then_some(())
    })
    .await;
    let id = outbound.request(&person.id(), "BC").await;
    let waiting = eventually("the transfer to be refused", async || {
        let view = outbound.find(id).await;
        view.last_problem.is_some().then_some(view)
    })
    .await;
    assert_eq!(waiting.state, TransferState::Sealed);
    assert_eq!(waiting.last_problem.unwrap().code, "peer-suspended");

    world.write_directory(&[]);
    assert_eq!(outbound.until(id, TransferState::Completed).await.source, Some(SourceOutcome::Closed));
    assert_arrived_once(&world, &person, "QC", "BC", id).await;
}
