//! Documents written by hand, each broken in one way, and what the gate says of them.

use serde_json::{Value, json};

use super::check_resource;
use crate::IssueCode;
use crate::IssueCode::{CodeInvalid, Extension, Invariant, NotSupported, Required, Structure};

pub(super) fn patient() -> Value {
    json!({
        "resourceType": "Patient",
        "id": "p1",
        "meta": {"profile": ["http://a.example/p"]},
        "text": {"status": "generated", "div": "<div xmlns=\"http://www.w3.org/1999/xhtml\">x</div>"},
        "extension": [{"url": "http://a.example/e", "valueDecimal": 0.30}],
        "identifier": [{"system": "http://a.example/n", "value": "1", "period": {"start": "2020", "end": "2021-03"}}],
        "active": true,
        "name": [{"family": "É", "given": ["A", null], "_given": [null, {"extension": [
            {"url": "http://a.example/e", "valueCode": "x"}]}]}],
        "telecom": [{"system": "phone", "value": "1"}],
        "gender": "female",
        "birthDate": "1980-02-29",
        "_birthDate": {"extension": [{"url": "http://a.example/t", "valueDateTime": "1980-02-29T10:00:00-05:00"}]},
        "multipleBirthInteger": 2,
        "contact": [{"name": {"text": "x"}}],
        "link": [{"other": {"reference": "Patient/2"}, "type": "seealso"}],
        "managingOrganization": {"reference": "#o"},
        "contained": [{"resourceType": "Organization", "id": "o", "name": "Clinic"}],
    })
}

pub(super) fn immunization() -> Value {
    json!({
        "resourceType": "Immunization",
        "status": "completed",
        "vaccineCode": {"coding": [{"system": "http://hl7.org/fhir/sid/cvx", "code": "03"}]},
        "patient": {"reference": "Patient/p1"},
        "occurrenceDateTime": "2020-03-04",
        "doseQuantity": {"value": 0.50, "system": "http://unitsofmeasure.org", "code": "mL"},
        "performer": [{"actor": {"reference": "Practitioner/1"}}],
        "education": [{"documentType": "x"}],
        "reaction": [{"detail": {"reference": "Observation/1"}}],
        "protocolApplied": [{"doseNumberPositiveInt": 1}],
    })
}

pub(super) fn allergy() -> Value {
    let coding = |kind: &str, code: &str| {
        json!({"coding": [{"system": format!("http://terminology.hl7.org/CodeSystem/allergyintolerance-{kind}"),
            "code": code}]})
    };
    json!({
        "resourceType": "AllergyIntolerance",
        "clinicalStatus": coding("clinical", "active"),
        "verificationStatus": coding("verification", "confirmed"),
        "patient": {"reference": "Patient/p1"},
        "reaction": [{"manifestation": [{"text": "hives"}]}],
    })
}

fn provenance() -> Value {
    json!({
        "resourceType": "Provenance",
        "target": [{"reference": "Patient/p1"}],
        "recorded": "2020-03-04T05:06:07.008Z",
        "agent": [{"who": {"display": "x"}}],
        "entity": [{"role": "source", "what": {"display": "y"}}],
    })
}

/// Sets (or, with null, removes) what stands at a JSON pointer.
pub(super) fn with(mut document: Value, pointer: &str, value: Value) -> Value {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    match document.pointer_mut(parent).unwrap() {
        Value::Object(object) if value.is_null() => drop(object.remove(name)),
        Value::Object(object) => drop(object.insert(name.to_owned(), value)),
        Value::Array(list) => list[name.parse::<usize>().unwrap()] = value,
        _ => panic!("nothing can stand at {pointer}"),
    }
    document
}

#[test]
fn the_documents_pass_before_they_are_broken() {
    for document in [patient(), immunization(), allergy(), provenance()] {
        assert_eq!(check_resource(&document), []);
    }
}

pub(super) type Case = (fn() -> Value, &'static str, Value, IssueCode, &'static str);

pub(super) fn assert_broken(cases: Vec<Case>) {
    for (document, pointer, value, code, expression) in cases {
        let label = format!("{pointer} = {value}");
        let issues = check_resource(&with(document(), pointer, value));
        let found: Vec<_> = issues.iter().map(|issue| (issue.code, issue.expression.as_str())).collect();
        assert!(found.contains(&(code, expression)), "{label}: {issues:?}");
    }
}

#[test]
fn wrong_formats_are_found() {
    let value = IssueCode::Value;
    assert_broken(vec![
        (patient, "/birthDate", json!("01/02/2024"), value, "Patient.birthDate"),
        (patient, "/birthDate", json!("2023-02-30"), value, "Patient.birthDate"),
        (patient, "/birthDate", json!("1980-02-29T00:00:00Z"), value, "Patient.birthDate"),
        (patient, "/birthDate", json!(""), value, "Patient.birthDate"),
        (patient, "/id", json!("p_1"), value, "Patient.id"),
        (patient, "/id", json!("a/b"), value, "Patient.id"),
        (patient, "/id", json!("x".repeat(65)), value, "Patient.id"),
        (patient, "/multipleBirthInteger", json!(1.5), value, "Patient.multipleBirthInteger"),
        (patient, "/identifier/0/system", json!("a b"), value, "Patient.identifier[0].system"),
        (
            immunization,
            "/occurrenceDateTime",
            json!("2020-03-04T10:22-05:00"),
            value,
            "Immunization.occurrenceDateTime",
        ),
        (
            immunization,
            "/occurrenceDateTime",
            json!("2020-03-04T10:22:00"),
            value,
            "Immunization.occurrenceDateTime",
        ),
        (
            immunization,
            "/protocolApplied/0/doseNumberPositiveInt",
            json!(0),
            value,
            "Immunization.protocolApplied[0].doseNumberPositiveInt",
        ),
        (provenance, "/recorded", json!("2020-03-04"), value, "Provenance.recorded"),
    ]);
}

#[test]
fn wrong_shapes_are_found_at_any_depth() {
    assert_broken(vec![
        (patient, "/active", json!("true"), Structure, "Patient.active"),
        (patient, "/name", json!({"family": "x"}), Structure, "Patient.name"),
        (patient, "/name/0/given", json!("x"), Structure, "Patient.name[0].given"),
        (patient, "/gender", json!(["female"]), Structure, "Patient.gender"),
        (patient, "/contact/0/name", json!([{"text": "x"}]), Structure, "Patient.contact[0].name"),
        (patient, "/contact/0/name", json!("x"), Structure, "Patient.contact[0].name"),
        (patient, "/birthDate", json!(1980), Structure, "Patient.birthDate"),
        (patient, "/extension/0/valueDecimal", json!("0.3"), Structure, "Patient.extension[0].valueDecimal"),
        (patient, "/_birthDate", json!("x"), Structure, "Patient.birthDate"),
        (patient, "/_birthDate/note", json!("x"), Structure, "Patient.birthDate.note"),
        (patient, "/_name", json!({"id": "x"}), Structure, "Patient._name"),
        (patient, "/_id", json!({"id": "x"}), Structure, "Patient._id"),
        (patient, "/favouriteColour", json!("x"), Structure, "Patient.favouriteColour"),
        (patient, "/resourceType", json!("Pateint"), NotSupported, "Pateint"),
        (patient, "/resourceType", json!(3), NotSupported, "Resource"),
        (patient, "/resourceType", Value::Null, Structure, "Resource"),
        (patient, "/name/0/resourceType", json!("HumanName"), Structure, "Patient.name[0].resourceType"),
        (patient, "/contained/0/colour", json!("x"), Structure, "Patient.contained[0].colour"),
        (immunization, "/vaccineCode", json!([{"text": "x"}]), Structure, "Immunization.vaccineCode"),
        (
            immunization,
            "/vaccineCode/coding",
            json!({"code": "03"}),
            Structure,
            "Immunization.vaccineCode.coding",
        ),
        (
            immunization,
            "/vaccineCode/coding/0/kode",
            json!("x"),
            Structure,
            "Immunization.vaccineCode.coding[0].kode",
        ),
        (
            immunization,
            "/doseQuantity/comparator",
            json!("<"),
            Structure,
            "Immunization.doseQuantity.comparator",
        ),
        (immunization, "/doseQuantity/value", json!("0.5"), Structure, "Immunization.doseQuantity.value"),
    ]);
}

#[test]
fn missing_and_surplus_elements_are_found() {
    assert_broken(vec![
        (immunization, "/status", Value::Null, Required, "Immunization.status"),
        (immunization, "/vaccineCode", Value::Null, Required, "Immunization.vaccineCode"),
        (immunization, "/patient", Value::Null, Required, "Immunization.patient"),
        (immunization, "/occurrenceDateTime", Value::Null, Required, "Immunization.occurrence"),
        (immunization, "/occurrenceString", json!("in May"), Structure, "Immunization.occurrence"),
        (
            immunization,
            "/_occurrenceString",
            json!({"extension": [{"url": "x", "valueCode": "y"}]}),
            Structure,
            "Immunization.occurrence",
        ),
        (
            immunization,
            "/performer/0",
            json!({"function": {"text": "x"}}),
            Required,
            "Immunization.performer[0].actor",
        ),
        (
            immunization,
            "/protocolApplied/0",
            json!({"series": "x"}),
            Required,
            "Immunization.protocolApplied[0].doseNumber",
        ),
        (allergy, "/patient", Value::Null, Required, "AllergyIntolerance.patient"),
        (
            allergy,
            "/reaction/0",
            json!({"description": "x"}),
            Required,
            "AllergyIntolerance.reaction[0].manifestation",
        ),
        (patient, "/link/0/type", Value::Null, Required, "Patient.link[0].type"),
        (patient, "/extension/0/url", Value::Null, Required, "Patient.extension[0].url"),
        (provenance, "/target", Value::Null, Required, "Provenance.target"),
        (provenance, "/recorded", Value::Null, Required, "Provenance.recorded"),
        (provenance, "/agent", Value::Null, Required, "Provenance.agent"),
        (provenance, "/agent/0", json!({"type": {"text": "x"}}), Required, "Provenance.agent[0].who"),
        (provenance, "/entity/0/role", Value::Null, Required, "Provenance.entity[0].role"),
        (provenance, "/entity/0/what", Value::Null, Required, "Provenance.entity[0].what"),
    ]);
}

#[test]
fn codes_outside_required_bindings_are_found() {
    assert_broken(vec![
        (patient, "/gender", json!("Female"), CodeInvalid, "Patient.gender"),
        (patient, "/link/0/type", json!("same"), CodeInvalid, "Patient.link[0].type"),
        (patient, "/telecom/0/system", json!("telephone"), CodeInvalid, "Patient.telecom[0].system"),
        (immunization, "/status", json!("done"), CodeInvalid, "Immunization.status"),
        (
            allergy,
            "/clinicalStatus/coding/0/code",
            json!("ok"),
            CodeInvalid,
            "AllergyIntolerance.clinicalStatus",
        ),
        (
            allergy,
            "/clinicalStatus",
            json!({"text": "active"}),
            CodeInvalid,
            "AllergyIntolerance.clinicalStatus",
        ),
        (allergy, "/category", json!(["pollen"]), CodeInvalid, "AllergyIntolerance.category[0]"),
        (provenance, "/entity/0/role", json!("origin"), CodeInvalid, "Provenance.entity[0].role"),
    ]);
}

#[test]
fn broken_invariants_are_found() {
    let verification = json!({"coding": [{
        "system": "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification", "code": "entered-in-error"}]});
    assert_broken(vec![
        (patient, "/name/0", json!({}), Invariant, "Patient.name[0]"),
        (patient, "/name/0", json!({"id": "x"}), Invariant, "Patient.name[0]"),
        (patient, "/name", json!([]), Invariant, "Patient.name"),
        (patient, "/name/0/_given", json!([{"id": "x"}]), Invariant, "Patient.name[0].given[1]"),
        (patient, "/_gender", json!({}), Invariant, "Patient.gender"),
        (patient, "/extension/0", json!({"url": "x"}), Invariant, "Patient.extension[0]"),
        (
            patient,
            "/extension/0/extension",
            json!([{"url": "y", "valueCode": "z"}]),
            Invariant,
            "Patient.extension[0]",
        ),
        (patient, "/contact/0", json!({"gender": "male"}), Invariant, "Patient.contact[0]"),
        (patient, "/identifier/0/period/end", json!("2019-12-31"), Invariant, "Patient.identifier[0].period"),
        (patient, "/telecom/0/system", Value::Null, Invariant, "Patient.telecom[0].system"),
        (
            patient,
            "/managingOrganization/reference",
            json!("#x"),
            Invariant,
            "Patient.managingOrganization.reference",
        ),
        (patient, "/managingOrganization", Value::Null, Invariant, "Patient.contained[0]"),
        (
            patient,
            "/contained/0/contained",
            json!([{"resourceType": "Patient", "id": "q"}]),
            Invariant,
            "Patient.contained[0].contained",
        ),
        (
            patient,
            "/contained/0/meta",
            json!({"versionId": "1"}),
            Invariant,
            "Patient.contained[0].meta.versionId",
        ),
        (
            patient,
            "/contained/0/meta",
            json!({"lastUpdated": "2020-01-01T00:00:00Z"}),
            Invariant,
            "Patient.contained[0].meta.lastUpdated",
        ),
        (
            patient,
            "/contained/0/meta",
            json!({"security": [{"code": "R"}]}),
            Invariant,
            "Patient.contained[0].meta.security",
        ),
        (
            patient,
            "/text/div",
            json!("<div xmlns=\"http://www.w3.org/1999/xhtml\"><script>x</script></div>"),
            Invariant,
            "Patient.text.div",
        ),
        (
            patient,
            "/text/div",
            json!("<div xmlns=\"http://www.w3.org/1999/xhtml\"> </div>"),
            Invariant,
            "Patient.text.div",
        ),
        (
            immunization,
            "/education/0",
            json!({"publicationDate": "2020"}),
            Invariant,
            "Immunization.education[0]",
        ),
        (immunization, "/doseQuantity/system", Value::Null, Invariant, "Immunization.doseQuantity.system"),
        (allergy, "/clinicalStatus", Value::Null, Invariant, "AllergyIntolerance.clinicalStatus"),
        (allergy, "/verificationStatus", verification, Invariant, "AllergyIntolerance.clinicalStatus"),
    ]);
}

#[test]
fn wrong_reference_targets_are_found() {
    assert_broken(vec![
        (immunization, "/patient/reference", json!("Group/1"), Structure, "Immunization.patient.reference"),
        (
            immunization,
            "/patient/reference",
            json!("http://x/fhir/Group/1"),
            Structure,
            "Immunization.patient.reference",
        ),
        (
            immunization,
            "/patient",
            json!({"reference": "urn:uuid:x", "type": "Group"}),
            Structure,
            "Immunization.patient.reference",
        ),
        (
            immunization,
            "/patient",
            json!({"reference": "Patient/1", "type": "Group"}),
            Structure,
            "Immunization.patient.type",
        ),
        (
            immunization,
            "/reaction/0/detail/reference",
            json!("Patient/1"),
            Structure,
            "Immunization.reaction[0].detail.reference",
        ),
        (patient, "/link/0/other/reference", json!("#o"), Structure, "Patient.link[0].other.reference"),
    ]);
}

#[test]
fn modifiers_that_nobody_understands_are_found_at_any_depth() {
    let modifier = json!([{"url": "http://a.example/m", "valueBoolean": true}]);
    assert_broken(vec![
        (patient, "/modifierExtension", modifier.clone(), Extension, "Patient.modifierExtension"),
        (patient, "/implicitRules", json!("http://a.example/r"), Extension, "Patient.implicitRules"),
        (
            patient,
            "/contact/0/modifierExtension",
            modifier.clone(),
            Extension,
            "Patient.contact[0].modifierExtension",
        ),
        (
            patient,
            "/contained/0/implicitRules",
            json!("http://a.example/r"),
            Extension,
            "Patient.contained[0].implicitRules",
        ),
        (
            immunization,
            "/protocolApplied/0/modifierExtension",
            modifier,
            Extension,
            "Immunization.protocolApplied[0].modifierExtension",
        ),
    ]);
}

#[test]
fn a_required_primitive_may_say_why_it_is_absent() {
    let absent = json!({"extension": [{
        "url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}]});
    let document = with(immunization(), "/occurrenceDateTime", Value::Null);
    let document = with(document, "/_occurrenceDateTime", absent);
    assert_eq!(check_resource(&document), []);
}

#[test]
fn no_issue_repeats_a_value_of_the_document() {
    for pointer in ["/birthDate", "/gender", "/id", "/name/0/family", "/Sekret Person", "/telecom/0/system"] {
        let issues = check_resource(&with(patient(), pointer, json!("Sekret Person\u{1}")));
        assert!(!issues.is_empty(), "{pointer}");
        assert!(!format!("{issues:?}").contains("Sekret"), "{issues:?}");
    }
}
