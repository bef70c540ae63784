//! From a record to the package that crosses the border: pure, so that the same record gives the same package.
//!
//! Documented rewrites: what the server set in `meta` and the logical `id` go; the origin record is added where
//! the record is the province's own; references inside the package become `urn:uuid`, all others logical; links
//! between merged patients and closing marks go; the caller's identifier of the person at the destination
//! travels as an extension of the Patient.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, SecondsFormat, Utc};
use contracts::transfer::DestinationIdentifier;
use domain::{Jurisdiction, TransferId};
use fhir::canonical::{reopen, strip_server_meta};
use fhir::origin::{DESTINATION_IDENTIFIER, OriginRecord, TRANSFER_SYSTEM, add_origin, copied_from, origins};
use fhir::references::{self, Target};
use serde_json::{Map, Value, json};

use crate::record::Record;

const ORDER: [&str; 7] = [
    "Patient",
    "Immunization",
    "AllergyIntolerance",
    "Organization",
    "Practitioner",
    "Location",
    "Observation",
];

/// The package before it is sealed.
#[derive(Debug, Clone)]
pub struct Package {
    /// The Bundle, as the bytes that will be sent.
    pub bytes: Vec<u8>,
    /// Resources by type.
    pub counts: BTreeMap<String, u64>,
}

/// What a package is made for.
#[derive(Debug, Clone, Copy)]
pub struct Purpose<'a> {
    /// The province that sends.
    pub here: &'a Jurisdiction,
    /// The transfer.
    pub id: TransferId,
    /// The person's identifier at the destination, if known.
    pub destination_identifier: Option<&'a DestinationIdentifier>,
    /// The Bundle's timestamp.
    pub sealed_at: DateTime<Utc>,
}

/// Makes the package of a record.
pub fn build(record: &Record, purpose: Purpose<'_>) -> Package {
    let here = purpose.here;
    let patient_id = record.patient.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut urns = BTreeMap::new();
    urns.insert(
        ("Patient".to_owned(), patient_id.clone()),
        urn(&record.patient, here, "Patient", &patient_id),
    );
    for ((resource_type, id), resource) in &record.resources {
        urns.insert((resource_type.clone(), id.clone()), urn(resource, here, resource_type, id));
    }
    for merged in &record.merged {
        let live = urns[&("Patient".to_owned(), patient_id.clone())].clone();
        urns.insert(("Patient".to_owned(), merged.clone()), live);
    }

    let mut patient = record.patient.clone();
    reopen(&mut patient);
    drop_merge_links(&mut patient, &record.merged);
    if let Some(identifier) = purpose.destination_identifier {
        add_extension(&mut patient, identifier);
    }
    let mut entries = vec![entry("Patient", &patient_id, patient, &urns, here)];
    for ((resource_type, id), resource) in &record.resources {
        entries.push(entry(resource_type, id, resource.clone(), &urns, here));
    }
    entries.sort_by(|a, b| (a.rank, &a.full_url).cmp(&(b.rank, &b.full_url)));

    let mut counts = BTreeMap::new();
    for entry in &entries {
        *counts.entry(ORDER[entry.rank].to_owned()).or_insert(0) += 1;
    }
    let bundle = json!({
        "resourceType": "Bundle",
        "identifier": {"system": TRANSFER_SYSTEM, "value": purpose.id.to_string()},
        "type": "collection",
        "timestamp": purpose.sealed_at.to_rfc3339_opts(SecondsFormat::Secs, true),
        "entry": entries.into_iter().map(Entry::into_json).collect::<Vec<_>>(),
    });
    Package { bytes: bundle.to_string().into_bytes(), counts }
}

struct Entry {
    rank: usize,
    full_url: String,
    resource: Value,
}

impl Entry {
    fn into_json(self) -> Value {
        json!({"fullUrl": self.full_url, "resource": self.resource})
    }
}

type Urns = BTreeMap<(String, String), String>;

fn entry(resource_type: &str, id: &str, mut resource: Value, urns: &Urns, here: &Jurisdiction) -> Entry {
    if !is_foreign(&resource, here, resource_type) {
        add_origin(&mut resource, &OriginRecord::new(here, resource_type, id));
    }
    strip_server_meta(&mut resource);
    if let Some(object) = resource.as_object_mut() {
        object.remove("id");
    }
    references::for_each_mut(&mut resource, &mut |reference| rewrite(reference, urns, here));
    let rank = ORDER.iter().position(|known| *known == resource_type).unwrap_or(ORDER.len() - 1);
    let full_url = urns.get(&(resource_type.to_owned(), id.to_owned())).cloned().unwrap_or_default();
    Entry { rank, full_url, resource }
}

/// Tells whether a record came from elsewhere: a Patient only if it is a copy (one of our own may carry foreign
/// origins from matching), anything else if it carries a foreign origin.
fn is_foreign(resource: &Value, here: &Jurisdiction, resource_type: &str) -> bool {
    match resource_type {
        "Patient" => copied_from(resource, here).is_some(),
        _ => origins(resource).iter().any(|origin| origin.jurisdiction != *here),
    }
}

fn urn(resource: &Value, here: &Jurisdiction, resource_type: &str, id: &str) -> String {
    let own = OriginRecord::new(here, resource_type, id);
    let origin = match copied_from(resource, here) {
        Some(origin) => origin,
        None if is_foreign(resource, here, resource_type) => {
            origins(resource).into_iter().find(|origin| origin.jurisdiction != *here).unwrap_or(own)
        }
        None => own,
    };
    format!("urn:uuid:{}", origin.copy_id())
}

fn rewrite(reference: &mut Map<String, Value>, urns: &Urns, here: &Jurisdiction) {
    let Some(text) = reference.get("reference").and_then(Value::as_str).map(str::to_owned) else { return };
    let logical = match references::target(&text) {
        Target::Contained(_) => return,
        Target::Relative { resource_type, id } => {
            match urns.get(&(resource_type.to_owned(), id.to_owned())) {
                Some(urn) => {
                    reference.insert("reference".into(), Value::from(urn.as_str()));
                    return;
                }
                None => OriginRecord::new(here, resource_type, id).to_identifier(),
            }
        }
        _ => json!({"system": "urn:ietf:rfc:3986", "value": text}),
    };
    reference.remove("reference");
    // A business identifier that stands there already says more than where the target was stored.
    reference.entry("identifier").or_insert(logical);
}

fn drop_merge_links(patient: &mut Value, merged: &BTreeSet<String>) {
    let Some(object) = patient.as_object_mut() else { return };
    let Some(links) = object.get_mut("link").and_then(Value::as_array_mut) else { return };
    links.retain(|link| {
        let target = link.pointer("/other/reference").and_then(Value::as_str).unwrap_or_default();
        !matches!(references::target(target), Target::Relative { resource_type: "Patient", id } if merged.contains(id))
    });
    if links.is_empty() {
        object.remove("link");
    }
}

fn add_extension(patient: &mut Value, identifier: &DestinationIdentifier) {
    let Some(object) = patient.as_object_mut() else { return };
    if let Some(list) = object.entry("extension").or_insert_with(|| json!([])).as_array_mut() {
        list.push(json!({
            "url": DESTINATION_IDENTIFIER,
            "valueIdentifier": {"system": identifier.system, "value": identifier.value},
        }));
    }
}

#[cfg(test)]
mod tests;
