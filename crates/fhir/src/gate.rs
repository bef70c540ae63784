//! The R4 gate: which bytes are a FHIR document at all, and what in it breaks the standard.
//!
//! [`parse`] bounds size, depth and numbers before anything is built and refuses JSON that two readers could
//! read differently. [`check_bundle`] and [`check_resource`] hold the result against tables generated from the
//! official definitions (`tables/generate.py`), the formats of the primitive types, the required bindings and
//! the invariants. Profiles and terminology beyond required bindings are no concern of the gate.

mod bundle;
mod invariants;
mod limits;
mod links;
mod narrative;
mod parse;
pub(crate) mod path;
pub(crate) mod primitives;
#[rustfmt::skip]
mod tables;
mod types;
mod walk;

#[cfg(test)]
mod broken_bundles;
#[cfg(test)]
mod broken_details;
#[cfg(test)]
mod broken_documents;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod sample;

use serde_json::Value;

pub use limits::{Limits, Refusal, RefusalKind};
pub use parse::parse;

use crate::{Issue, IssueCode};

/// Lists what a Bundle and everything in it breaks; empty when nothing.
///
/// The list ends at `limits.max_issues`. Whether the Bundle is one of ours is for [`crate::rules`] to say.
pub fn check_bundle(bundle: &Value, limits: &Limits) -> Vec<Issue> {
    if type_of(bundle) != Some("Bundle") {
        return vec![Issue::error(IssueCode::Structure, "Bundle", "a Bundle is expected")];
    }
    let entries = bundle.get("entry").and_then(Value::as_array).map_or(0, Vec::len);
    if entries > limits.max_entries {
        let text = format!("more than {} entries", limits.max_entries);
        return vec![Issue::error(IssueCode::TooLong, "Bundle.entry", text)];
    }
    walk::check(bundle, limits)
}

/// Lists what a resource of any type the gate knows breaks; empty when nothing.
///
/// References may take any form that R4 allows, conditional ones too.
pub fn check_resource(resource: &Value) -> Vec<Issue> {
    walk::check(resource, &Limits::default())
}

/// Names the types of resources that the gate knows.
pub fn known_types() -> impl Iterator<Item = &'static str> {
    tables::RESOURCES.iter().map(|def| def.name)
}

pub(crate) fn type_of(resource: &Value) -> Option<&str> {
    resource.get("resourceType")?.as_str()
}
