//! What a package is made of (rules 5, 6, 23): the Bundle, the types in it, and each record's origin.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::Findings;
use crate::IssueCode::{BusinessRule, Duplicate, NotSupported, Required, Structure, Value as WrongValue};
use crate::gate::path::Path;
use crate::gate::primitives::is_uuid_urn;
use crate::gate::type_of;
use crate::origin::{self, ORIGIN_SYSTEM, OriginRecord};

/// One entry that holds a resource.
pub(super) struct Entry<'a> {
    pub index: usize,
    pub full_url: Option<&'a str>,
    pub resource_type: &'a str,
    pub resource: &'a Value,
}

/// The entries of a Bundle, found by their `fullUrl`.
pub(super) struct Package<'a> {
    pub entries: Vec<Entry<'a>>,
    by_full_url: HashMap<&'a str, usize>,
}

impl<'a> Package<'a> {
    pub fn read(bundle: &'a Value) -> Self {
        let (mut entries, mut by_full_url) = (Vec::new(), HashMap::new());
        for (index, entry) in list(bundle).iter().enumerate() {
            let Some(resource) = entry.get("resource") else { continue };
            let full_url = entry.get("fullUrl").and_then(Value::as_str);
            let resource_type = type_of(resource).unwrap_or_default();
            if let Some(full_url) = full_url {
                by_full_url.entry(full_url).or_insert(entries.len());
            }
            entries.push(Entry { index, full_url, resource_type, resource });
        }
        Self { entries, by_full_url }
    }

    /// Finds the place in `entries` of what a `fullUrl` names.
    pub fn find(&self, full_url: &str) -> Option<usize> {
        self.by_full_url.get(full_url).copied()
    }

    /// Goes through the entries of one type, with the path of the resource.
    pub fn each<'p>(&'p self, resource_type: &'p str, mut visit: impl FnMut(&'p Entry<'a>, &Path<'_>)) {
        for entry in self.entries.iter().filter(|entry| entry.resource_type == resource_type) {
            entry.at(|path| visit(entry, path));
        }
    }
}

impl Entry<'_> {
    /// Calls `visit` with the path of the resource.
    pub fn at(&self, visit: impl FnOnce(&Path<'_>)) {
        let root = Path::root("Bundle");
        let list = root.field("entry");
        let entry = list.index(self.index);
        visit(&entry.field("resource"));
    }
}

fn list(bundle: &Value) -> &[Value] {
    bundle.get("entry").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

pub(super) fn check(package: &Package<'_>, bundle: &Value, findings: &mut Findings) {
    check_bundle(bundle, findings);
    check_types(package, findings);
    check_origins(package, findings);
}

fn check_bundle(bundle: &Value, findings: &mut Findings) {
    let root = Path::root("Bundle");
    if bundle.get("type").and_then(Value::as_str) != Some("collection") {
        findings.reject(5, NotSupported, &root.field("type"), "only a collection is accepted");
    }
    let entries = list(bundle);
    let path = root.field("entry");
    if entries.is_empty() {
        findings.reject(5, Required, &path, "a package has entries");
    }
    let mut seen = HashSet::new();
    for (index, entry) in entries.iter().enumerate() {
        let here = path.index(index);
        let Some(resource) = entry.get("resource") else {
            findings.reject(5, Required, &here.field("resource"), "an entry has a resource");
            continue;
        };
        let here = here.field("fullUrl");
        match entry.get("fullUrl").and_then(Value::as_str) {
            None => findings.reject(5, Required, &here, "an entry has a fullUrl"),
            Some(full_url) if !is_absolute(full_url) => {
                let text =
                    "a fullUrl is urn:uuid: with a UUID in lower case, or an http URL without a version";
                findings.reject(5, WrongValue, &here, text);
            }
            Some(full_url) if !seen.insert(full_url) => {
                findings.reject(23, Duplicate, &here, "another entry has this fullUrl");
            }
            Some(full_url) if contradicts_id(full_url, resource) => {
                findings.reject(5, Structure, &here, "is not the URL of a resource of this type and id");
            }
            Some(_) => {}
        }
    }
}

fn is_absolute(full_url: &str) -> bool {
    let is_http = full_url.starts_with("https://") || full_url.starts_with("http://");
    is_uuid_urn(full_url) || (is_http && !full_url.contains("/_history/"))
}

fn contradicts_id(full_url: &str, resource: &Value) -> bool {
    let (Some(id), Some(resource_type)) = (resource.get("id").and_then(Value::as_str), type_of(resource))
    else {
        return false;
    };
    full_url.starts_with("http") && !full_url.ends_with(&format!("/{resource_type}/{id}"))
}

const MAIN: &[&str] = &["Patient", "Immunization", "AllergyIntolerance", "Provenance"];
/// Types that come along only because something refers to them.
pub(super) const COMPANIONS: &[&str] = &["Organization", "Practitioner", "Location", "Observation"];

fn check_types(package: &Package<'_>, findings: &mut Findings) {
    let patients = package.entries.iter().filter(|entry| entry.resource_type == "Patient").count();
    if patients != 1 {
        let root = Path::root("Bundle");
        findings.reject(6, BusinessRule, &root.field("entry"), "a package holds exactly one Patient");
    }
    for entry in &package.entries {
        if !MAIN.contains(&entry.resource_type) && !COMPANIONS.contains(&entry.resource_type) {
            entry.at(|path| {
                findings.reject(6, NotSupported, path, "this type of resource is not transferred");
            });
        }
    }
}

fn check_origins(package: &Package<'_>, findings: &mut Findings) {
    let mut seen: HashMap<OriginRecord, usize> = HashMap::new();
    for entry in package.entries.iter().filter(|entry| entry.resource_type != "Provenance") {
        entry.at(|path| check_own_origins(entry, path, findings));
        for origin in origin::origins(entry.resource) {
            if *seen.entry(origin).or_insert(entry.index) != entry.index {
                let text = "another resource of the package has this origin record";
                entry.at(|path| findings.reject(23, Duplicate, &path.field("identifier"), text));
            }
        }
    }
}

fn check_own_origins(entry: &Entry<'_>, path: &Path<'_>, findings: &mut Findings) {
    let list = path.field("identifier");
    // Location and others have a list of identifiers; a single one (as a Bundle has) is no record's origin.
    let identifiers = entry.resource.get("identifier").and_then(Value::as_array);
    let mut has_origin = false;
    for (index, identifier) in identifiers.into_iter().flatten().enumerate() {
        if identifier.get("system").and_then(Value::as_str) != Some(ORIGIN_SYSTEM) {
            continue;
        }
        has_origin = true;
        let here = list.index(index);
        match origin::origin_of_identifier(identifier) {
            None => findings.reject(23, WrongValue, &here, "an origin record is CODE/Type/id"),
            Some(origin) if origin.resource_type != entry.resource_type => {
                findings.reject(
                    23,
                    WrongValue,
                    &here,
                    "the origin record is of another type than the resource",
                );
            }
            Some(_) => {}
        }
    }
    if !has_origin {
        findings.reject(23, Required, &list, "origin missing");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::rules::example::{assert_cases, package, record};

    #[test]
    fn only_collections_of_resources_with_absolute_urls_are_accepted() {
        assert_cases(&[
            (5, "/type", json!("transaction"), "Bundle.type"),
            (5, "/entry", json!(null), "Bundle.entry"),
            (5, "/entry/1/resource", json!(null), "Bundle.entry[1].resource"),
            (5, "/entry/1/fullUrl", json!(null), "Bundle.entry[1].fullUrl"),
            (5, "/entry/1/fullUrl", json!("Immunization/1"), "Bundle.entry[1].fullUrl"),
            (5, "/entry/1/fullUrl", json!("resource:0"), "Bundle.entry[1].fullUrl"),
            (5, "/entry/1/fullUrl", json!("urn:uuid:1"), "Bundle.entry[1].fullUrl"),
            (
                5,
                "/entry/1/fullUrl",
                json!("http://x/fhir/Immunization/1/_history/1"),
                "Bundle.entry[1].fullUrl",
            ),
            (
                5,
                "/entry/1",
                json!({"fullUrl": "http://x/fhir/Immunization/2", "resource": {
                "resourceType": "Immunization", "id": "1"}}),
                "Bundle.entry[1].fullUrl",
            ),
        ]);
    }

    #[test]
    fn one_patient_and_only_what_belongs_to_a_transfer() {
        let patient = record("Patient", "2");
        assert_cases(&[
            (6, "/entry/0/resource", record("Organization", "9"), "Bundle.entry"),
            (6, "/entry/1/resource", patient, "Bundle.entry"),
            (6, "/entry/1/resource", record("AuditEvent", "9"), "Bundle.entry[1].resource"),
            (6, "/entry/1/resource", record("PractitionerRole", "9"), "Bundle.entry[1].resource"),
        ]);
    }

    #[test]
    fn every_record_says_once_whose_it_is() {
        let origin = |value: &str| json!([{"system": ORIGIN_SYSTEM, "value": value}]);
        let first = package()["entry"][0]["fullUrl"].clone();
        assert_cases(&[
            (23, "/entry/1/resource/identifier", json!(null), "Bundle.entry[1].resource.identifier"),
            (
                23,
                "/entry/1/resource/identifier",
                json!([{"system": "http://a.example", "value": "1"}]),
                "Bundle.entry[1].resource.identifier",
            ),
            (
                23,
                "/entry/1/resource/identifier",
                origin("ON/Immunization"),
                "Bundle.entry[1].resource.identifier[0]",
            ),
            (
                23,
                "/entry/1/resource/identifier",
                origin("ON/Patient/1"),
                "Bundle.entry[1].resource.identifier[0]",
            ),
            (
                23,
                "/entry/2/resource/identifier",
                origin("ON/Immunization/10"),
                "Bundle.entry[2].resource.identifier",
            ),
            (23, "/entry/1/fullUrl", first, "Bundle.entry[1].fullUrl"),
        ]);
    }

    #[test]
    fn a_patient_may_carry_the_origins_of_several_provinces() {
        let mut package = package();
        let extra = json!({"system": ORIGIN_SYSTEM, "value": "QC/Patient/5"});
        package["entry"][0]["resource"]["identifier"].as_array_mut().unwrap().push(extra);
        assert_eq!(super::super::check_package(&package, crate::rules::example::now()), []);
    }
}
