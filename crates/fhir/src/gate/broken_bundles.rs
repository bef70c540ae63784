//! Bundles written by hand, each broken in one way, and what the gate says of them.

use serde_json::{Value, json};

use super::broken_documents::{immunization, patient, with};
use super::{Limits, check_bundle, check_resource};
use crate::IssueCode;
use crate::IssueCode::{CodeInvalid, Duplicate, Invariant, NotSupported, Required, Structure};

const ONE: &str = "urn:uuid:00000000-0000-0000-0000-000000000001";
const TWO: &str = "urn:uuid:00000000-0000-0000-0000-000000000002";

#[test]
fn every_invariant_of_a_bundle_is_held() {
    let entry =
        |url: &str| json!({"fullUrl": url, "resource": {"resourceType": "Patient", "gender": "male"}});
    let bundle =
        |kind: &str, entries: Value| json!({"resourceType": "Bundle", "type": kind, "entry": entries});
    let good = bundle("collection", json!([entry(ONE), entry(TWO)]));
    assert_eq!(check_bundle(&good, &Limits::default()), []);
    let request = json!({"method": "PUT", "url": "Patient/1"});
    for (broken, code, expression) in [
        (with(good.clone(), "/total", json!(2)), Invariant, "Bundle.total"),
        (
            with(good.clone(), "/entry/0/search", json!({"mode": "match"})),
            Invariant,
            "Bundle.entry[0].search",
        ),
        (with(good.clone(), "/entry/1/request", request), Invariant, "Bundle.entry[1].request"),
        (bundle("transaction", json!([entry(ONE)])), Invariant, "Bundle.entry[0].request"),
        (
            with(good.clone(), "/entry/1/response", json!({"status": "200"})),
            Invariant,
            "Bundle.entry[1].response",
        ),
        (bundle("batch-response", json!([entry(ONE)])), Invariant, "Bundle.entry[0].response"),
        (with(good.clone(), "/entry/1", json!({"fullUrl": TWO})), Invariant, "Bundle.entry[1]"),
        (bundle("collection", json!([entry(ONE), entry(ONE)])), Duplicate, "Bundle.entry[1].fullUrl"),
        (
            bundle("collection", json!([entry("http://x/Patient/1/_history/2")])),
            Invariant,
            "Bundle.entry[0].fullUrl",
        ),
        (bundle("document", json!([entry(ONE)])), Invariant, "Bundle.identifier"),
        (bundle("document", json!([entry(ONE)])), Invariant, "Bundle.timestamp"),
        (bundle("document", json!([entry(ONE)])), Invariant, "Bundle.entry"),
        (bundle("message", json!([entry(ONE)])), Invariant, "Bundle.entry"),
        (with(good.clone(), "/type", Value::Null), Required, "Bundle.type"),
        (with(good.clone(), "/type", json!("heap")), CodeInvalid, "Bundle.type"),
        (
            with(good.clone(), "/entry/0/resource/gender", json!("m")),
            CodeInvalid,
            "Bundle.entry[0].resource.gender",
        ),
        (
            with(good.clone(), "/entry/0/resource/resourceType", json!("Group")),
            NotSupported,
            "Bundle.entry[0].resource",
        ),
        (
            with(good.clone(), "/entry/0/resource", json!([{"resourceType": "Patient"}])),
            Structure,
            "Bundle.entry[0].resource",
        ),
        (patient(), Structure, "Bundle"),
        (json!([]), Structure, "Bundle"),
    ] {
        let issues = check_bundle(&broken, &Limits::default());
        let found: Vec<_> = issues.iter().map(|issue| (issue.code, issue.expression.as_str())).collect();
        assert!(found.contains(&(code, expression)), "{expression}: {issues:?}");
    }
}

#[test]
fn a_reference_within_a_bundle_is_held_to_the_type_of_its_entry() {
    let mut dose = immunization();
    dose["patient"]["reference"] = json!(ONE);
    let organization = json!({"resourceType": "Organization", "name": "x"});
    let bundle = json!({"resourceType": "Bundle", "type": "collection", "entry": [
        {"fullUrl": ONE, "resource": organization}, {"fullUrl": TWO, "resource": dose}]});
    let issues = check_bundle(&bundle, &Limits::default());
    assert_eq!(issues[0].expression, "Bundle.entry[1].resource.patient.reference");
}

#[test]
fn the_number_of_entries_and_of_issues_is_bounded() {
    let entry = json!({"resource": {"resourceType": "Patient", "gender": "x"}});
    let bundle =
        |count| json!({"resourceType": "Bundle", "type": "collection", "entry": vec![entry.clone(); count]});
    let limits = Limits { max_entries: 20, max_issues: 7, ..Limits::default() };
    assert_eq!(check_bundle(&bundle(20), &limits).len(), 7);
    let issues = check_bundle(&bundle(21), &limits);
    assert_eq!((issues.len(), issues[0].code), (1, IssueCode::TooLong));
}

#[test]
fn many_of_everything_takes_one_pass_over_it() {
    // Each of these would take minutes if every one were compared with every other.
    let many = 30_000;
    let contained: Vec<_> = (0..many)
        .map(|n| json!({"resourceType": "Organization", "id": n.to_string(), "name": "x"}))
        .collect();
    let extensions: Vec<_> =
        (0..many).map(|n| json!({"url": "x", "valueReference": {"reference": format!("#{n}")}})).collect();
    let patient = json!({"resourceType": "Patient", "contained": contained, "extension": extensions});
    assert_eq!(check_resource(&patient), []);
    let codings: Vec<_> = (0..many).map(|n| json!({"code": n.to_string()})).collect();
    let observation = json!({"resourceType": "Observation", "status": "final", "code": {"coding": codings},
        "valueBoolean": true, "component": [{"code": {"coding": vec![json!({"code": "x"}); many]}}]});
    assert_eq!(check_resource(&observation), []);
}
