//! Records that nobody here wrote by hand: a real export's shape goes through whole, and our synthesizer's people are
//! good FHIR.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use fhir_client::FhirServer;
use futures::future::join_all;
use serde_json::{Value, json};
use test_kit::{Original, World, copy_id, url_of};

use crate::synthesizer;

const FILES: [(&str, usize); 3] = [("Patient", 13), ("Immunization", 161), ("AllergyIntolerance", 11)];

/// Where the sample is, if it is there at all.
fn sample() -> Option<PathBuf> {
    let shared = std::env::var_os("IIDI_SHARED")
        .map_or_else(|| synthesizer::repository().join("../shared"), PathBuf::from);
    let folder = shared.join("data/synthea-10-patients");
    folder.is_dir().then_some(folder)
}

fn read(folder: &Path, resource_type: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(folder.join(format!("{resource_type}.ndjson"))).expect("a file");
    text.lines().map(|line| serde_json::from_str(line).expect("a resource")).collect()
}

/// Gives everything of the sample names of this run: the FHIR servers still hold those of the runs before.
fn renamed(mut resource: Value, run: &str) -> Value {
    let name = |text: &Value| json!(format!("{run}-{}", text.as_str().expect("a text")));
    resource["id"] = name(&resource["id"]);
    if let Some(patient) = resource.pointer_mut("/patient/reference") {
        *patient =
            json!(patient.as_str().expect("a text").replacen("Patient/", &format!("Patient/{run}-"), 1));
    }
    for (list, part) in [("identifier", "value"), ("name", "family")] {
        for one in resource.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            one[part] = name(&one[part]);
        }
    }
    resource
}

#[tokio::test]
async fn a_real_exports_people_go_through_whole() {
    let Some(folder) = sample() else {
        println!("not checked without ../shared: 13 patients, 161 immunizations, 11 allergies");
        return;
    };
    let world = World::shared().await;
    let run = format!("s{}", &uuid::Uuid::new_v4().simple().to_string()[..10]);
    let renamed_folder = tempfile::tempdir().unwrap();
    let mut people = BTreeMap::<String, Vec<String>>::new();
    for (resource_type, count) in FILES {
        let resources: Vec<Value> =
            read(&folder, resource_type).into_iter().map(|one| renamed(one, &run)).collect();
        assert_eq!(resources.len(), count);
        for resource in &resources {
            let patient = resource.pointer("/patient/reference").and_then(Value::as_str);
            let patient = patient.map_or_else(|| url_of(resource), str::to_owned);
            people.entry(patient).or_default().push(url_of(resource));
        }
        let lines: Vec<String> = resources.iter().map(Value::to_string).collect();
        std::fs::write(renamed_folder.path().join(format!("{resource_type}.ndjson")), lines.join("\n"))
            .unwrap();
    }
    let fhir = world.stack().fhir_url("ON").unwrap();
    let arguments = ["load", renamed_folder.path().to_str().unwrap(), "--fhir", &fhir, "--summary", "json"];
    let summary = synthesizer::run(&arguments).await;
    let summary: Value = serde_json::from_str(&summary).expect("one line of JSON");
    assert_eq!((&summary["people"], &summary["created"]), (&json!(13), &json!(185)), "{summary}");

    let sent = people.iter().map(async |(patient, urls)| {
        let original = Original::read(world, "ON", urls).await;
        let id = patient.strip_prefix("Patient/").unwrap();
        let transfer = world.outbound("ON").transfer(id, "BC").await;
        original.assert_copied(world, "BC").await;
        let patient = transfer.receipt.unwrap().patient;
        assert_eq!(patient, format!("BC/Patient/{}", copy_id("ON", "Patient", id)));
        transfer.sealed_counts
    });
    let mut counts = BTreeMap::<String, u64>::new();
    for (name, count) in join_all(sent).await.into_iter().flatten() {
        *counts.entry(name).or_default() += count;
    }
    assert_eq!(counts, FILES.map(|(name, count)| (name.to_owned(), count as u64)).into());
}

#[tokio::test]
async fn the_synthesizers_people_pass_the_gate_and_the_servers_validator() {
    let world = World::shared().await;
    let mut types = BTreeSet::new();
    // A schedule of its own twice, else the stand-in; each with health numbers of its own kind.
    for province in ["ON", "BC", "QC", "NT", "AB", "MB", "NB", "NL", "NS", "NU", "PE", "SK", "YT"] {
        let folder = tempfile::tempdir().unwrap();
        let seed = (uuid::Uuid::new_v4().as_u128() % 1_000_000_000).to_string();
        let out = folder.path().to_str().unwrap();
        let who = ["generate", "--pt", province, "--people", "30", "--as-of", "2026-11-01", "--seed", &seed];
        synthesizer::run(&[&who[..], &["--moved-share", "0.3", "--out", out]].concat()).await;
        let checked = checked_by_the_gate(folder.path(), &format!("{province}, seed {seed}"));
        assert_eq!(checked["Patient"], 30, "{province}, seed {seed}");
        types.extend(checked.into_keys());
        if ["ON", "BC"].contains(&province) {
            validated(&world.fhir(province), folder.path(), &seed).await;
        }
    }
    for resource_type in ["Immunization", "AllergyIntolerance", "Organization", "Practitioner", "Location"] {
        assert!(types.contains(resource_type), "no {resource_type}: {types:?}");
    }
}

/// How many resources of a type and province the FHIR server validates: it takes some 20 ms each.
const VALIDATED: usize = 30;

async fn validated(fhir: &FhirServer, folder: &Path, seed: &str) {
    for file in std::fs::read_dir(folder).unwrap() {
        for line in std::fs::read_to_string(file.unwrap().path()).unwrap().lines().take(VALIDATED) {
            let resource: Value = serde_json::from_str(line).unwrap();
            let errors = fhir.validate(resource["resourceType"].as_str().unwrap(), &resource).await.unwrap();
            assert_eq!(errors, Vec::<String>::new(), "seed {seed}: {}", url_of(&resource));
        }
    }
}

fn checked_by_the_gate(folder: &Path, whose: &str) -> BTreeMap<String, usize> {
    let mut checked = BTreeMap::<String, usize>::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        for line in text.lines() {
            let limits = fhir::gate::Limits::default();
            let resource = fhir::gate::parse(line.as_bytes(), &limits).expect("a document");
            let issues = fhir::gate::check_resource(&resource);
            assert!(issues.is_empty(), "{whose}, {}: {issues:?}", url_of(&resource));
            *checked.entry(resource["resourceType"].as_str().unwrap().to_owned()).or_default() += 1;
        }
    }
    checked
}
