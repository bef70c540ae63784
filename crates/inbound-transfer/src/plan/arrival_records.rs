//! What every arrival leaves beside the records: a Provenance, and an AuditEvent after IHE BALP's import.

use chrono::{DateTime, SecondsFormat, Utc};
use domain::{Jurisdiction, TransferId};
use fhir::disclosure_event::{Disclosure, End};
use fhir::origin::{TRANSFER_SYSTEM, jurisdiction, stable_id};
use serde_json::{Value, json};

use super::Unit;

const PARTICIPANT: &str = "http://terminology.hl7.org/CodeSystem/provenance-participant-type";

/// Returns the id of the Provenance that a transfer leaves.
pub fn provenance_id(sender: &Jurisdiction, id: TransferId) -> String {
    stable_id(&format!("{sender}/{id}/provenance"))
}

pub(super) struct Arrival<'a> {
    pub(super) unit: &'a Unit,
    pub(super) here: &'a Jurisdiction,
    pub(super) patient: &'a str,
    pub(super) now: DateTime<Utc>,
}

impl Arrival<'_> {
    pub(super) fn provenance(&self, targets: &[String]) -> Value {
        let targets: Vec<Value> = targets.iter().map(|target| json!({"reference": target})).collect();
        let mut entities = vec![json!({"role": "source", "what": {"identifier": self.transfer()}})];
        if let Some(origin) = &self.unit.patient.origin {
            entities.push(json!({"role": "source", "what": {"identifier": origin.to_identifier()}}));
        }
        json!({
            "resourceType": "Provenance",
            "id": provenance_id(&self.unit.sender, self.unit.id),
            "target": targets,
            "recorded": self.recorded(),
            "agent": [
                {"type": coding(PARTICIPANT, "custodian"), "who": jurisdiction(&self.unit.sender)},
                {"type": coding(PARTICIPANT, "assembler"), "who": jurisdiction(self.here)},
            ],
            "entity": entities,
        })
    }

    pub(super) fn audit_event(&self) -> Value {
        let disclosure = Disclosure {
            id: self.unit.id,
            sender: &self.unit.sender,
            receiver: self.here,
            patient: self.patient,
            recorded: self.now,
        };
        disclosure.audit_event(End::Recipient)
    }

    fn transfer(&self) -> Value {
        json!({"system": TRANSFER_SYSTEM, "value": self.unit.id.to_string()})
    }

    fn recorded(&self) -> String {
        self.now.to_rfc3339_opts(SecondsFormat::Millis, true)
    }
}

fn coding(system: &str, code: &str) -> Value {
    json!({"coding": [{"system": system, "code": code}]})
}
