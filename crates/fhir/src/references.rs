//! References inside resources: finding them, telling their forms apart, rewriting them.

use serde_json::{Map, Value};

/// The forms that `Reference.reference` takes (R4 §2.3.0.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target<'a> {
    /// `#id`: a contained resource (`#` alone is the container).
    Contained(&'a str),
    /// `urn:uuid:…` or `urn:oid:…`.
    Urn(&'a str),
    /// `Type/id`, also with `/_history/n` behind.
    Relative {
        /// The type.
        resource_type: &'a str,
        /// The logical id.
        id: &'a str,
    },
    /// `http(s)://…/Type/id`.
    Absolute {
        /// The whole URL, without a version.
        url: &'a str,
        /// The type.
        resource_type: &'a str,
        /// The logical id.
        id: &'a str,
    },
    /// `Type?criteria`.
    Conditional(&'a str),
    /// Nothing that we can read.
    Other(&'a str),
}

/// Tells the form of a reference's text.
pub fn target(reference: &str) -> Target<'_> {
    if let Some(id) = reference.strip_prefix('#') {
        return Target::Contained(id);
    }
    if reference.starts_with("urn:uuid:") || reference.starts_with("urn:oid:") {
        return Target::Urn(reference);
    }
    if reference.contains('?') {
        return Target::Conditional(reference);
    }
    let unversioned = reference.split_once("/_history/").map_or(reference, |(before, _)| before);
    let is_absolute = unversioned.starts_with("http://") || unversioned.starts_with("https://");
    let mut parts = unversioned.rsplit('/');
    let (Some(id), Some(resource_type), rest) = (parts.next(), parts.next(), parts.next()) else {
        return Target::Other(reference);
    };
    let is_type = resource_type.starts_with(|c: char| c.is_ascii_uppercase())
        && resource_type.bytes().all(|b| b.is_ascii_alphabetic());
    match (is_type && crate::origin::is_id(id), is_absolute, rest) {
        (true, true, Some(_)) => Target::Absolute { url: unversioned, resource_type, id },
        (true, false, None) => Target::Relative { resource_type, id },
        _ => Target::Other(reference),
    }
}

/// Calls `visit` with every Reference (R4 type) inside `resource`, contained resources included.
///
/// An object counts as a Reference when it has a `reference`, or an `identifier` that is an object, and is not
/// the `education` of an Immunization, whose `reference` is a plain uri.
pub fn for_each(resource: &Value, visit: &mut impl FnMut(&Map<String, Value>)) {
    walk(resource, "", visit);
}

fn walk(value: &Value, key: &str, visit: &mut impl FnMut(&Map<String, Value>)) {
    match value {
        Value::Object(object) => {
            if is_reference(object, key) {
                visit(object);
            }
            for (name, child) in object {
                walk(child, name, visit);
            }
        }
        Value::Array(list) => list.iter().for_each(|child| walk(child, key, visit)),
        _ => {}
    }
}

/// Calls `rewrite` with every Reference inside `resource`, to be changed in place.
pub fn for_each_mut(resource: &mut Value, rewrite: &mut impl FnMut(&mut Map<String, Value>)) {
    walk_mut(resource, "", rewrite);
}

fn walk_mut(value: &mut Value, key: &str, rewrite: &mut impl FnMut(&mut Map<String, Value>)) {
    match value {
        Value::Object(object) => {
            if is_reference(object, key) {
                rewrite(object);
            }
            for (name, child) in object {
                walk_mut(child, name, rewrite);
            }
        }
        Value::Array(list) => list.iter_mut().for_each(|child| walk_mut(child, key, rewrite)),
        _ => {}
    }
}

/// Returns the ids of the patients that a Patient is linked to in this way (R4 `Patient.link.type`), on its own
/// server.
pub fn linked_patients<'a>(patient: &'a Value, link_type: &'a str) -> impl Iterator<Item = &'a str> {
    let links = patient.get("link").and_then(Value::as_array).into_iter().flatten();
    links.filter(move |link| link.get("type").and_then(Value::as_str) == Some(link_type)).filter_map(|link| {
        match target(link.pointer("/other/reference")?.as_str()?) {
            Target::Relative { resource_type: "Patient", id } => Some(id),
            _ => None,
        }
    })
}

fn is_reference(object: &Map<String, Value>, key: &str) -> bool {
    if key == "education" || object.contains_key("resourceType") {
        return false;
    }
    object.get("reference").is_some_and(Value::is_string)
        || object.get("identifier").is_some_and(Value::is_object)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_form_is_told_apart() {
        assert_eq!(target("#p"), Target::Contained("p"));
        assert_eq!(target("urn:uuid:1"), Target::Urn("urn:uuid:1"));
        assert_eq!(target("Patient/1"), Target::Relative { resource_type: "Patient", id: "1" });
        assert_eq!(target("Patient/1/_history/2"), Target::Relative { resource_type: "Patient", id: "1" });
        assert_eq!(
            target("http://x/fhir/Patient/1"),
            Target::Absolute { url: "http://x/fhir/Patient/1", resource_type: "Patient", id: "1" }
        );
        assert_eq!(target("Location?identifier=a|b"), Target::Conditional("Location?identifier=a|b"));
        for other in ["", "x", "fhir/Patient/1", "patient/1", "Patient/", "Patient/a b", "resource:0"] {
            assert_eq!(target(other), Target::Other(other));
        }
    }

    #[test]
    fn the_uri_of_education_is_no_reference() {
        let resource = json!({
            "patient": {"reference": "Patient/1"},
            "education": [{"reference": "http://a.example/leaflet"}],
            "extension": [{"url": "x", "valueReference": {"reference": "Location/3"}}],
            "performer": [{"actor": {"identifier": {"system": "s", "value": "v"}}}],
        });
        let mut seen = 0;
        for_each(&resource, &mut |_| seen += 1);
        assert_eq!(seen, 3);
    }
}
