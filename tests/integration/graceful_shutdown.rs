//! SIGTERM: what has begun is finished, nothing new begins, and nothing is lost.

use std::time::Duration;

use bytes::Bytes;
use contracts::ContentDigest;
use domain::{TransferId, TransferState};
use futures::future::join_all;
use futures::{StreamExt, stream};
use local_stack::ProvinceService::{self, Inbound, Outbound};
use reqwest::Body;
use serde_json::json;
use test_kit::{OutboundApi, Person, World, assert_arrived_once, eventually, package_of};
use tokio::sync::oneshot;

const PEOPLE: usize = 30;

async fn ready(world: &World, province: &str, service: ProvinceService) -> u16 {
    let url = format!("{}/readyz", world.admin(province, service));
    reqwest::get(url).await.map_or(0, |answer| answer.status().as_u16())
}

/// A body of which the second half is sent when it is told, and word of the first half having been taken.
fn in_two_halves(whole: &[u8]) -> (Body, oneshot::Receiver<()>, oneshot::Sender<()>) {
    let (first, second) = whole.split_at(whole.len() / 2);
    let (first, second) = (Bytes::copy_from_slice(first), Bytes::copy_from_slice(second));
    let (taken, is_taken) = oneshot::channel();
    let (go_on, may_go_on) = oneshot::channel();
    let halves = stream::once(async { Ok::<_, std::io::Error>(first) }).chain(stream::once(async move {
        let _ = taken.send(());
        let _ = may_go_on.await;
        Ok(second)
    }));
    (Body::wrap_stream(halves), is_taken, go_on)
}

/// Requests the transfers of new people and waits until the first of them has completed.
async fn begin(world: &World, outbound: &OutboundApi) -> Vec<(Person, TransferId)> {
    let on = world.fhir("ON");
    let people: Vec<Person> = (0..PEOPLE).map(|_| Person::new().doses(1)).collect();
    join_all(people.iter().map(|person| person.upload(&on))).await;
    let ids: Vec<String> = people.iter().map(Person::id).collect();
    let transfers = join_all(ids.iter().map(|id| outbound.request(id, "BC"))).await;
    eventually("a first transfer to complete", async || {
        let database = world.database("ON", Outbound).await;
        let query = "SELECT count(*) FROM transfer WHERE state = 'completed'";
        let completed: i64 = sqlx::query_scalar(query).fetch_one(&database).await.unwrap();
        (completed > 0).then_some(())
    })
    .await;
    people.into_iter().zip(transfers).collect()
}

async fn assert_all_complete(world: &World, outbound: &OutboundApi, all: &[(Person, TransferId)]) {
    for (person, id) in all {
        outbound.until(*id, TransferState::Completed).await;
        assert_arrived_once(world, person, "ON", "BC", *id).await;
    }
}

#[tokio::test]
async fn a_sender_stopped_at_work_loses_nothing() {
    let world = World::prepared("stopout", &[("ON", Outbound), ("BC", Inbound)]).await;
    world.start("BC", Inbound, "", &|_| {}, &[]).await;
    world.start("ON", Outbound, "", &|_| {}, &[]).await;
    let outbound = world.outbound("ON");
    let all = begin(&world, &outbound).await;

    assert_eq!(world.terminate("ON", Outbound).await, Some(0));
    world.start("ON", Outbound, "", &|_| {}, &[]).await;

    assert_all_complete(&world, &outbound, &all).await;
}

#[tokio::test]
async fn a_receiver_stopped_at_work_loses_nothing() {
    let world = World::prepared("stopin", &[("ON", Outbound), ("BC", Inbound)]).await;
    world.start("BC", Inbound, "", &|_| {}, &[]).await;
    world.start("ON", Outbound, "", &|_| {}, &[]).await;
    let outbound = world.outbound("ON");
    let all = begin(&world, &outbound).await;

    assert_eq!(world.terminate("BC", Inbound).await, Some(0));
    world.start("BC", Inbound, "", &|_| {}, &[]).await;

    assert_all_complete(&world, &outbound, &all).await;
}

#[tokio::test]
async fn a_delivery_that_has_begun_is_taken_in_while_the_receiver_stops() {
    let world = World::prepared("drainin", &[("ON", Outbound), ("BC", Inbound)]).await;
    world.start("BC", Inbound, "", &|_| {}, &[]).await;
    let (person, id) = (Person::new().doses(1), TransferId::generate());
    let package = package_of(&person, "ON", id).to_string().into_bytes();
    let (body, is_taken, go_on) = in_two_halves(&package);
    let client = world.peer_client("ON", "outbound-transfer", "BC");
    let call = client
        .put(format!("{}/inbound-transfer/{id}", world.gateway("BC", "")))
        .header("Content-Type", "application/fhir+json")
        .header("Content-Digest", ContentDigest::of(&package).to_header())
        .body(body);
    let delivery = tokio::spawn(call.send());
    is_taken.await.unwrap();

    let stopping = async { world.terminate("BC", Inbound).await };
    let finishing = async {
        eventually("the receiver to say that it stops", async || {
            (ready(&world, "BC", Inbound).await == 503).then_some(())
        })
        .await;
        go_on.send(()).unwrap();
        delivery.await.unwrap().unwrap().status()
    };
    let (code, status) = tokio::join!(stopping, finishing);

    assert_eq!(status, 201);
    assert_eq!(code, Some(0));
    assert_arrived_once(&world, &person, "ON", "BC", id).await;
}

#[tokio::test]
async fn a_request_that_has_begun_is_accepted_while_the_sender_stops() {
    let world = World::prepared("drainout", &[("ON", Outbound), ("BC", Inbound)]).await;
    world.start("ON", Outbound, "", &|_| {}, &[]).await;
    let person = Person::new().doses(1);
    person.upload(&world.fhir("ON")).await;
    let (id, outbound) = (TransferId::generate(), world.outbound("ON"));
    let request = json!({"patient_id": person.id(), "transfer_to": "BC", "approval_ref": "test"}).to_string();
    let (body, is_taken, go_on) = in_two_halves(request.as_bytes());
    let call = outbound
        .call(reqwest::Method::POST, "/transfer-request")
        .header("Idempotency-Key", id.to_string())
        .header("Content-Type", "application/json")
        .timeout(Duration::from_mins(1))
        .body(body);
    let asking = tokio::spawn(call.send());
    is_taken.await.unwrap();

    let stopping = async { world.terminate("ON", Outbound).await };
    let finishing = async {
        eventually("the sender to say that it stops", async || {
            (ready(&world, "ON", Outbound).await == 503).then_some(())
        })
        .await;
        go_on.send(()).unwrap();
        asking.await.unwrap().unwrap().status()
    };
    let (code, status) = tokio::join!(stopping, finishing);

    assert_eq!(status, 202);
    assert_eq!(code, Some(0));
    world.start("ON", Outbound, "", &|_| {}, &[]).await;
    world.start("BC", Inbound, "", &|_| {}, &[]).await;
    outbound.until(id, TransferState::Completed).await;
    assert_arrived_once(&world, &person, "ON", "BC", id).await;
}
