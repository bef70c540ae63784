//! The plan, from random packages and random records here: what it never does, whatever arrives.

use std::collections::{BTreeMap, BTreeSet};

use contracts::{OutcomeCounts, Problem};
use fhir::canonical::{content, content_hash};
use fhir::origin::{ORIGIN_SYSTEM, copied_from};
use fhir::references;
use inbound_transfer::plan::{self, Local, Plan};
use inbound_transfer::unit::Unit;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use serde_json::Value;

#[path = "plan/situations.rs"]
mod situations;

use situations::{Situation, by_url, here, situation, text, url};

fn make(unit: &Unit, local: &Local) -> Result<Plan, Problem> {
    plan::make(unit, &here(), local, "2026-01-02T03:04:05Z".parse().expect("a time"))
}

/// The entries of a plan's transaction: URL, resource, and the version that must still stand there.
fn entries(plan: &Plan) -> Vec<(String, Value, Option<String>)> {
    let bundle: Value = serde_json::from_str(&plan.transaction).expect("a transaction is JSON");
    let entry = |entry: &Value| {
        let version = entry["request"].get("ifMatch").map(text);
        (text(&entry["request"]["url"]), entry["resource"].clone(), version)
    };
    bundle["entry"].as_array().expect("entries").iter().map(entry).collect()
}

/// The elements of the first level in which two versions of one resource differ.
fn changed(before: &Value, after: &Value) -> BTreeSet<String> {
    let names =
        |resource: &Value| resource.as_object().expect("a resource").keys().cloned().collect::<Vec<_>>();
    let mut all: BTreeSet<String> = names(before).into_iter().chain(names(after)).collect();
    all.retain(|name| name != "meta" && before.get(name) != after.get(name));
    all
}

fn literal_references(resource: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    references::for_each(resource, &mut |reference| {
        let text = reference.get("reference").and_then(Value::as_str);
        found.extend(text.filter(|text| !text.starts_with('#')).map(str::to_owned));
    });
    found
}

fn business_identifiers(resource: &Value) -> Vec<&Value> {
    let list = resource.get("identifier").and_then(Value::as_array);
    list.into_iter().flatten().filter(|identifier| identifier["system"] != ORIGIN_SYSTEM).collect()
}

/// What stands here once a plan has been carried out.
fn carried_out(local: &Local, unit: &Unit, plan: &Plan) -> Local {
    let mut after = local.clone();
    for (url, mut resource, _) in entries(plan) {
        let (resource_type, id) = url.split_once('/').expect("a URL of a resource");
        resource["meta"] = serde_json::json!({"versionId": "9"});
        if resource_type == "Immunization" {
            after.doses.retain(|dose| dose["id"] != id);
            after.doses.push(resource.clone());
        }
        if resource_type == "Patient" {
            after.patient = Some(resource);
        } else if unit.others.iter().any(|one| one.local_id(&unit.sender, &here()) == id) {
            after.resources.insert((resource_type.to_owned(), id.to_owned()), resource);
        }
    }
    after.received.extend(plan.records.iter().map(|record| (record.origin.clone(), record.clone())));
    after
}

fn sum(counts: &BTreeMap<String, OutcomeCounts>, of: impl Fn(&OutcomeCounts) -> u64) -> u64 {
    counts.values().map(of).sum()
}

/// The same cases on every run.
fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 1000,
        rng_seed: RngSeed::Fixed(20),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn every_record_has_one_outcome_and_no_resource_is_written_twice(case in situation()) {
        let Situation { unit, local } = case;
        if let Ok(plan) = make(&unit, &local) {
            let accounted: u64 = plan.counts.values().filter_map(OutcomeCounts::total).sum();
            prop_assert_eq!(accounted, unit.all().count() as u64);
            let urls: Vec<String> = entries(&plan).into_iter().map(|(url, ..)| url).collect();
            prop_assert_eq!(urls.iter().collect::<BTreeSet<_>>().len(), urls.len());
            prop_assert_eq!(Ok(plan), make(&unit, &local), "the same plan each time");
        }
    }

    #[test]
    fn what_stands_here_is_written_only_with_its_version(case in situation()) {
        let Situation { unit, local } = case;
        let standing = by_url(&local);
        for (url, _, version) in make(&unit, &local).iter().flat_map(entries) {
            let present = standing.get(&url).map(|present| text(&present["meta"]["versionId"]));
            // The Provenance makes the transaction one that is carried out once.
            let once = url.starts_with("Provenance/").then(|| "0".to_owned());
            let expected = present.or(once).map(|version| format!("W/\"{version}\""));
            prop_assert_eq!(version, expected, "{}", url);
        }
    }

    #[test]
    fn an_original_of_ours_takes_marks_only_and_only_from_its_own_name(case in situation()) {
        let Situation { unit, local } = case;
        let standing = by_url(&local);
        for (url, resource, _) in make(&unit, &local).iter().flat_map(entries) {
            let Some(present) = standing.get(&url).filter(|present| copied_from(present, &here()).is_none()) else {
                continue;
            };
            let changed = changed(present, &resource);
            if url.starts_with("Patient/") {
                prop_assert!(changed.iter().all(|name| ["identifier", "active", "link"].contains(&name.as_str())));
                prop_assert_eq!(business_identifiers(present), business_identifiers(&resource));
            } else {
                let own_name = format!("{}/{url}", here());
                let is_named = unit.others.iter().any(|one| one.comes_home(&here()) && one.name() == own_name);
                prop_assert!(is_named, "{}", url);
                let marks = ["status", "verificationStatus", "clinicalStatus"];
                prop_assert!(changed.iter().all(|name| marks.contains(&name.as_str())), "{:?}", changed);
            }
        }
    }

    #[test]
    fn a_literal_reference_names_what_is_written_or_known_here(case in situation()) {
        let Situation { unit, local } = case;
        let standing = by_url(&local);
        let written: Vec<_> = make(&unit, &local).iter().flat_map(entries).collect();
        let known: BTreeSet<&String> = written.iter().map(|(url, ..)| url).chain(standing.keys()).collect();
        for (url, resource, _) in &written {
            let before = standing.get(url).map(literal_references).unwrap_or_default();
            for reference in literal_references(resource).difference(&before) {
                prop_assert!(known.contains(reference), "{url} refers to {reference}");
            }
        }
    }

    #[test]
    fn every_dose_and_allergy_that_is_new_hangs_on_the_person(case in situation()) {
        let Situation { unit, local } = case;
        let standing = by_url(&local);
        if let Ok(plan) = make(&unit, &local) {
            let patient = plan.patient.split_once('/').expect("a name").1;
            for (url, resource, _) in entries(&plan) {
                let is_clinical = url.starts_with("Immunization/") || url.starts_with("AllergyIntolerance/");
                if is_clinical && !standing.contains_key(&url) {
                    prop_assert_eq!(&text(&resource["patient"]["reference"]), patient);
                }
            }
        }
    }

    #[test]
    fn what_is_remembered_is_what_was_written(case in situation()) {
        let Situation { unit, local } = case;
        if let Ok(plan) = make(&unit, &local) {
            let written: BTreeMap<_, _> = entries(&plan).into_iter().map(|(url, resource, _)| (url, resource)).collect();
            for record in &plan.records {
                let resource = &written[&format!("{}/{}", record.resource_type, record.local_id)];
                prop_assert_eq!(&record.content_hash, &hex::encode(content_hash(resource)));
                prop_assert_eq!(&record.sender, &unit.sender);
            }
        }
    }

    #[test]
    fn the_same_package_again_changes_nothing(case in situation()) {
        let Situation { unit, local } = case;
        if let Ok(first) = make(&unit, &local) {
            let after = carried_out(&local, &unit, &first);
            let second = make(&unit, &after);
            prop_assert!(second.is_ok(), "{:?}", second.err());
            let second = second.expect("a plan");
            prop_assert_eq!(sum(&second.counts, |counts| counts.created), 0);
            prop_assert_eq!(sum(&second.counts, |counts| counts.updated), 0, "{}", second.transaction);
            let standing = by_url(&after);
            for (url, resource, _) in entries(&second) {
                if let Some(present) = standing.get(&url) {
                    prop_assert_eq!(content(present), content(&resource));
                }
            }
        }
    }

    #[test]
    fn a_third_province_changes_no_copy_that_its_own_province_sent(case in situation()) {
        let Situation { unit, local } = case;
        let standing = by_url(&local);
        for (at, resource, _) in make(&unit, &local).iter().flat_map(entries) {
            let Some(present) = standing.get(&at) else { continue };
            let Some(of) = copied_from(present, &here()).filter(|of| of.jurisdiction != unit.sender) else { continue };
            prop_assert_eq!(content(present), content(&resource), "{} is {}'s", url(present), of.jurisdiction);
        }
    }
}

#[test]
fn the_situations_reach_every_outcome_and_refusal() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    let (mut runner, mut counts, mut codes) =
        (TestRunner::new(config()), OutcomeCounts::default(), BTreeSet::new());
    let (mut conflicts, mut warnings) = (0, 0);
    for _ in 0..2000 {
        let Situation { unit, local } = situation().new_tree(&mut runner).expect("a situation").current();
        match make(&unit, &local) {
            Ok(plan) => {
                counts.created += sum(&plan.counts, |counts| counts.created);
                counts.updated += sum(&plan.counts, |counts| counts.updated);
                counts.unchanged += sum(&plan.counts, |counts| counts.unchanged);
                counts.duplicate_of += sum(&plan.counts, |counts| counts.duplicate_of);
                conflicts += plan.conflicts.len();
                warnings += plan.warnings.len();
            }
            Err(problem) => drop(codes.insert(problem.code)),
        }
    }
    let reached = [counts.created, counts.updated, counts.unchanged, counts.duplicate_of];
    assert!(reached.iter().all(|&count| count > 20), "{reached:?}");
    assert!(conflicts > 20 && warnings > 20, "{conflicts} conflicts, {warnings} warnings");
    let expected =
        ["deleted-here", "identifier-conflict", "multiple-matches", "origin-not-proven", "package-invalid"];
    assert_eq!(codes.iter().map(String::as_str).collect::<Vec<_>>(), expected);
}
