//! What a resource can be found by, and what it refers to: the part of R4's search parameters that is asked for.

use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::Value;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::store::key;

/// References that the server indexes: their targets must exist and cannot be deleted. Type, search parameter, path.
const REFERENCES: &[(&str, &str, &[&str])] = &[
    ("AllergyIntolerance", "asserter", &["asserter"]),
    ("AllergyIntolerance", "patient", &["patient"]),
    ("AllergyIntolerance", "recorder", &["recorder"]),
    ("AuditEvent", "agent", &["agent", "who"]),
    ("AuditEvent", "entity", &["entity", "what"]),
    ("AuditEvent", "patient", &["entity", "what"]),
    ("AuditEvent", "source", &["source", "observer"]),
    ("Immunization", "location", &["location"]),
    ("Immunization", "manufacturer", &["manufacturer"]),
    ("Immunization", "patient", &["patient"]),
    ("Immunization", "performer", &["performer", "actor"]),
    ("Immunization", "reaction", &["reaction", "detail"]),
    ("Immunization", "reason-reference", &["reasonReference"]),
    ("Location", "organization", &["managingOrganization"]),
    ("Location", "partof", &["partOf"]),
    ("Observation", "derived-from", &["derivedFrom"]),
    ("Observation", "encounter", &["encounter"]),
    ("Observation", "focus", &["focus"]),
    ("Observation", "has-member", &["hasMember"]),
    ("Observation", "patient", &["subject"]),
    ("Observation", "performer", &["performer"]),
    ("Observation", "subject", &["subject"]),
    ("Organization", "partof", &["partOf"]),
    ("Patient", "general-practitioner", &["generalPractitioner"]),
    ("Patient", "link", &["link", "other"]),
    ("Patient", "organization", &["managingOrganization"]),
    ("Provenance", "agent", &["agent", "who"]),
    ("Provenance", "entity", &["entity", "what"]),
    ("Provenance", "location", &["location"]),
    ("Provenance", "patient", &["target"]),
    ("Provenance", "target", &["target"]),
];

/// Search parameters that compare beginnings of words. Type, search parameter, path.
const WORDS: &[(&str, &str, &[&str])] =
    &[("Patient", "family", &["name", "family"]), ("Patient", "given", &["name", "given"])];

/// One way to find a resource: type, parameter and value as one number. Two values that share a number would be one
/// value to the double; among ten million the odds are about one in a million.
pub(super) type Term = u64;

/// A word by which a resource is found when a search names its beginning.
pub(super) type Word = (Term, String);

/// Everything that is indexed of one resource.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Facts {
    pub(super) terms: Vec<Term>,
    pub(super) words: Vec<Word>,
    /// `Type/id` of everything that must exist.
    pub(super) targets: Vec<String>,
}

/// Reads what is indexed.
pub(super) fn facts(resource_type: &str, resource: &Value) -> Facts {
    let mut facts = Facts::default();
    for (_, parameter, path) in REFERENCES.iter().filter(|(of, ..)| *of == resource_type) {
        for_each(resource, path, &mut |value| {
            let target = value.get("reference").and_then(Value::as_str).and_then(relative);
            if let Some(target) = target {
                facts.terms.push(term(resource_type, parameter, target));
                facts.targets.push(target.to_owned());
            }
        });
    }
    for (_, parameter, path) in WORDS.iter().filter(|(of, ..)| *of == resource_type) {
        for_each(resource, path, &mut |value| {
            let Some(text) = value.as_str() else { return };
            facts.words.push((term(resource_type, parameter, ""), folded(text)));
            facts.terms.push(term(resource_type, &format!("{parameter}:exact"), text));
        });
    }
    for_each(resource, &["identifier"], &mut |identifier| {
        let text = |name| identifier.get(name).and_then(Value::as_str).unwrap_or_default();
        let (system, value) = (text("system"), text("value"));
        facts.terms.push(term(resource_type, "identifier", &format!("{system}|{value}")));
        facts.terms.push(term(resource_type, "identifier", value));
    });
    if let Some(date) = resource.get("birthDate").and_then(Value::as_str) {
        for end in [4, 7, 10].into_iter().filter(|end| *end <= date.len()) {
            facts.terms.push(term(resource_type, "birthdate", date.get(..end).unwrap_or(date)));
        }
    }
    facts.targets.sort_unstable();
    facts.targets.dedup();
    facts.terms.extend(facts.targets.iter().map(|target| referring(target)));
    facts.terms.sort_unstable();
    facts.terms.dedup();
    facts
}

/// Returns the term of a search parameter's value.
pub(super) fn term(resource_type: &str, parameter: &str, value: &str) -> Term {
    let mut hasher = DefaultHasher::new();
    (resource_type, parameter, value).hash(&mut hasher);
    hasher.finish()
}

/// Returns the term of everything that refers to `Type/id`.
pub(super) fn referring(target: &str) -> Term {
    term("", "", target)
}

/// What kind of value a search parameter of a type has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Id,
    Reference,
    Word,
    ExactWord,
    Token,
    Date,
}

/// Tells the kind of a parameter, `None` for one that the double does not know.
pub(super) fn kind(resource_type: &str, parameter: &str) -> Option<Kind> {
    let is_in = |table: &[(&str, &str, &[&str])], name: &str| {
        table.iter().any(|(of, known, _)| *of == resource_type && *known == name)
    };
    match parameter {
        "_id" => Some(Kind::Id),
        "identifier" if resource_type != "AuditEvent" && resource_type != "Provenance" => Some(Kind::Token),
        "birthdate" if resource_type == "Patient" => Some(Kind::Date),
        _ if is_in(REFERENCES, parameter) => Some(Kind::Reference),
        _ if is_in(WORDS, parameter) => Some(Kind::Word),
        _ => {
            let exact = parameter.strip_suffix(":exact")?;
            is_in(WORDS, exact).then_some(Kind::ExactWord)
        }
    }
}

/// Writes a text as words are compared: without case and accents.
pub(super) fn folded(text: &str) -> String {
    text.nfd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_uppercase).collect()
}

/// Returns `Type/id` of a reference to this server, without a version.
pub(super) fn relative(reference: &str) -> Option<&str> {
    match fhir::references::target(reference) {
        fhir::references::Target::Relative { resource_type, id } => {
            reference.get(..resource_type.len() + 1 + id.len())
        }
        _ => None,
    }
}

/// Returns the target that a search names: `Type/id`, or an id alone where only patients are meant.
pub(super) fn target_of(parameter: &str, value: &str) -> Option<String> {
    match (relative(value), parameter) {
        (Some(target), _) => Some(target.to_owned()),
        (None, "patient" | "link" | "subject") if !value.contains('/') => Some(key("Patient", value)),
        _ => None,
    }
}

fn for_each(value: &Value, path: &[&str], visit: &mut impl FnMut(&Value)) {
    if let Value::Array(list) = value {
        for item in list {
            for_each(item, path, visit);
        }
        return;
    }
    match path {
        [] => visit(value),
        [first, rest @ ..] => {
            if let Some(child) = value.get(first) {
                for_each(child, rest, visit);
            }
        }
    }
}
