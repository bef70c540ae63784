//! The package that the tests of the rules start from, and how they break it.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::check_package;
use crate::ORIGIN_SYSTEM;
use crate::gate::{Limits, check_bundle};

/// When the packages of the tests arrive.
pub(super) fn now() -> DateTime<Utc> {
    "2026-06-02T12:00:00Z".parse().expect("a time")
}

fn url(number: u8) -> String {
    format!("urn:uuid:00000000-0000-0000-0000-0000000000{number:02}")
}

/// A record with nothing but its narrative and origin.
pub(super) fn record(resource_type: &str, id: &str) -> Value {
    json!({
        "resourceType": resource_type,
        "text": {"status": "generated", "div": "<div xmlns=\"http://www.w3.org/1999/xhtml\">x</div>"},
        "identifier": [{"system": ORIGIN_SYSTEM, "value": format!("ON/{resource_type}/{id}")}],
    })
}

fn filled(resource_type: &str, id: &str, members: Value) -> Value {
    let mut resource = record(resource_type, id);
    let (Value::Object(object), Value::Object(members)) = (&mut resource, members) else {
        panic!("a record is an object");
    };
    object.extend(members);
    resource
}

/// A package that breaks no rule: patient, two doses, provenance, the clinic.
pub(super) fn package() -> Value {
    let patient = filled(
        "Patient",
        "1",
        json!({
            "identifier": [
                {"system": ORIGIN_SYSTEM, "value": "ON/Patient/1"},
                {"system": "https://fhir.infoway-inforoute.ca/NamingSystem/ca-on-patient-hcn", "value": "1234567897"},
            ],
            "birthDate": "2000-01-02",
        }),
    );
    let dose = |id: &str, cvx: &str| {
        filled(
            "Immunization",
            id,
            json!({
                "status": "completed",
                "vaccineCode": {"coding": [{"system": "http://hl7.org/fhir/sid/cvx", "code": cvx}]},
                "patient": {"reference": url(0)},
                "occurrenceDateTime": "2010-03-04",
                "primarySource": true,
            }),
        )
    };
    let mut provenance = record("Provenance", "0");
    provenance["target"] = json!([{"reference": url(0)}]);
    provenance["recorded"] = json!("2026-06-02T11:00:00Z");
    provenance["agent"] = json!([{"who": {"display": "x"}}]);
    provenance.as_object_mut().expect("an object").remove("identifier");
    let clinic = filled("Organization", "4", json!({"name": "Clinic"}));
    let mut first = dose("10", "03");
    first["performer"] = json!([{"actor": {"reference": url(4)}}]);
    let resources = [patient, first, dose("11", "21"), provenance, clinic];
    let entries = (0..).zip(resources).map(|(n, resource)| json!({"fullUrl": url(n), "resource": resource}));
    json!({"resourceType": "Bundle", "type": "collection", "entry": entries.collect::<Vec<_>>()})
}

/// The package with other values (null: none) at some JSON pointers.
pub(super) fn example(changes: &[(&str, Value)]) -> Value {
    let mut package = package();
    for (pointer, value) in changes {
        let (parent, name) = pointer.rsplit_once('/').expect("a pointer");
        match package.pointer_mut(parent).expect("a parent") {
            Value::Object(object) if value.is_null() => drop(object.remove(name)),
            Value::Object(object) => drop(object.insert(name.to_owned(), value.clone())),
            Value::Array(list) => list[name.parse::<usize>().expect("an index")] = value.clone(),
            _ => panic!("nothing can stand at {pointer}"),
        }
    }
    package
}

/// Asserts that each change makes the package break the rule at the place, so that it is refused.
pub(super) fn assert_cases(cases: &[(u8, &str, Value, &str)]) {
    for (rule, pointer, value, place) in cases {
        let findings = check_package(&example(&[(pointer, value.clone())]), now());
        let is_found =
            findings.iter().any(|f| f.rule == *rule && f.kind.refuses() && f.issue.expression == *place);
        assert!(is_found, "rule {rule}, {pointer} = {value}: {findings:?}");
    }
}

#[test]
fn the_package_breaks_no_rule() {
    assert_eq!(check_bundle(&package(), &Limits::default()), []);
    assert_eq!(check_package(&package(), now()), []);
}

#[test]
fn what_is_no_package_is_reported_without_failing() {
    for wrong in [json!(null), json!([]), json!({"entry": 3}), json!({"entry": [1, {"resource": []}]})] {
        assert!(check_package(&wrong, now()).iter().any(|finding| finding.kind.refuses()), "{wrong}");
    }
}
