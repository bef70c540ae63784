//! What a province's own systems see of arrivals, what a dry run tells a peer, and what a peer may send at most.

use contracts::Problem;
use contracts::arrival::{ArrivalDryRun, ArrivalPage, ArrivalView};
use domain::TransferId;
use local_stack::ProvinceService::{Inbound, Outbound};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use test_kit::api::OutboundApi;
use test_kit::{Person, World, eventually, package_of};

async fn page(api: &OutboundApi, query: &[(&str, &str)]) -> ArrivalPage {
    let answer = api.call(Method::GET, "/inbound-transfer").query(query).send().await.unwrap();
    answer.error_for_status().unwrap().json().await.unwrap()
}

#[tokio::test]
async fn what_arrived_is_listed_with_its_sender_and_outcome() {
    let world = World::of("arrivals", &["ON", "BC", "QC"]).await;
    let api = world.arrivals("BC");
    let mut sent = Vec::new();
    for (from, doses) in [("ON", 1), ("ON", 2), ("QC", 1)] {
        let id = TransferId::generate();
        let package = package_of(&Person::new().doses(doses), from, id).to_string();
        assert_eq!(world.put(from, "BC", id, package.as_bytes()).await.status(), 201);
        sent.push((from, id));
    }
    let refused = TransferId::generate();
    let mut package = package_of(&Person::new().doses(1), "ON", refused);
    package["entry"][0]["resource"]["gender"] = json!("unheard-of");
    assert_eq!(world.put("ON", "BC", refused, package.to_string().as_bytes()).await.status(), 422);

    let all = page(&api, &[]).await;
    let ids: Vec<_> = all.transfers.iter().map(|one| (one.sender.to_string(), one.id)).collect();
    let expected = [("ON", refused), ("QC", sent[2].1), ("ON", sent[1].1), ("ON", sent[0].1)];
    assert_eq!(ids, expected.map(|(sender, id)| (sender.to_owned(), id)));
    assert_eq!((all.transfers[0].state.as_str(), all.transfers[1].state.as_str()), ("refused", "committed"));
    assert_eq!(all.transfers[0].problem.as_ref().unwrap().code, "package-invalid");
    assert_eq!(all.transfers[2].counts["Immunization"].created, 2);

    let mut walked = Vec::new();
    let mut cursor = None;
    loop {
        let query: Vec<_> =
            [("limit", "3")].into_iter().chain(cursor.as_deref().map(|at| ("cursor", at))).collect();
        let page = page(&api, &query).await;
        walked.extend(page.transfers.into_iter().map(|one| one.id));
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(walked, all.transfers.iter().map(|one| one.id).collect::<Vec<_>>());
    assert_eq!(page(&api, &[("sender", "QC")]).await.transfers.len(), 1);
    assert_eq!(page(&api, &[("state", "refused,planned")]).await.transfers.len(), 1);
    assert_eq!(page(&api, &[("since", "2100-01-01T00:00:00Z")]).await.transfers.len(), 0);
    let one = api.call(Method::GET, &format!("/inbound-transfer/QC/{}", sent[2].1)).send().await.unwrap();
    assert_eq!(one.json::<ArrivalView>().await.unwrap().sender.as_str(), "QC");

    for (path, status) in [
        (format!("/inbound-transfer/ON/{}", sent[2].1), 404),
        ("/inbound-transfer?state=done".to_owned(), 400),
        ("/inbound-transfer?cursor=x".to_owned(), 400),
        ("/inbound-transfer?since=-5000-01-01T00:00:00Z".to_owned(), 400),
    ] {
        assert_eq!(api.call(Method::GET, &path).send().await.unwrap().status(), status, "{path}");
    }
    let narrow = OutboundApi::new(api.base().to_owned(), world.token("BC", &["transfer.request"]));
    assert_eq!(narrow.call(Method::GET, "/inbound-transfer").send().await.unwrap().status(), 403);
    eventually("the gauges to show the refused one", async || {
        let metrics = world.metrics("BC", Inbound).await;
        metrics.lines().any(|line| line == r#"arrivals{peer="ON",state="refused"} 1"#).then_some(())
    })
    .await;
}

async fn try_out(world: &World, package: &Value) -> Response {
    let bytes = package.to_string();
    world
        .peer_client("ON", "outbound-transfer", "BC")
        .post(format!("{}/inbound-transfer/dry-run", world.gateway("BC", "")))
        .header("Content-Type", "application/fhir+json")
        .header("Content-Digest", contracts::ContentDigest::of(bytes.as_bytes()).to_header())
        .body(bytes)
        .send()
        .await
        .unwrap()
}

#[tokio::test]
async fn a_dry_run_tells_what_would_become_of_a_package_and_leaves_nothing() {
    let world = World::of("tried", &["ON", "BC"]).await;
    let person = Person::new().doses(2);
    let (id, bc) = (TransferId::generate(), world.fhir("BC"));
    let package = package_of(&person, "ON", id);
    let told: ArrivalDryRun = try_out(&world, &package).await.json().await.unwrap();
    assert_eq!((told.patient.as_str(), told.counts["Immunization"].created), ("new", 2));
    let mut broken = package.clone();
    broken["entry"][1]["resource"]["status"] = json!("unheard-of");
    let refused = try_out(&world, &broken).await;
    assert_eq!(refused.status(), 422);
    assert_eq!(refused.json::<Problem>().await.unwrap().code, "package-invalid");

    let there = test_kit::copy_id("ON", "Patient", &person.id());
    assert_eq!(bc.count("Patient", &[("_id", &there)]).await.unwrap(), 0);
    let pool = world.database("BC", Inbound).await;
    for table in ["inbound_transfer", "match_lock", "received_record"] {
        let sql = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
        let rows: i64 = sqlx::query_scalar(sql).fetch_one(&pool).await.unwrap();
        assert_eq!(rows, 0, "{table}");
    }
    pool.close().await;

    assert_eq!(world.put("ON", "BC", id, package.to_string().as_bytes()).await.status(), 201);
    let again: ArrivalDryRun = try_out(&world, &package).await.json().await.unwrap();
    assert_eq!((again.patient.as_str(), again.counts["Immunization"].unchanged), ("matched", 2));
}

#[tokio::test]
async fn a_peer_that_sends_too_much_waits_and_no_other_does() {
    let services = [("ON", Outbound), ("QC", Outbound), ("BC", Inbound)];
    let world = World::prepared("rate", &services).await;
    world.write_directory_with(&[], &|entry| {
        if entry["code"] == "ON" {
            entry["limits"] = json!({"packages_per_minute": 2});
        }
    });
    world.start("BC", Inbound, "", &|_| {}, &[]).await;
    let put = async |from: &str| {
        let id = TransferId::generate();
        world.put(from, "BC", id, package_of(&Person::new(), from, id).to_string().as_bytes()).await
    };
    assert_eq!(
        (put("ON").await.status(), put("ON").await.status()),
        (201.try_into().unwrap(), 201.try_into().unwrap())
    );
    let refused = put("ON").await;
    assert_eq!(refused.status(), 429);
    let wait: u64 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=61).contains(&wait), "{wait}");
    assert_eq!(refused.json::<Problem>().await.unwrap().code, "rate-limited");
    assert_eq!(put("QC").await.status(), 201);
}
