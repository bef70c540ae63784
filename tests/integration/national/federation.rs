//! Two provinces' aggregators and the federator: from records to the national table.

use std::collections::BTreeMap;
use std::time::Duration;

use contracts::federated::NationalTable;
use contracts::release::{ReleaseDocument, Row, check_release};
use domain::Jurisdiction;
use fhir_client::double::FhirDouble;
use fhir_client::double::serve::DoubleServer;
use local_stack::ProvinceService::Aggregator;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use test_kit::federal::Federator;
use test_kit::{World, eventually};

use super::{follow, recorded};

/// Publishes what a province has and returns the document, which must be one that the federator takes.
pub(super) async fn publish(world: &World, province: &str) -> ReleaseDocument {
    let api = world.releases(province);
    let head: Value = eventually("a release", async || {
        let answer =
            api.call(Method::POST, "/releases").json(&json!({"reason": "nation"})).send().await.unwrap();
        (answer.status() == StatusCode::CREATED).then_some(answer.json().await.unwrap())
    })
    .await;
    let answer = api.call(Method::GET, &format!("/releases/{}", head["id"])).send().await.unwrap();
    let document: ReleaseDocument = answer.json().await.unwrap();
    check_release(&document, &Jurisdiction::parse(province).unwrap()).unwrap();
    document
}

fn rows_of(table: &NationalTable, province: &str) -> Vec<Row> {
    table.data.iter().filter(|row| row.jurisdiction.as_str() == province).cloned().collect()
}

/// Waits until all records of a double are counted.
pub(super) async fn has_read(world: &World, province: &str, double: &FhirDouble) {
    let facts = world.database(province, Aggregator).await;
    let wanted = i64::try_from(double.count("Immunization")).unwrap();
    eventually("the records to be read", async || {
        let read = "SELECT count(*) FROM fact WHERE place IS NOT NULL
            AND (SELECT count(*) = 2 FROM followed WHERE checked_at IS NOT NULL)";
        (sqlx::query_scalar::<_, i64>(read).fetch_one(&facts).await.unwrap() == wanted).then_some(())
    })
    .await;
    facts.close().await;
}

#[tokio::test]
async fn the_national_table_is_the_provinces_releases_and_outlives_one_of_them() {
    let mut servers = BTreeMap::new();
    for (province, people) in [("BC", 30), ("ON", 50)] {
        let double = FhirDouble::default();
        for (n, given) in (0..people).flat_map(|n| [(n, "2019-07-01"), (n + 1000, "2020-07-01")]) {
            double.put_all(&recorded(n, "2018-05-06", given)).unwrap();
        }
        let server = DoubleServer::start(double.clone(), 0, Duration::ZERO).await.unwrap();
        servers.insert(province, (double, server));
    }
    let bases: BTreeMap<&str, String> =
        servers.iter().map(|(code, (_, server))| (*code, server.base().to_owned())).collect();
    let change = |config: &mut Value| {
        let base = bases[config["jurisdiction"].as_str().unwrap()].clone();
        follow(config, &base);
    };
    let world = World::with("nation", &[("BC", Aggregator), ("ON", Aggregator)], &change).await;
    for (province, (double, _)) in &servers {
        has_read(&world, province, double).await;
    }
    let bc = publish(&world, "BC").await;
    let on = publish(&world, "ON").await;
    assert_eq!((bc.release.total, on.release.total), (Some(60), Some(100)));

    let federator = Federator::start(world.stack(), world.name(), world.directory(), &|_| {}).await;
    let table = federator.until("BC=ok, ON=ok").await;
    assert_eq!((rows_of(&table, "BC"), rows_of(&table, "ON")), (bc.data.clone(), on.data.clone()));
    assert_eq!(table.data.len(), bc.data.len() + on.data.len());
    assert!(table.errors.is_empty(), "{:?}", table.errors);

    // One province's aggregator stops: its last release stays, and the answer says how old it is.
    assert_eq!(world.terminate("BC", Aggregator).await, Some(0));
    let partial = federator.until("BC=stale, ON=ok").await;
    assert_eq!(rows_of(&partial, "BC"), bc.data);
    let source = partial.sources.iter().find(|source| source.jurisdiction.as_str() == "BC").unwrap();
    assert_eq!(source.release_id, Some(bc.release.id));
    assert!(source.age_seconds.is_some() && source.problem.is_some(), "{source:?}");
    assert!(partial.errors[0].starts_with("BC "), "{:?}", partial.errors);
    let all = federator.get("/aggregated-data?require=all").send().await.unwrap();
    assert_eq!(all.status(), StatusCode::SERVICE_UNAVAILABLE);

    // The other one publishes meanwhile, and the first comes back.
    for n in 2000..2010 {
        servers["ON"].0.put_all(&recorded(n, "2018-05-06", "2020-07-01")).unwrap();
    }
    has_read(&world, "ON", &servers["ON"].0).await;
    let later = publish(&world, "ON").await;
    assert_eq!(later.release.total, Some(110));
    world.start("BC", Aggregator, "", &change, &[]).await;
    eventually("the table to be whole and new", async || {
        let table = federator.until("BC=ok, ON=ok").await;
        (rows_of(&table, "ON") == later.data && rows_of(&table, "BC") == bc.data).then_some(())
    })
    .await;
}
