//! The invariants of single types, one function each; `tables/generate.py` names the type it belongs to.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::path::Path;
use super::walk::Walk;
use crate::dates::{self, Moment};

type Object = Map<String, Value>;

const UCUM: &str = "http://unitsofmeasure.org";
const VERIFICATION: &str = "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification";

/// An element is there with a value, or with extensions only.
fn has(object: &Object, name: &str) -> bool {
    object.contains_key(name) || object.contains_key(&format!("_{name}"))
}

fn has_choice(object: &Object, prefix: &str) -> bool {
    object.keys().any(|key| {
        let name = key.strip_prefix('_').unwrap_or(key);
        name.strip_prefix(prefix).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase()))
    })
}

fn text<'v>(object: &'v Object, name: &str) -> Option<&'v str> {
    object.get(name)?.as_str()
}

fn number(object: &Object, name: &str) -> Option<f64> {
    object.get(name)?.as_f64()
}

pub(super) fn bundle<'a>(walk: &mut Walk<'a>, object: &'a Object, path: &Path<'_>) {
    super::bundle::check(walk, object, path);
}

pub(super) fn bundle_entry<'a>(walk: &mut Walk<'a>, object: &'a Object, path: &Path<'_>) {
    if !["resource", "request", "response"].iter().any(|name| object.contains_key(*name)) {
        walk.broken(path, "an entry has a resource, a request or a response (bdl-5)");
    }
    if text(object, "fullUrl").is_some_and(|url| url.contains("/_history/")) {
        walk.broken(&path.field("fullUrl"), "a fullUrl names no version (bdl-8)");
    }
}

pub(super) fn extension<'a>(walk: &mut Walk<'a>, object: &'a Object, path: &Path<'_>) {
    if has_choice(object, "value") == object.contains_key("extension") {
        walk.broken(path, "an extension has either a value or extensions (ext-1)");
    }
}

pub(super) fn period<'a>(walk: &mut Walk<'a>, object: &'a Object, path: &Path<'_>) {
    let read = |name| -> Option<Moment> { dates::parse_date_time(text(object, name)?) };
    if let (Some(start), Some(end)) = (read("start"), read("end"))
        && start.is_surely_after(&end)
    {
        walk.broken(path, "a period does not end before it starts (per-1)");
    }
}

pub(super) fn quantity<'a>(walk: &mut Walk<'a>, object: &'a Object, path: &Path<'_>) {
    if has(object, "code") && !has(object, "system") {
        walk.broken(&path.field("system"), "a code for the unit needs its system (qty-3)");
    }
}

/// What Age, Count and Distance have in common: a value has a code, and the system is UCUM.
fn is_ucum_quantity(object: &Object) -> bool {
    (has(object, "code") || !has(object, "value"))
        && (!has(object, "system") || text(object, "system") == Some(UCUM))
}

pub(super) fn age<'a>(walk: &mut Walk<'a>, object: &'a Object, path: &Path<'_>) {
    quantity(walk, object, path);
    if !is_ucum_quantity(object) || number(object, "value").is_some_and(|value| value <= 0.0) {
        walk.broken(path, "an age is positive and has a UCUM code (age-1)");
    }
}

pub(super) fn count<'a>(walk: &mut Walk<'a>, object: &'a Object, path: &Path<'_>) {
    quantity(walk, object, path);
    let is_whole = object.get("value").is_none_or(|value| !value.to_string().contains('.'));
    let unit_is_one = !has(object, "code") || text(object, "code") == Some("1");
    if !is_ucum_quantity(object) || !is_whole || !unit_is_one {
        walk.broken(path, "a count is whole and has the UCUM code 1 (cnt-3)");
    }
}

pub(super) fn distance<'a>(walk: &mut Walk<'a>, object: &'a Object, path: &Path<'_>) {
    quantity(walk, object, path);
    if !is_ucum_quantity(object) {
        walk.broken(path, "a distance has a UCUM code (dis-1)");
    }
}

pub(super) fn duration<'a>(walk: &mut Walk<'a>, object: &'a Object, path: &Path<'_>) {
    quantity(walk, object, path);
    if has(object, "code") && (text(object, "system") != Some(UCUM) || !has(object, "value")) {
        walk.broken(path, "a duration's code is of UCUM and has a value (drt-1)");
    }
}

pub(super) fn range<'a>(walk: &mut Walk<'a>, object: &'a Object, path: &Path<'_>) {
    let end = |name| -> Option<(f64, Option<&str>, Option<&str>)> {
        let end = object.get(name)?.as_object()?;
        Some((number(end, "value")?, text(end, "system"), text(end, "code")))
    };
    if let (Some(low), Some(high)) = (end("low"), end("high"))
        && (low.1, low.2) == (high.1, high.2)
        && low.0 > high.0
    {
        walk.broken(path, "a range's low end is not above its high end (rng-2)");
    }
}

pub(super) fn ratio<'a>(walk: &mut Walk<'a>, object: &'a Object, path: &Path<'_>) {
    let (numerator, denominator) = (object.contains_key("numerator"), object.contains_key("denominator"));
    if numerator != denominator || !(numerator || object.contains_key("extension")) {
        walk.broken(path, "a ratio has both numerator and denominator (rat-1)");
    }
}

pub(super) fn attachment<'a>(walk: &mut Walk<'a>, object: &'a Object, path: &Path<'_>) {
    if has(object, "data") && !has(object, "contentType") {
        walk.broken(&path.field("contentType"), "data needs a content type (att-1)");
    }
}

pub(super) fn contact_point<'a>(walk: &mut Walk<'a>, object: &'a Object, path: &Path<'_>) {
    if has(object, "value") && !has(object, "system") {
        walk.broken(&path.field("system"), "a value needs its system (cpt-2)");
    }
}

pub(super) fn expression<'a>(walk: &mut Walk<'a>, object: &'a Object, path: &Path<'_>) {
    if !has(object, "expression") && !has(object, "reference") {
        walk.broken(path, "an expression or a reference to one is needed (exp-1)");
    }
}

pub(super) fn path_or_parameter<'a>(walk: &mut Walk<'a>, object: &'a Object, path: &Path<'_>) {
    if has(object, "path") == has(object, "searchParam") {
        walk.broken(path, "either a path or a search parameter is needed (drq-1, drq-2)");
    }
}

pub(super) fn trigger<'a>(walk: &mut Walk<'a>, object: &'a Object, path: &Path<'_>) {
    let has_data = has(object, "data");
    if has_data && has_choice(object, "timing") {
        walk.broken(path, "either timing or data (trd-1)");
    }
    if has(object, "condition") && !has_data {
        walk.broken(path, "a condition needs data (trd-2)");
    }
    let is_complete = match text(object, "type") {
        Some("named-event") => has(object, "name"),
        Some("periodic") => has_choice(object, "timing"),
        Some(kind) if kind.starts_with("data-") => has_data,
        _ => true,
    };
    if !is_complete {
        walk.broken(path, "what this type of trigger needs is missing (trd-3)");
    }
}

pub(super) fn timing<'a>(walk: &mut Walk<'a>, object: &'a Object, path: &Path<'_>) {
    let needs = |name: &str, other: &str| has(object, name) && !has(object, other);
    for (name, other, text) in [
        ("duration", "durationUnit", "a duration needs its unit (tim-1)"),
        ("period", "periodUnit", "a period needs its unit (tim-2)"),
        ("periodMax", "period", "a maximum needs its period (tim-6)"),
        ("durationMax", "duration", "a maximum needs its duration (tim-7)"),
        ("countMax", "count", "a maximum needs its count (tim-8)"),
    ] {
        if needs(name, other) {
            walk.broken(path, text);
        }
    }
    for (name, text) in
        [("duration", "a duration is not negative (tim-4)"), ("period", "a period is not negative (tim-5)")]
    {
        if number(object, name).is_some_and(|value| value < 0.0) {
            walk.broken(&path.field(name), text);
        }
    }
    let when = object.get("when").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let is_meal = |code: &Value| matches!(code.as_str(), Some("C" | "CM" | "CD" | "CV"));
    if has(object, "offset") && (when.is_empty() || when.iter().any(is_meal)) {
        walk.broken(&path.field("offset"), "an offset needs an event other than a meal itself (tim-9)");
    }
    if has(object, "timeOfDay") && has(object, "when") {
        walk.broken(path, "either a time of day or an event (tim-10)");
    }
}

pub(super) fn audit_entity<'a>(walk: &mut Walk<'a>, object: &'a Object, path: &Path<'_>) {
    if has(object, "name") && has(object, "query") {
        walk.broken(path, "either a name or a query (sev-1)");
    }
}

pub(super) fn education<'a>(walk: &mut Walk<'a>, object: &'a Object, path: &Path<'_>) {
    if !has(object, "documentType") && !has(object, "reference") {
        walk.broken(path, "education names its document or refers to it (imm-1)");
    }
}

pub(super) fn contact<'a>(walk: &mut Walk<'a>, object: &'a Object, path: &Path<'_>) {
    if !["name", "telecom", "address", "organization"].iter().any(|name| object.contains_key(*name)) {
        walk.broken(path, "a contact has details or an organization (pat-1)");
    }
}

pub(super) fn allergy<'a>(walk: &mut Walk<'a>, object: &'a Object, path: &Path<'_>) {
    let codings = object.get("verificationStatus").and_then(|status| status.get("coding"));
    let is_error = codings.and_then(Value::as_array).into_iter().flatten().any(|coding| {
        coding.get("system").and_then(Value::as_str) == Some(VERIFICATION)
            && coding.get("code").and_then(Value::as_str) == Some("entered-in-error")
    });
    let here = path.field("clinicalStatus");
    match (is_error, object.contains_key("clinicalStatus")) {
        (false, false) => walk.broken(&here, "needed unless entered in error (ait-1)"),
        (true, true) => walk.broken(&here, "not allowed when entered in error (ait-2)"),
        _ => {}
    }
}

pub(super) fn organization<'a>(walk: &mut Walk<'a>, object: &'a Object, path: &Path<'_>) {
    if !has(object, "identifier") && !has(object, "name") {
        walk.broken(path, "an organization has a name or an identifier (org-1)");
    }
    for (name, text) in [
        ("address", "an organization has no home address (org-2)"),
        ("telecom", "an organization has no home telecom (org-3)"),
    ] {
        let list = object.get(name).and_then(Value::as_array);
        let is_home = |item: &Value| item.get("use").and_then(Value::as_str) == Some("home");
        if list.into_iter().flatten().any(is_home) {
            walk.broken(&path.field(name), text);
        }
    }
}

pub(super) fn reference_range<'a>(walk: &mut Walk<'a>, object: &'a Object, path: &Path<'_>) {
    if !["low", "high", "text"].iter().any(|name| has(object, name)) {
        walk.broken(path, "a reference range has an end or a text (obs-3)");
    }
}

pub(super) fn observation<'a>(walk: &mut Walk<'a>, object: &'a Object, path: &Path<'_>) {
    let has_value = has_choice(object, "value");
    if has_value && object.contains_key("dataAbsentReason") {
        walk.broken(&path.field("dataAbsentReason"), "only where there is no value (obs-6)");
    }
    let codings = |code: Option<&'a Value>| -> &'a [Value] {
        let list = code.and_then(|code| code.get("coding")).and_then(Value::as_array);
        list.map(Vec::as_slice).unwrap_or_default()
    };
    let own: HashSet<String> = codings(object.get("code")).iter().map(Value::to_string).collect();
    let components = object.get("component").and_then(Value::as_array);
    let repeats = |component: &'a Value| {
        codings(component.get("code")).iter().any(|coding| own.contains(&coding.to_string()))
    };
    if has_value && components.into_iter().flatten().any(repeats) {
        walk.broken(path, "no value beside a component of the same code (obs-7)");
    }
}
