//! Invariants of a Bundle that look across its entries (bdl-1 to bdl-4, bdl-7, bdl-9 to bdl-12).

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::links::Scope;
use super::path::Path;
use super::walk::Walk;
use crate::IssueCode;

/// Makes the entries of a Bundle known to the references in it.
pub(super) fn note_entries<'a>(scope: &mut Scope<'a>, resource: &'a Map<String, Value>) {
    if resource.get("resourceType").and_then(Value::as_str) != Some("Bundle") {
        return;
    }
    for entry in entries(resource) {
        let full_url = entry.get("fullUrl").and_then(Value::as_str);
        let resource_type = entry.get("resource").and_then(super::type_of);
        if let (Some(full_url), Some(resource_type)) = (full_url, resource_type) {
            scope.note_entry(full_url, resource_type);
        }
    }
}

fn entries(bundle: &Map<String, Value>) -> impl Iterator<Item = &Value> {
    bundle.get("entry").and_then(Value::as_array).into_iter().flatten()
}

/// Checks the invariants of a Bundle.
pub(super) fn check<'a>(walk: &mut Walk<'a>, bundle: &'a Map<String, Value>, path: &Path<'_>) {
    let kind = bundle.get("type").and_then(Value::as_str).unwrap_or_default();
    let is_one_of = |kinds: &[&str]| kinds.contains(&kind);
    if bundle.contains_key("total") && !is_one_of(&["searchset", "history"]) {
        walk.broken(&path.field("total"), "only a searchset or history has a total (bdl-1)");
    }
    let has_request = is_one_of(&["batch", "transaction", "history"]);
    let has_response = is_one_of(&["batch-response", "transaction-response", "history"]);
    let list = path.field("entry");
    let mut seen = HashSet::new();
    for (index, entry) in entries(bundle).enumerate() {
        let here = list.index(index);
        if entry.get("search").is_some() && kind != "searchset" {
            walk.broken(&here.field("search"), "only a searchset has search information (bdl-2)");
        }
        if entry.get("request").is_some() != has_request {
            walk.broken(&here.field("request"), "there if and only if batch, transaction or history (bdl-3)");
        }
        if entry.get("response").is_some() != has_response {
            walk.broken(
                &here.field("response"),
                "there if and only if the Bundle answers or is history (bdl-4)",
            );
        }
        if let Some(full_url) = entry.get("fullUrl").and_then(Value::as_str)
            && kind != "history"
        {
            let version = entry.pointer("/resource/meta/versionId").and_then(Value::as_str);
            if !seen.insert((full_url, version)) {
                walk.error(
                    IssueCode::Duplicate,
                    &here.field("fullUrl"),
                    "another entry has this fullUrl (bdl-7)",
                );
            }
        }
    }
    document_and_message(walk, bundle, kind, path);
}

fn document_and_message(walk: &mut Walk<'_>, bundle: &Map<String, Value>, kind: &str, path: &Path<'_>) {
    let first = entries(bundle).next().and_then(|entry| entry.get("resource")).and_then(super::type_of);
    if kind == "document" {
        let has = |name| bundle.get("identifier").and_then(|identifier| identifier.get(name)).is_some();
        if !has("system") || !has("value") {
            walk.broken(
                &path.field("identifier"),
                "a document has an identifier with system and value (bdl-9)",
            );
        }
        if !bundle.contains_key("timestamp") {
            walk.broken(&path.field("timestamp"), "a document has a date (bdl-10)");
        }
        if first != Some("Composition") {
            walk.broken(&path.field("entry"), "a document starts with a Composition (bdl-11)");
        }
    }
    if kind == "message" && first != Some("MessageHeader") {
        walk.broken(&path.field("entry"), "a message starts with a MessageHeader (bdl-12)");
    }
}
