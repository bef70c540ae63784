//! Several publications at once, and readers beside them.

use std::collections::BTreeSet;

use contracts::release::{ReleaseDocument, check_release};
use domain::Jurisdiction;
use fhir_client::double::FhirDouble;
use futures::future::join_all;
use reqwest::header::{ETAG, RETRY_AFTER};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use test_kit::eventually;

use super::{Alone, recorded};

async fn publish(alone: &Alone) -> (StatusCode, bool, Value) {
    let call = alone.world.releases("ON").call(Method::POST, "/releases").json(&json!({"reason": "at once"}));
    let answer = call.send().await.unwrap();
    let (status, says_when) = (answer.status(), answer.headers().contains_key(RETRY_AFTER));
    (status, says_when, answer.json().await.unwrap())
}

async fn prepared(name: &str) -> Alone {
    let people: Vec<Value> = (0..40).flat_map(|n| recorded(n, "2018-05-06", "2019-07-01")).collect();
    let alone = Alone::with(name, "ON", &people).await;
    alone.has_read(40).await;
    alone
}

#[tokio::test]
async fn a_publication_beside_another_one_is_told_to_come_again() {
    let alone = prepared("beside").await;
    let mut other = service_kit::begin(&alone.facts).await.unwrap();
    sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended('aggregator.publish', 0))")
        .execute(&mut *other)
        .await
        .unwrap();
    let (status, says_when, problem) = publish(&alone).await;
    assert_eq!((status.as_u16(), &problem["code"]), (503, &json!("busy")), "{problem}");
    assert!(says_when);
    other.commit().await.unwrap();
    assert_eq!(publish(&alone).await.0, StatusCode::CREATED);

    // Many at once: each makes a whole release or none, and the audit trail has one row for each that was made.
    let outcomes = join_all((0..8).map(|_| publish(&alone))).await;
    let made: BTreeSet<i64> = outcomes
        .iter()
        .filter(|(status, ..)| *status == StatusCode::CREATED)
        .map(|(.., head)| head["id"].as_i64().unwrap())
        .collect();
    assert!(outcomes.iter().all(|(status, ..)| [201, 503].contains(&status.as_u16())), "{outcomes:?}");
    let all: Vec<i64> =
        sqlx::query_scalar("SELECT id FROM release ORDER BY id").fetch_all(&alone.facts).await.unwrap();
    assert!(
        !made.is_empty() && all.iter().copied().eq(1..=i64::try_from(made.len()).unwrap() + 1),
        "{all:?}"
    );
    let told = "SELECT count(*) FROM audit_event WHERE action = 'release.published'";
    let told: i64 = sqlx::query_scalar(told).fetch_one(&alone.facts).await.unwrap();
    assert_eq!(told, i64::try_from(all.len()).unwrap());
    let series: i64 =
        sqlx::query_scalar("SELECT count(*) FROM series").fetch_one(&alone.facts).await.unwrap();
    assert_eq!(series, 1);
}

#[tokio::test]
async fn a_reader_meets_whole_releases_only_while_others_are_published() {
    let alone = prepared("readers").await;
    publish(&alone).await;
    let api = alone.world.releases("ON");
    let on = Jurisdiction::parse("ON").unwrap();
    let published = async {
        for n in 0..5 {
            let more: Vec<Value> = (100 * n + 100..100 * n + 120)
                .flat_map(|n| recorded(n, "2018-05-06", "2019-07-01"))
                .collect();
            alone.double.put_all(&more).unwrap();
            assert_eq!(publish(&alone).await.0, StatusCode::CREATED);
        }
    };
    tokio::pin!(published);
    let (mut read, mut has_ended, mut last) = (0, false, 0);
    while !has_ended || last < 6 {
        let reading = async {
            let answer = api.call(Method::GET, "/aggregated-data").send().await.unwrap();
            assert!([200, 503].contains(&answer.status().as_u16()), "503 before the first one is written");
            let tag = answer.headers().get(ETAG).cloned();
            (tag, answer.json::<ReleaseDocument>().await.ok())
        };
        let (tag, document) = tokio::select! {
            biased;
            () = &mut published, if !has_ended => { has_ended = true; continue }
            read = reading => read,
        };
        let Some(document) = document else { continue };
        check_release(&document, &on).unwrap();
        assert_eq!(tag.unwrap(), document.etag());
        assert!(document.release.id >= last, "releases do not go backwards");
        (last, read) = (document.release.id, read + 1);
    }
    assert!(read > 0);
}

#[tokio::test]
async fn releases_are_made_on_schedule_and_never_because_somebody_reads() {
    let double = FhirDouble::default();
    double
        .put_all(&(0..40).flat_map(|n| recorded(n, "2018-05-06", "2019-07-01")).collect::<Vec<_>>())
        .unwrap();
    let hourly = |config: &mut Value| config["release"]["every_hours"] = json!(1);
    let alone = Alone::changed("schedule", "ON", double, &hourly).await;
    let api = alone.world.releases("ON");
    let list = async || {
        let list: Value = api.call(Method::GET, "/releases").send().await.unwrap().json().await.unwrap();
        list["releases"].as_array().unwrap().clone()
    };
    let first = eventually("a release that nobody asked for", async || list().await.first().cloned()).await;
    assert_eq!(first["published_by"], "schedule");
    for _ in 0..20 {
        api.call(Method::GET, "/aggregated-data").send().await.unwrap();
    }
    assert_eq!(list().await.len(), 1);
    let aged = "UPDATE release SET published_at = published_at - interval '61 minutes'";
    sqlx::query(aged).execute(&alone.facts).await.unwrap();
    eventually("the next one, an hour later", async || (list().await.len() == 2).then_some(())).await;
}
