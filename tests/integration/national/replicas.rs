//! Two replicas of an aggregator on one database.

use std::time::Duration;

use fhir_client::double::FhirDouble;
use fhir_client::double::serve::DoubleServer;
use local_stack::ProvinceService::Aggregator;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;
use test_kit::{World, eventually};

use super::{cells, follow, recorded};

/// Who follows, and the number of that right.
async fn follower(facts: &PgPool) -> (String, i64) {
    sqlx::query_as("SELECT owner, fence FROM collector").fetch_one(facts).await.unwrap()
}

async fn until_counted(facts: &PgPool, doses: i64) {
    eventually("the doses to be counted", async || {
        (cells(facts).await.values().sum::<i64>() == doses).then_some(())
    })
    .await;
}

#[tokio::test]
async fn of_two_replicas_one_follows_and_the_other_takes_over_when_it_is_killed() {
    let double = FhirDouble::default();
    let server = DoubleServer::start(double.clone(), 0, Duration::ZERO).await.unwrap();
    let base = server.base().to_owned();
    let change = |config: &mut Value| {
        follow(config, &base);
        config["collect"]["lease_seconds"] = json!(3);
    };
    let people = |from: usize| (from..from + 10).flat_map(|n| recorded(n, "2018-05-06", "2019-07-01"));
    double.put_all(&people(0).collect::<Vec<_>>()).unwrap();
    let world = World::prepared("replicas", &[("ON", Aggregator)]).await;
    world.start("ON", Aggregator, "", &change, &[]).await;
    let facts = world.database("ON", Aggregator).await;
    until_counted(&facts, 10).await;
    let (first, fence) = follower(&facts).await;

    world.start("ON", Aggregator, "-2", &change, &[]).await;
    double.put_all(&people(10).collect::<Vec<_>>()).unwrap();
    until_counted(&facts, 20).await;
    assert_eq!(follower(&facts).await, (first.clone(), fence), "the first one follows still");

    // What one has published the other shows.
    let published = world.releases("ON").call(Method::POST, "/releases").json(&json!({"reason": "replicas"}));
    assert_eq!(published.send().await.unwrap().status(), 201);
    let second = world.releases_by("ON", "-2");
    eventually("the release at the other replica", async || {
        let answer = second.call(Method::GET, "/aggregated-data").send().await.unwrap();
        (answer.status() == 200).then_some(())
    })
    .await;

    world.kill("ON", Aggregator).await;
    double.put_all(&people(20).collect::<Vec<_>>()).unwrap();
    double.delete("Immunization", "d3");
    until_counted(&facts, 29).await;
    let (other, later) = follower(&facts).await;
    assert_ne!(other, first);
    assert!(later > fence);
    let published = second.call(Method::POST, "/releases").json(&json!({"reason": "alone"}));
    assert_eq!(published.send().await.unwrap().status(), 201);

    // The first one comes back, and does not interfere.
    world.start("ON", Aggregator, "", &change, &[]).await;
    double.put_all(&people(30).collect::<Vec<_>>()).unwrap();
    until_counted(&facts, 39).await;
    assert_eq!(follower(&facts).await, (other, later));
}
