//! Whatever alerts, dashboards and scaling ask for is what running services really export.

use std::collections::BTreeSet;
use std::time::Duration;

use domain::{TransferId, TransferState};
use fhir_client::double::FhirDouble;
use fhir_client::double::serve::DoubleServer;
use iidi_tests::measures::asked_for;
use local_stack::ProvinceService::{Aggregator, Inbound, Outbound};
use reqwest::Method;
use serde_json::{Value, json};
use test_kit::federal::Federator;
use test_kit::{Person, World, eventually, package_of};

use crate::national::{follow, recorded};

/// Names of measures in an exposition, without the endings of summaries.
fn exported(exposition: &str) -> impl Iterator<Item = String> {
    exposition.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).map(str::to_owned)
}

#[tokio::test]
async fn what_is_asked_for_is_exported() {
    let double = FhirDouble::default();
    for n in 0..30 {
        double.put_all(&recorded(n, "2018-05-06", "2019-07-01")).unwrap();
    }
    let records = DoubleServer::start(double, 0, Duration::ZERO).await.unwrap();
    let base = records.base().to_owned();
    let world =
        World::with("measured", &[("ON", Outbound), ("BC", Inbound), ("BC", Aggregator)], &|config| {
            if config.get("pseudonym_key_file").is_some() {
                follow(config, &base);
            }
        })
        .await;

    // A transfer arrives, a package is refused, a stranger is refused, a peer is not trusted.
    let (first, second) = (Person::new().doses(1), Person::new().doses(1));
    first.upload(&world.fhir("ON")).await;
    second.upload(&world.fhir("ON")).await;
    let outbound = world.outbound("ON");
    outbound.transfer(&first.id(), "BC").await;
    let id = TransferId::generate();
    let mut package = package_of(&Person::new().doses(1), "ON", id);
    package["entry"][0]["resource"]["gender"] = json!("unheard-of");
    assert_eq!(world.put("ON", "BC", id, package.to_string().as_bytes()).await.status(), 422);
    let plain = reqwest::Client::builder().tls_danger_accept_invalid_certs(true).build().unwrap();
    assert!(plain.get(world.gateway("BC", "")).send().await.is_err(), "nobody gets in without a certificate");
    world.write_directory(&["ON"]);
    let client = world.peer_client("ON", "outbound-transfer", "BC");
    let unknown = format!("{}/inbound-transfer/{}", world.gateway("BC", ""), TransferId::generate());
    eventually("ON to be refused", async || {
        (client.get(&unknown).send().await.unwrap().status() == 403).then_some(())
    })
    .await;
    let waits = outbound.request(&second.id(), "BC").await;
    eventually("a transfer to be refused", async || outbound.find(waits).await.last_problem).await;
    world.write_directory(&[]);
    outbound.until(waits, TransferState::Completed).await;

    // A release is published, and read.
    let releases = world.releases("BC");
    eventually("a release", async || {
        let body: Value = json!({"reason": "measured"});
        let answer = releases.call(Method::POST, "/releases").json(&body).send().await.unwrap();
        (answer.status() == 201).then_some(())
    })
    .await;
    let federator = Federator::start(world.stack(), world.name(), world.directory(), &|_| {}).await;
    eventually("BC's release", async || {
        let table = federator.table().await;
        table
            .sources
            .iter()
            .any(|one| one.jurisdiction.as_str() == "BC" && one.release_id.is_some())
            .then_some(())
    })
    .await;

    for name in asked_for() {
        eventually(&format!("{name}, which the manifests ask for"), async || {
            let mut known: BTreeSet<String> = exported(&federator.metrics().await).collect();
            for (province, service) in [("ON", Outbound), ("BC", Inbound), ("BC", Aggregator)] {
                known.extend(exported(&world.metrics(province, service).await));
            }
            known.contains(&name).then_some(())
        })
        .await;
    }
}
