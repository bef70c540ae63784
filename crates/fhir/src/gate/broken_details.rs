//! What the gate once let through and the FHIR server's validator refused, and what stands beside it and is right.

use serde_json::{Value, json};

use super::broken_documents::{allergy, assert_broken, immunization, patient, with};
use super::check_resource;
use crate::IssueCode::{CodeInvalid, Duplicate, Invariant, Value as Format};

fn absent() -> Value {
    json!({"extension": [{
        "url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}]})
}

#[test]
fn a_reason_for_its_absence_is_no_code_of_a_required_value_set() {
    let without_status = || with(with(immunization(), "/status", Value::Null), "/_status", absent());
    let issues = check_resource(&without_status());
    assert_eq!(
        (issues.len(), issues[0].code, issues[0].expression.as_str()),
        (1, CodeInvalid, "Immunization.status")
    );
    assert_broken(vec![
        (|| with(patient(), "/gender", Value::Null), "/_gender", absent(), CodeInvalid, "Patient.gender"),
        (
            || with(allergy(), "/category", json!(["food", null])),
            "/_category",
            json!([null, absent()]),
            CodeInvalid,
            "AllergyIntolerance.category[1]",
        ),
    ]);
    assert_broken(vec![(
        allergy,
        "/clinicalStatus",
        absent(),
        CodeInvalid,
        "AllergyIntolerance.clinicalStatus",
    )]);
    let beside_a_code = with(patient(), "/_gender", absent());
    assert_eq!(check_resource(&beside_a_code), []);
}

#[test]
fn references_with_blanks_or_to_no_container_are_found() {
    assert_broken(vec![
        (immunization, "/patient/reference", json!("Patient/p1 "), Format, "Immunization.patient.reference"),
        (immunization, "/patient/reference", json!(" "), Format, "Immunization.patient.reference"),
        (
            immunization,
            "/patient/reference",
            json!("Patient/a\u{a0}b"),
            Format,
            "Immunization.patient.reference",
        ),
        (immunization, "/patient/reference", json!("#"), Invariant, "Immunization.patient.reference"),
    ]);
    let contained = json!([{"resourceType": "Observation", "id": "o", "status": "final", "code": {"text": "x"},
        "subject": {"reference": "#"}}]);
    let inside = with(immunization(), "/contained", contained);
    assert_eq!(check_resource(&inside), []);
}

#[test]
fn ids_of_elements_are_told_apart_within_a_resource() {
    assert_broken(vec![
        (patient, "/name/0/id", json!("a b"), Format, "Patient.name[0].id"),
        (patient, "/_birthDate/id", json!("a b"), Format, "Patient.birthDate.id"),
        (
            || with(patient(), "/name/0/id", json!("x")),
            "/telecom/0/id",
            json!("x"),
            Duplicate,
            "Patient.telecom[0].id",
        ),
        (
            || with(patient(), "/name/0/id", json!("x")),
            "/_gender",
            json!({"id": "x"}),
            Duplicate,
            "Patient.name[0].id",
        ),
    ]);
    // The contained resource has the id o, and elements of its own.
    let apart = with(
        with(patient(), "/name/0/id", json!("o")),
        "/contained/0/type",
        json!([{"id": "o", "text": "x"}]),
    );
    assert_eq!(check_resource(&apart), []);
}
