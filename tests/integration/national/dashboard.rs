//! The dashboard in a browser, on the real federator: the parts are started here, looked at by
//! `dashboard/tests/browser/system/national.test.mjs`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::Datelike;
use domain::{Clock, SystemClock};
use fhir_client::double::FhirDouble;
use fhir_client::double::serve::DoubleServer;
use local_stack::ProvinceService::Aggregator;
use local_stack::ServiceProcess;
use serde_json::{Value, json};
use test_kit::World;
use test_kit::federal::Federator;
use tokio::process::Command;

use super::federation::{has_read, publish};
use super::follow;

const MMR: &str = "871831003";
const HPV_9: &str = "20861000087100";
/// The other vaccines that the made-up federator knows: what it calls them is held to what the real one does.
const OTHERS: [&str; 9] = [
    "871908002",
    "28441000087100",
    "7931000087106",
    "7811000087105",
    "1252708008",
    "7121000087107",
    "7851000087109",
    "7691000087100",
    "56011000087109",
];

/// So many people of every kind that the table has: both years and vaccines known and not, doses numbered, mixed and not.
fn residents(many: usize) -> Vec<Value> {
    let this_year = SystemClock.now().year();
    let mut all = Vec::new();
    let mut person = |gender: &str, age: i32, year: i32, change: &dyn Fn(&mut Value)| {
        let id = all.len();
        all.push(json!({"resourceType": "Patient", "id": format!("p{id}"), "gender": gender,
            "birthDate": format!("{}-06-15", year - age - 1)}));
        let mut dose = json!({
            "resourceType": "Immunization", "id": format!("d{id}"), "status": "completed", "primarySource": true,
            "vaccineCode": {"coding": [{"system": "http://snomed.info/sct", "code": MMR}]},
            "patient": {"reference": format!("Patient/p{id}")}, "occurrenceDateTime": format!("{year}-01-01"),
            "protocolApplied": [{"doseNumberPositiveInt": 1}],
        });
        change(&mut dose);
        all.push(dose);
    };
    let second = |dose: &mut Value| dose["protocolApplied"] = json!([{"doseNumberPositiveInt": 2}]);
    let hpv = |dose: &mut Value| dose["vaccineCode"]["coding"][0]["code"] = json!(HPV_9);
    for year in this_year - 3..=this_year {
        for gender in ["female", "male"] {
            for _ in 0..many {
                person(gender, 1, year, &|_| {});
            }
            for _ in 0..many - 3 {
                person(gender, 4, year, &second);
            }
            for _ in 0..many / 2 {
                person(gender, 12, year, &hpv);
            }
        }
    }
    person("other", 1, this_year - 2, &|_| {}); // alone of his kind: must be hidden, and others with him
    for _ in 0..many {
        for code in OTHERS {
            person("male", 4, this_year - 1, &|dose| dose["vaccineCode"]["coding"][0]["code"] = json!(code));
        }
        person("female", 1, this_year - 1, &|dose| {
            dose["occurrenceDateTime"] = Value::Null;
            dose["occurrenceString"] = json!("as a child");
        });
        person("female", 1, this_year - 1, &|dose| dose["vaccineCode"] = json!({"text": "a jab"}));
        person("female", 1, this_year - 1, &|dose| dose["protocolApplied"] = Value::Null);
        person("female", 1, this_year - 1, &|dose| {
            dose["protocolApplied"] = json!([{"doseNumberPositiveInt": 1}, {"doseNumberPositiveInt": 2}]);
        });
    }
    all
}

/// A directory in which one province has never published and the other is suspended: nobody has data.
fn without_data(world: &World) -> PathBuf {
    let mut directory: Value = serde_json::from_slice(&std::fs::read(world.directory()).unwrap()).unwrap();
    let entries = directory["jurisdictions"].as_array_mut().unwrap();
    entries.retain(|entry| entry["code"] != "ON");
    for entry in entries {
        if entry["code"] == "BC" {
            entry["state"] = json!("suspended");
        }
    }
    let file = world.directory().with_extension("empty.yaml");
    local_stack::write_private(&file, directory.to_string().as_bytes()).unwrap();
    file
}

#[tokio::test]
async fn the_dashboard_shows_the_real_federators_table() {
    let mut servers = BTreeMap::new();
    for (province, many) in [("BC", 9), ("ON", 14), ("QC", 5)] {
        let double = FhirDouble::default();
        double.put_all(&residents(many)).unwrap();
        let server = DoubleServer::start(double.clone(), 0, Duration::ZERO).await.unwrap();
        servers.insert(province, (double, server));
    }
    let services = [("BC", Aggregator), ("ON", Aggregator), ("QC", Aggregator)];
    let world = World::with("board", &services, &|config| {
        let base = servers[config["jurisdiction"].as_str().unwrap()].1.base().to_owned();
        follow(config, &base);
    })
    .await;
    for province in ["BC", "ON"] {
        has_read(&world, province, &servers[province].0).await;
        publish(&world, province).await;
    }
    let stack = world.stack();
    let federator = Federator::start(stack, world.name(), world.directory(), &|_| {}).await;
    federator.until("BC=ok, ON=ok, QC=unavailable").await;
    let empty = format!("{}_empty", world.name());
    let empty = Federator::start(stack, &empty, &without_data(&world), &|_| {}).await;

    let aggregator =
        ServiceProcess::find(stack.layout(), &format!("bc-aggregator-{}", world.name())).unwrap();
    let own = stack.certificate("PHAC", "dashboard").unwrap();
    let stranger = stack.certificate("BC", "aggregator").unwrap();
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dashboard/tests/browser");
    let looked = Command::new("node")
        .args(["run.mjs", "system/national.test.mjs"])
        .current_dir(tests)
        .env("IIDI_FEDERATOR_URL", federator.gateway())
        .env("IIDI_EMPTY_FEDERATOR_URL", empty.gateway())
        .env("IIDI_CERTIFICATE_FILE", own.certificate)
        .env("IIDI_KEY_FILE", own.key)
        .env("IIDI_CA_FILE", own.roots)
        .env("IIDI_STRANGER_CERTIFICATE_FILE", stranger.certificate)
        .env("IIDI_STRANGER_KEY_FILE", stranger.key)
        .env("IIDI_BC_AGGREGATOR_PID", aggregator.record().pid.to_string())
        .env("IIDI_FEDERATOR_PID", federator.pid().to_string())
        .kill_on_drop(true)
        .output()
        .await
        .expect("node; deploy/local/setup.sh installs it");
    println!("{}", String::from_utf8_lossy(&looked.stdout)); // whoever counts tests counts its last line
    assert!(looked.status.success(), "{}", String::from_utf8_lossy(&looked.stderr));
}
