//! Comparing two versions of a record: what of a resource is content, and what is housekeeping.

use std::collections::BTreeSet;

use domain::Jurisdiction;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::origin::{ORIGIN_SYSTEM, OriginRecord, origin_of_identifier};
use crate::references::{self, Target};

/// Removes from `meta` what a FHIR server sets itself: `versionId`, `lastUpdated`, `source`.
pub fn strip_server_meta(resource: &mut Value) {
    let Some(object) = resource.as_object_mut() else { return };
    let Some(meta) = object.get_mut("meta").and_then(Value::as_object_mut) else { return };
    for set_by_server in ["versionId", "lastUpdated", "source"] {
        meta.remove(set_by_server);
        meta.remove(&format!("_{set_by_server}"));
    }
    if meta.is_empty() {
        object.remove("meta");
    }
}

/// Tells whether a Patient carries the marks that closing a source leaves: inactive, and a link of type `refer`
/// to an origin record.
pub fn is_closed(patient: &Value) -> bool {
    closed_to(patient).is_some()
}

/// Returns the record that a closed Patient points to.
pub fn closed_to(patient: &Value) -> Option<OriginRecord> {
    if patient.get("active")?.as_bool()? {
        return None;
    }
    patient.get("link")?.as_array()?.iter().find_map(closing_link)
}

fn closing_link(link: &Value) -> Option<OriginRecord> {
    if link.get("type")?.as_str()? != "refer" {
        return None;
    }
    origin_of_identifier(link.get("other")?.get("identifier")?)
}

/// Marks a Patient closed: `active` false and a link to where the record now lives, instead of any of before.
pub fn close(patient: &mut Value, destination: &OriginRecord) {
    let Some(object) = patient.as_object_mut() else { return };
    take_closing_links(object);
    object.insert("active".into(), Value::Bool(false));
    if let Some(links) = object.entry("link").or_insert_with(|| json!([])).as_array_mut() {
        links.push(json!({
            "other": {"identifier": destination.to_identifier()},
            "type": "refer",
        }));
    }
}

/// Takes the marks of [`close`] away and makes a Patient active that was closed. A link that was left behind when
/// somebody made it active by hand goes as well.
pub fn reopen(patient: &mut Value) {
    let is_closed = is_closed(patient);
    let Some(object) = patient.as_object_mut() else { return };
    if is_closed {
        object.insert("active".into(), Value::Bool(true));
    }
    take_closing_links(object);
}

fn take_closing_links(patient: &mut Map<String, Value>) {
    if let Some(links) = patient.get_mut("link").and_then(Value::as_array_mut) {
        links.retain(|link| closing_link(link).is_none());
        if links.is_empty() {
            patient.remove("link");
        }
    }
}

/// Returns a resource's content: without `id`, `meta`, narrative, origin records and closing marks.
pub fn content(resource: &Value) -> Value {
    let mut content = resource.clone();
    reopen(&mut content);
    let Some(object) = content.as_object_mut() else { return content };
    for housekeeping in ["id", "meta", "text"] {
        object.remove(housekeeping);
    }
    if object.get("active") == Some(&Value::Bool(true)) {
        object.remove("active");
    }
    if let Some(list) = object.get_mut("identifier").and_then(Value::as_array_mut) {
        list.retain(|identifier| identifier.get("system").and_then(Value::as_str) != Some(ORIGIN_SYSTEM));
        if list.is_empty() {
            object.remove("identifier");
        }
    }
    content
}

/// Returns the content of a record as its home province `here` may compare it: a reference to `Type/id` there
/// and a logical reference to `{here}/Type/id` are the same.
pub fn home_content(resource: &Value, here: &Jurisdiction) -> Value {
    let mut content = content(resource);
    references::for_each_mut(&mut content, &mut |reference| {
        if let Some(origin) = home_target(reference, here) {
            reference.remove("reference");
            reference.insert("identifier".into(), origin.to_identifier());
        }
    });
    content
}

fn home_target(reference: &Map<String, Value>, here: &Jurisdiction) -> Option<OriginRecord> {
    let text = reference.get("reference")?.as_str()?;
    match references::target(text) {
        Target::Relative { resource_type, id } => Some(OriginRecord::new(here, resource_type, id)),
        _ => None,
    }
}

/// Returns the SHA-256 of a resource's [`content`], independent of the order of members.
pub fn content_hash(resource: &Value) -> [u8; 32] {
    let mut text = String::new();
    write_sorted(&content(resource), &mut text);
    Sha256::digest(text.as_bytes()).into()
}

fn write_sorted(value: &Value, out: &mut String) {
    match value {
        Value::Object(object) => {
            let mut names: Vec<_> = object.keys().collect();
            names.sort_unstable();
            out.push('{');
            for name in names {
                out.push_str(&Value::from(name.as_str()).to_string());
                out.push(':');
                write_sorted(&object[name], out);
                out.push(',');
            }
            out.push('}');
        }
        Value::Array(list) => {
            out.push('[');
            for child in list {
                write_sorted(child, out);
                out.push(',');
            }
            out.push(']');
        }
        plain => out.push_str(&plain.to_string()),
    }
}

/// Names the elements (of the first level) in which two contents differ, sorted.
pub fn differing_elements(left: &Value, right: &Value) -> Vec<String> {
    let empty = Map::new();
    let (left, right) = (left.as_object().unwrap_or(&empty), right.as_object().unwrap_or(&empty));
    let names: BTreeSet<&String> = left.keys().chain(right.keys()).collect();
    names.into_iter().filter(|name| left.get(*name) != right.get(*name)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_and_reopening_leave_the_content_as_it_was() {
        let bc = OriginRecord::parse("BC/Patient/9").unwrap();
        let other_link = json!({"other": {"reference": "Patient/2"}, "type": "seealso"});
        let open = json!({"resourceType": "Patient", "id": "1", "gender": "male", "link": [other_link]});
        let mut patient = open.clone();
        close(&mut patient, &bc);
        assert_eq!(closed_to(&patient), Some(bc.clone()));
        assert_eq!(content(&patient), content(&open));
        close(&mut patient, &bc);
        assert_eq!(patient["link"].as_array().unwrap().len(), 2);
        reopen(&mut patient);
        assert!(!is_closed(&patient));
        assert_eq!(patient["active"], true);
        assert_eq!(content_hash(&patient), content_hash(&open));
    }

    #[test]
    fn a_patient_made_inactive_by_hand_is_not_reopened() {
        let mut patient = json!({"resourceType": "Patient", "active": false});
        reopen(&mut patient);
        assert_eq!(patient["active"], false);
        assert_ne!(content_hash(&patient), content_hash(&json!({"resourceType": "Patient"})));
    }

    #[test]
    fn a_link_that_was_left_behind_gives_way_to_the_new_one() {
        let (qc, bc) =
            (OriginRecord::parse("QC/Patient/1").unwrap(), OriginRecord::parse("BC/Patient/9").unwrap());
        let mut patient = json!({"resourceType": "Patient", "gender": "male"});
        let open = patient.clone();
        close(&mut patient, &qc);
        patient["active"] = json!(true); // by hand, and the link forgotten
        assert_eq!(content(&patient), content(&open));
        close(&mut patient, &bc);
        assert_eq!(closed_to(&patient), Some(bc));
        assert_eq!(patient["link"].as_array().unwrap().len(), 1);
    }

    #[test]
    fn the_order_of_members_and_server_meta_do_not_matter_but_digits_do() {
        let parse = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        let a = parse(r#"{"a":1.50,"b":[1,2],"meta":{"versionId":"3"}}"#);
        let b = parse(r#"{"b":[1,2],"a":1.50}"#);
        assert_eq!(content_hash(&a), content_hash(&b));
        assert_ne!(content_hash(&a), content_hash(&parse(r#"{"b":[1,2],"a":1.5}"#)));
        assert_ne!(content_hash(&a), content_hash(&parse(r#"{"b":[2,1],"a":1.50}"#)));
    }

    #[test]
    fn a_record_coming_home_equals_itself_though_its_references_became_logical() {
        let on = Jurisdiction::parse("ON").unwrap();
        let home = json!({"encounter": {"reference": "Encounter/55", "display": "Visit"}});
        let back = json!({"encounter": {
            "identifier": OriginRecord::new(&on, "Encounter", "55").to_identifier(), "display": "Visit"}});
        assert_eq!(home_content(&home, &on), home_content(&back, &on));
    }

    #[test]
    fn differences_are_named_without_values() {
        let left = json!({"status": "completed", "lotNumber": "A"});
        let right = json!({"status": "completed", "lotNumber": "B", "site": {}});
        assert_eq!(differing_elements(&left, &right), ["lotNumber", "site"]);
    }

    #[test]
    fn meta_that_holds_nothing_of_its_own_disappears() {
        let mut resource = json!({"meta": {"versionId": "1", "source": "x", "lastUpdated": "y"}});
        strip_server_meta(&mut resource);
        assert_eq!(resource, json!({}));
        let mut profiled = json!({"meta": {"versionId": "1", "profile": ["p"]}});
        strip_server_meta(&mut profiled);
        assert_eq!(profiled, json!({"meta": {"profile": ["p"]}}));
    }
}
