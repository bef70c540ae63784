//! Who the person is (rule 17): enough to be recognised by, and health numbers that can be right.

use serde_json::Value;

use super::Findings;
use super::package::Package;
use crate::IssueCode::Required;
use crate::ORIGIN_SYSTEM;
use crate::gate::path::Path;
use crate::identifiers;

pub(super) fn check(package: &Package<'_>, findings: &mut Findings) {
    package.each("Patient", |entry, path| {
        if !can_be_recognised(entry.resource) {
            let text = "needs an identifier with system and value, or name, birth date and gender";
            findings.reject(17, Required, path, text);
        }
        let list = path.field("identifier");
        for (index, identifier) in identifiers_of(entry.resource).iter().enumerate() {
            check_number(identifier, &list.index(index), findings);
        }
    });
}

fn identifiers_of(patient: &Value) -> &[Value] {
    patient.get("identifier").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// The origin record names the record, not the person: it does not count.
fn can_be_recognised(patient: &Value) -> bool {
    let has_number = identifiers_of(patient).iter().any(|identifier| {
        let has = |name| identifier.get(name).and_then(Value::as_str).is_some();
        has("system")
            && has("value")
            && identifier.get("system").and_then(Value::as_str) != Some(ORIGIN_SYSTEM)
    });
    let names = patient.get("name").and_then(Value::as_array);
    let has_name = names
        .into_iter()
        .flatten()
        .any(|name| ["family", "given", "text"].iter().any(|part| name.get(*part).is_some()));
    let has = |name| patient.get(name).is_some();
    has_number || (has_name && has("birthDate") && has("gender"))
}

fn check_number(identifier: &Value, path: &Path<'_>, findings: &mut Findings) {
    let part = |name| identifier.get(name).and_then(Value::as_str);
    if part("use") == Some("old") {
        return;
    }
    let system = part("system").unwrap_or_default();
    if identifiers::is_typed_as_health_number(identifier) && !identifiers::is_health_number(system) {
        let text = "a health number's system is one of the provincial, territorial or federal ones";
        findings.quarantine(17, &path.field("system"), text);
    }
    if part("value").is_some_and(|value| identifiers::fails_check_digit(system, value)) {
        findings.quarantine(17, &path.field("value"), "the health number has a wrong form or check digit");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::ORIGIN_SYSTEM;
    use crate::rules::check_package;
    use crate::rules::example::{assert_cases, example, now, record};

    const ON: &str = "https://fhir.infoway-inforoute.ca/NamingSystem/ca-on-patient-hcn";

    fn with(extra: &Value) -> Value {
        json!([{"system": ORIGIN_SYSTEM, "value": "ON/Patient/1"}, extra])
    }

    fn typed(system: &str) -> Value {
        let kind =
            json!({"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "JHN"}]});
        json!({"type": kind, "system": system, "value": "1234567897"})
    }

    #[test]
    fn a_person_nobody_could_recognise_is_refused() {
        let at = "/entry/0/resource";
        let mut bare = record("Patient", "1");
        let origin = bare["identifier"].clone();
        assert_cases(&[
            (17, at, bare.clone(), "Bundle.entry[0].resource"),
            (
                17,
                at,
                json!({"resourceType": "Patient", "identifier": origin, "name": [{"text": "x"}],
                "birthDate": "1980"}),
                "Bundle.entry[0].resource",
            ),
        ]);
        bare["name"] = json!([{"text": "x"}]);
        bare["birthDate"] = json!("1980");
        bare["gender"] = json!("unknown");
        assert_eq!(check_package(&example(&[(at, bare)]), now()), []);
    }

    #[test]
    fn a_health_number_that_cannot_be_right_is_quarantined() {
        let at = "/entry/0/resource/identifier";
        let wrong = json!({"system": ON, "value": "1234567890"});
        assert_cases(&[
            (17, at, with(&wrong), "Bundle.entry[0].resource.identifier[1].value"),
            (17, at, with(&typed("http://a.example/n")), "Bundle.entry[0].resource.identifier[1].system"),
        ]);
        let mut old = wrong;
        old["use"] = json!("old");
        for right in [
            old,
            typed(ON),
            json!({"system": "http://ehealthontario.ca/fhir/NamingSystem/ca-on-patient-hcn",
            "value": "1234-567-897 AB"}),
        ] {
            assert_eq!(check_package(&example(&[(at, with(&right))]), now()), []);
        }
    }
}
