//! Clients that go away before they have their answer.

use bytes::Bytes;
use contracts::ContentDigest;
use domain::TransferId;
use futures::StreamExt;
use futures::stream;
use local_stack::ProvinceService;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Body, StatusCode};
use test_kit::{World, eventually, package_of};
use tokio::sync::oneshot;

use super::{FHIR_JSON, assert_nothing_arrived, gateway, person};

fn put(world: &World, client: &reqwest::Client, id: TransferId, package: &[u8]) -> reqwest::RequestBuilder {
    let call = client.put(format!("{}/inbound-transfer/{id}", world.gateway("BC", "")));
    call.header(CONTENT_TYPE, FHIR_JSON).header("Content-Digest", ContentDigest::of(package).to_header())
}

async fn status(world: &World, id: TransferId) -> StatusCode {
    let client = world.peer_client("ON", "outbound-transfer", "BC");
    let url = format!("{}/inbound-transfer/{id}", world.gateway("BC", ""));
    client.get(url).send().await.expect("an answer").status()
}

#[tokio::test]
async fn a_client_that_hangs_up_in_mid_body_leaves_no_trace_and_frees_its_place() {
    let (world, _alone) = gateway().await;
    let (id, person) = (TransferId::generate(), person());
    let package = package_of(&person, "ON", id).to_string();
    let (first, rest) = package.split_at(package.len() / 2);
    let (read, was_read) = oneshot::channel();
    let first = Bytes::copy_from_slice(first.as_bytes());
    let body = stream::once(async move { Ok::<_, std::io::Error>(first) });
    let body = body.chain(stream::once(async move {
        read.send(()).ok();
        std::future::pending().await
    }));
    let client = world.peer_client("ON", "outbound-transfer", "BC");
    let call = put(world, &client, id, package.as_bytes()).body(Body::wrap_stream(body));
    let sending = tokio::spawn(call.send());
    was_read.await.unwrap();
    assert!(!rest.is_empty());
    sending.abort();
    drop(client);

    // The gateway has one place, so this answer says that the broken call has given it back.
    let (next, other) = (TransferId::generate(), super::person());
    let package = package_of(&other, "ON", next).to_string().into_bytes();
    eventually("a place at the gateway", async || {
        (world.put("ON", "BC", next, &package).await.status() == StatusCode::CREATED).then_some(())
    })
    .await;
    assert_eq!(status(world, id).await, StatusCode::NOT_FOUND);
    let ledger = world.database("BC", ProvinceService::Inbound).await;
    for (table, column) in
        [("inbound_transfer", "id"), ("audit_event", "action <> 'request' AND transfer_id")]
    {
        let count = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table} WHERE {column} = $1"));
        let rows: i64 = sqlx::query_scalar(count).bind(id.uuid()).fetch_one(&ledger).await.unwrap();
        assert_eq!(rows, 0, "{table}");
    }
    assert_nothing_arrived(world, &person).await;
    eventually("the row of the broken call", async || (puts(world, id).await.len() == 1).then_some(())).await;
}

/// The rows that a transfer's `PUT`s have left: whether the caller had gone before the answer.
async fn puts(world: &World, id: TransferId) -> Vec<bool> {
    let ledger = world.database("BC", ProvinceService::Inbound).await;
    sqlx::query_scalar(
        "SELECT (detail ->> 'caller_gone')::boolean FROM audit_event
        WHERE action = 'request' AND transfer_id = $1 AND detail ->> 'method' = 'PUT'",
    )
    .bind(id.uuid())
    .fetch_all(&ledger)
    .await
    .unwrap()
}

#[tokio::test]
async fn a_client_that_hangs_up_after_its_body_gets_its_transfer_committed() {
    let (world, _alone) = gateway().await;
    let (id, person) = (TransferId::generate(), person());
    let package = package_of(&person, "ON", id).to_string().into_bytes();
    // The intake stands before the locks of its person, which this test holds.
    let ledger = world.database("BC", ProvinceService::Inbound).await;
    let mut hold = service_kit::begin(&ledger).await.unwrap();
    sqlx::query("LOCK TABLE match_lock IN ACCESS EXCLUSIVE MODE").execute(&mut *hold).await.unwrap();
    let client = world.peer_client("ON", "outbound-transfer", "BC");
    let sending = tokio::spawn(put(world, &client, id, &package).body(package).send());
    eventually("the package to be worked on", async || {
        (status(world, id).await == StatusCode::ACCEPTED).then_some(())
    })
    .await;
    sending.abort();
    assert!(sending.await.unwrap_err().is_cancelled(), "the client has not waited for its answer");
    drop(client);
    eventually("the row of the broken call", async || (puts(world, id).await == [true]).then_some(())).await;
    assert_eq!(status(world, id).await, StatusCode::ACCEPTED);
    hold.rollback().await.unwrap();

    eventually("the receipt", async || (status(world, id).await == StatusCode::OK).then_some(())).await;
    let copy = test_kit::copy_id("ON", "Patient", &person.id());
    assert_eq!(world.fhir("BC").count("Immunization", &[("patient", &copy)]).await.unwrap(), 2);
}
