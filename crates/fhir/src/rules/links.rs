//! Where references lead (rules 6 and 10): into the package, and to its one patient.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::Findings;
use super::package::{COMPANIONS, Entry, Package};
use crate::IssueCode::{BusinessRule, NotFound, NotSupported, Required};
use crate::gate::path::Path;
use crate::references::{self, Target};

pub(super) fn check(package: &Package<'_>, findings: &mut Findings) {
    let mut reached = HashSet::new();
    for (place, entry) in package.entries.iter().enumerate() {
        entry.at(|path| {
            let mut check = Check { package, entry, findings, reached: &mut reached, place };
            check.value(entry.resource, "", path);
            check.subject(path);
        });
    }
    for (place, entry) in package.entries.iter().enumerate() {
        if COMPANIONS.contains(&entry.resource_type) && !reached.contains(&place) {
            let text = "nothing in the package refers to this resource";
            entry.at(|path| findings.reject(6, BusinessRule, path, text));
        }
    }
}

/// Finds the entry that a reference in `from` names, by the rules of R4 for Bundles; `None` when it is not inside.
///
/// A relative reference is read against the base of the entry's own `fullUrl`; beside a `urn:uuid:` there is none.
fn resolve(package: &Package<'_>, from: &Entry<'_>, reference: &str) -> Option<usize> {
    match references::target(reference) {
        Target::Urn(urn) => package.find(urn),
        Target::Absolute { url, .. } => package.find(url),
        Target::Relative { resource_type, id } => {
            let own = from.full_url?;
            match references::target(own) {
                Target::Absolute { url, resource_type: own_type, id: own_id } => {
                    let base = url.strip_suffix(&format!("{own_type}/{own_id}"))?;
                    package.find(&format!("{base}{resource_type}/{id}"))
                }
                _ => None,
            }
        }
        Target::Contained(_) | Target::Conditional(_) | Target::Other(_) => None,
    }
}

struct Check<'c, 'a> {
    package: &'c Package<'a>,
    entry: &'c Entry<'a>,
    findings: &'c mut Findings,
    /// Places of the entries that something else refers to.
    reached: &'c mut HashSet<usize>,
    place: usize,
}

impl Check<'_, '_> {
    /// Goes through all references in a value that stands in the member `key`.
    fn value(&mut self, value: &Value, key: &str, path: &Path<'_>) {
        match value {
            Value::Object(object) => {
                let is_uri = key == "education" || object.contains_key("resourceType");
                if let Some(text) = object.get("reference").and_then(Value::as_str).filter(|_| !is_uri) {
                    self.reference(text, &path.field("reference"));
                }
                for (name, member) in object {
                    self.value(member, name, &path.field(name));
                }
            }
            Value::Array(list) => {
                for (index, item) in list.iter().enumerate() {
                    self.value(item, key, &path.index(index));
                }
            }
            _ => {}
        }
    }

    fn reference(&mut self, text: &str, path: &Path<'_>) {
        match references::target(text) {
            Target::Contained(_) => return, // the gate has seen to it
            Target::Conditional(_) => {
                let text = "a search is no reference in a package";
                return self.findings.reject(10, NotSupported, path, text);
            }
            _ => {}
        }
        match resolve(self.package, self.entry, text) {
            Some(place) if place == self.place => {}
            Some(place) => drop(self.reached.insert(place)),
            None => {
                let text =
                    "refers to nothing in the package; what stays behind is named by its origin record";
                self.findings.reject(10, NotFound, path, text);
            }
        }
    }

    /// Checks that a record about a person is about the person of the package.
    fn subject(&mut self, path: &Path<'_>) {
        let name = match self.entry.resource_type {
            "Immunization" | "AllergyIntolerance" => "patient",
            "Observation" => "subject",
            _ => return,
        };
        let subject = self.entry.resource.get(name).and_then(Value::as_object);
        if subject.is_none() && name == "subject" {
            return;
        }
        let text =
            subject.and_then(|subject: &Map<String, Value>| subject.get("reference")).and_then(Value::as_str);
        let here = path.field(name);
        let Some(text) = text else {
            let text = "refers to the Patient of the package by a literal reference";
            return self.findings.reject(10, Required, &here, text);
        };
        let found = resolve(self.package, self.entry, text).and_then(|place| self.package.entries.get(place));
        if found.is_some_and(|entry| entry.resource_type != "Patient") || text.starts_with('#') {
            self.findings.reject(
                10,
                BusinessRule,
                &here.field("reference"),
                "is not the Patient of the package",
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::rules::check_package;
    use crate::rules::example::{assert_cases, example, now, package, record};

    #[test]
    fn a_reference_that_leads_out_of_the_package_is_refused() {
        let place = "Bundle.entry[1].resource.patient.reference";
        let at = "/entry/1/resource/patient/reference";
        assert_cases(&[
            (10, at, json!("Patient/1"), place),
            (10, at, json!("http://x/fhir/Patient/1"), place),
            (10, at, json!("Patient/1/_history/2"), place),
            (10, at, json!("urn:uuid:00000000-0000-0000-0000-00000000ffff"), place),
            (10, at, json!("Group/1"), place),
            (10, at, json!("#p"), place),
            (10, at, json!("Patient?identifier=a|b"), place),
            (10, at, json!("resource:0"), place),
            (10, at, package()["entry"][4]["fullUrl"].clone(), place),
            (10, "/entry/1/resource/patient", json!({"display": "x"}), "Bundle.entry[1].resource.patient"),
            (
                10,
                "/entry/1/resource/encounter",
                json!({"reference": "Encounter/55"}),
                "Bundle.entry[1].resource.encounter.reference",
            ),
            (
                10,
                "/entry/0/resource/link",
                json!([{"other": {"reference": "Patient/2"}, "type": "seealso"}]),
                "Bundle.entry[0].resource.link[0].other.reference",
            ),
            (
                10,
                "/entry/3/resource/target/0/reference",
                json!("Immunization/10"),
                "Bundle.entry[3].resource.target[0].reference",
            ),
        ]);
    }

    #[test]
    fn urls_resolve_by_the_rules_of_r4() {
        let mut package = package();
        package["entry"][0]["fullUrl"] = json!("http://x/fhir/Patient/1");
        package["entry"][1]["fullUrl"] = json!("http://x/fhir/Immunization/10");
        for entry in [2, 3] {
            let name = if entry == 2 { "/patient/reference" } else { "/target/0/reference" };
            *package["entry"][entry]["resource"].pointer_mut(name).unwrap() =
                json!("http://x/fhir/Patient/1");
        }
        for form in [
            "Patient/1",
            "Patient/1/_history/2",
            "http://x/fhir/Patient/1",
            "http://x/fhir/Patient/1/_history/2",
        ] {
            package["entry"][1]["resource"]["patient"]["reference"] = json!(form);
            assert_eq!(check_package(&package, now()), [], "{form}");
        }
        for form in ["Patient/2", "http://y/fhir/Patient/1", "http://x/fhir/r4/Patient/1"] {
            package["entry"][1]["resource"]["patient"]["reference"] = json!(form);
            assert_eq!(check_package(&package, now())[0].rule, 10, "{form}");
        }
    }

    #[test]
    fn logical_references_and_uris_lead_nowhere_and_pass() {
        let package = example(&[
            (
                "/entry/1/resource/encounter",
                json!({"identifier": {"system": "s", "value": "v"}, "display": "Visit"}),
            ),
            ("/entry/1/resource/education", json!([{"reference": "http://a.example/leaflet"}])),
        ]);
        assert_eq!(check_package(&package, now()), []);
    }

    #[test]
    fn companions_come_along_only_when_something_refers_to_them() {
        let organization = record("Organization", "9");
        assert_cases(&[
            (6, "/entry/1/resource/performer", json!(null), "Bundle.entry[4].resource"),
            (6, "/entry/3/resource", organization, "Bundle.entry[3].resource"),
        ]);
    }
}
