//! The origin record: which province's record a resource is, wherever it has travelled.

use std::fmt;

use domain::Jurisdiction;
use serde_json::{Value, json};
use uuid::Uuid;

/// The naming system of origin records.
pub const ORIGIN_SYSTEM: &str = "https://iidi.phac-aspc.gc.ca/fhir/NamingSystem/origin-record";
/// The naming system of jurisdictions' codes.
const JURISDICTION_SYSTEM: &str = "https://iidi.phac-aspc.gc.ca/fhir/NamingSystem/jurisdiction";
/// The naming system of transfer ids, in packages and in the Provenance that an arrival leaves.
pub const TRANSFER_SYSTEM: &str = "https://iidi.phac-aspc.gc.ca/fhir/NamingSystem/transfer";
/// The extension of a package's Patient that carries the person's identifier at the destination.
pub const DESTINATION_IDENTIFIER: &str =
    "https://iidi.phac-aspc.gc.ca/fhir/StructureDefinition/destination-identifier";

/// A record by the province that made it, its type and its id there: `ON/Immunization/123`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OriginRecord {
    /// The province that made the record.
    pub jurisdiction: Jurisdiction,
    /// The FHIR type.
    pub resource_type: String,
    /// The logical id on that province's FHIR server.
    pub id: String,
}

/// The text is no origin record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an origin record is CODE/Type/id")]
pub struct InvalidOrigin;

impl OriginRecord {
    /// Names the record `id` of `resource_type` in `jurisdiction`.
    pub fn new(jurisdiction: &Jurisdiction, resource_type: &str, id: &str) -> Self {
        Self {
            jurisdiction: jurisdiction.clone(),
            resource_type: resource_type.to_owned(),
            id: id.to_owned(),
        }
    }

    /// Reads `CODE/Type/id`; the code must be upper case.
    pub fn parse(value: &str) -> Result<Self, InvalidOrigin> {
        let mut parts = value.split('/');
        let (Some(code), Some(resource_type), Some(id), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(InvalidOrigin);
        };
        let jurisdiction = Jurisdiction::parse(code).map_err(|_| InvalidOrigin)?;
        let type_is_name = resource_type.starts_with(|c: char| c.is_ascii_uppercase())
            && resource_type.bytes().all(|b| b.is_ascii_alphabetic());
        if jurisdiction.as_str() != code || !type_is_name || !is_id(id) {
            return Err(InvalidOrigin);
        }
        Ok(Self { jurisdiction, resource_type: resource_type.to_owned(), id: id.to_owned() })
    }

    /// Returns the id that a copy of this record has on every other province's FHIR server: UUIDv5 of the record.
    pub fn copy_id(&self) -> String {
        stable_id(&self.to_string())
    }

    /// Returns the FHIR Identifier of this record.
    pub fn to_identifier(&self) -> Value {
        json!({"system": ORIGIN_SYSTEM, "value": self.to_string()})
    }
}

impl fmt::Display for OriginRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.jurisdiction, self.resource_type, self.id)
    }
}

/// Returns the UUIDv5 of `name` in our own namespace: the same name gives the same id everywhere and for ever.
pub fn stable_id(name: &str) -> String {
    let namespace = Uuid::new_v5(&Uuid::NAMESPACE_URL, ORIGIN_SYSTEM.as_bytes());
    Uuid::new_v5(&namespace, name.as_bytes()).hyphenated().to_string()
}

/// Tells whether `text` is a FHIR id (R4 §2.24.0.1).
pub fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.')
}

/// Returns the well-formed origin records that a resource carries, in their order.
pub fn origins(resource: &Value) -> Vec<OriginRecord> {
    let identifiers = resource.get("identifier").and_then(Value::as_array);
    identifiers.into_iter().flatten().filter_map(origin_of_identifier).collect()
}

/// Reads an Identifier as an origin record, if it is one.
pub fn origin_of_identifier(identifier: &Value) -> Option<OriginRecord> {
    if identifier.get("system")?.as_str()? != ORIGIN_SYSTEM {
        return None;
    }
    OriginRecord::parse(identifier.get("value")?.as_str()?).ok()
}

/// Adds an origin record to a resource's identifiers, unless it is there.
pub fn add_origin(resource: &mut Value, origin: &OriginRecord) {
    if origins(resource).contains(origin) {
        return;
    }
    if let Some(object) = resource.as_object_mut()
        && let Some(list) = object.entry("identifier").or_insert_with(|| json!([])).as_array_mut()
    {
        list.push(origin.to_identifier());
    }
}

/// Tells whether a resource is a copy of another province's record: its id is the one such copies have.
///
/// A province's own Patient to whom a foreign origin was added on matching is no copy.
pub fn is_copy(resource: &Value, here: &Jurisdiction) -> bool {
    copied_from(resource, here).is_some()
}

/// Returns the foreign record that a resource is the copy of.
pub fn copied_from(resource: &Value, here: &Jurisdiction) -> Option<OriginRecord> {
    let id = resource.get("id")?.as_str()?;
    origins(resource).into_iter().find(|origin| origin.jurisdiction != *here && origin.copy_id() == id)
}

/// Returns a reference to a jurisdiction, by its code.
pub fn jurisdiction(code: &Jurisdiction) -> Value {
    json!({"identifier": {"system": JURISDICTION_SYSTEM, "value": code.as_str()}})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_record_is_read_back() {
        let origin = OriginRecord::parse("ON/Patient/a-1.b").unwrap();
        assert_eq!(OriginRecord::parse(&origin.to_string()), Ok(origin));
    }

    #[test]
    fn look_alikes_are_refused() {
        for wrong in [
            "",
            "ON",
            "ON/Patient",
            "ON/Patient/",
            "on/Patient/1",
            "ON/patient/1",
            "ON/Patient/1/2",
            "ON//1",
            "ON/Patient/a b",
        ] {
            assert_eq!(OriginRecord::parse(wrong), Err(InvalidOrigin), "{wrong}");
        }
    }

    #[test]
    fn the_id_of_a_copy_is_fixed_for_ever() {
        // Changing this value would make every province forget which records it has received.
        let id = OriginRecord::parse("ON/Patient/1").unwrap().copy_id();
        assert_eq!(id, stable_id("ON/Patient/1"));
        assert_eq!(id.len(), 36);
        assert_ne!(id, OriginRecord::parse("ON/Patient/2").unwrap().copy_id());
    }

    #[test]
    fn a_matched_patient_of_our_own_is_no_copy() {
        let bc = Jurisdiction::parse("BC").unwrap();
        let origin = OriginRecord::parse("ON/Patient/1").unwrap();
        let mut own = json!({"resourceType": "Patient", "id": "55"});
        add_origin(&mut own, &origin);
        add_origin(&mut own, &origin);
        assert_eq!(own["identifier"].as_array().unwrap().len(), 1);
        assert!(!is_copy(&own, &bc));
        own["id"] = origin.copy_id().into();
        assert!(is_copy(&own, &bc));
    }
}
