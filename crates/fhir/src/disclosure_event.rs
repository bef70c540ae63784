//! The AuditEvents of a disclosure, one at each end: IHE BALP 1.1, *Disclosure*, by its source (export) and by its
//! recipient (import). The transfer's id joins the two.

use chrono::{DateTime, SecondsFormat, Utc};
use domain::{Jurisdiction, TransferId};
use serde_json::{Value, json};

use crate::origin::{TRANSFER_SYSTEM, jurisdiction, stable_id};

const DICOM: &str = "http://dicom.nema.org/resources/ontology/DCM";
const LIFECYCLE: &str = "http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle";
const ENTITY_TYPE: &str = "http://terminology.hl7.org/CodeSystem/audit-entity-type";
const ENTITY_ROLE: &str = "http://terminology.hl7.org/CodeSystem/object-role";
const BALP_ENTITY: &str = "https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType";

/// Which end of the disclosure writes the event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The province that has sent the record.
    Source,
    /// The province that has taken it in.
    Recipient,
}

/// A record that went from one province to another.
#[derive(Debug, Clone, Copy)]
pub struct Disclosure<'a> {
    /// The transfer.
    pub id: TransferId,
    /// The province that has sent.
    pub sender: &'a Jurisdiction,
    /// The province that has received.
    pub receiver: &'a Jurisdiction,
    /// The patient's id on the server that the event is for.
    pub patient: &'a str,
    /// When the disclosure was recorded.
    pub recorded: DateTime<Utc>,
}

impl Disclosure<'_> {
    /// Returns the AuditEvent for one end. Its id is the same whenever it is made.
    pub fn audit_event(&self, end: End) -> Value {
        let (code, display, action, observer, name) = match end {
            End::Source => ("110106", "Export", "R", self.sender, "export-event"),
            End::Recipient => ("110107", "Import", "C", self.receiver, "audit-event"),
        };
        let transfer = json!({"identifier": {"system": TRANSFER_SYSTEM, "value": self.id.to_string()}});
        json!({
            "resourceType": "AuditEvent",
            "id": stable_id(&format!("{}/{}/{name}", self.sender, self.id)),
            "type": {"system": DICOM, "code": code, "display": display},
            "subtype": [{"system": LIFECYCLE, "code": "disclose"}],
            "action": action,
            "recorded": self.recorded.to_rfc3339_opts(SecondsFormat::Millis, true),
            "outcome": "0",
            "agent": [
                {"type": coding("110153"), "who": jurisdiction(self.sender), "requestor": true},
                {"type": coding("110152"), "who": jurisdiction(self.receiver), "requestor": false},
            ],
            "source": {"observer": jurisdiction(observer)},
            "entity": [
                {
                    "what": {"reference": format!("Patient/{}", self.patient)},
                    "type": {"system": ENTITY_TYPE, "code": "1"},
                    "role": {"system": ENTITY_ROLE, "code": "1"},
                },
                {
                    "what": transfer,
                    "type": {"system": ENTITY_TYPE, "code": "2"},
                    "role": {"system": ENTITY_ROLE, "code": "4"},
                },
                {"what": transfer, "type": {"system": BALP_ENTITY, "code": "XrequestId"}},
            ],
        })
    }
}

fn coding(code: &str) -> Value {
    json!({"coding": [{"system": DICOM, "code": code}]})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_ends_tell_of_one_disclosure() {
        let (on, bc) = (Jurisdiction::parse("ON").unwrap(), Jurisdiction::parse("BC").unwrap());
        let disclosure = Disclosure {
            id: TransferId::generate(),
            sender: &on,
            receiver: &bc,
            patient: "p1",
            recorded: DateTime::from_timestamp(1_790_000_000, 0).unwrap(),
        };
        let (source, recipient) =
            (disclosure.audit_event(End::Source), disclosure.audit_event(End::Recipient));
        assert_ne!(source["id"], recipient["id"]);
        assert_eq!(source["entity"][2], recipient["entity"][2], "what joins them");
        assert_eq!((&source["type"]["code"], &source["action"]), (&json!("110106"), &json!("R")));
        assert_eq!((&recipient["type"]["code"], &recipient["action"]), (&json!("110107"), &json!("C")));
        assert_eq!(source["source"]["observer"]["identifier"]["value"], "ON");
        assert_eq!(recipient["source"]["observer"]["identifier"]["value"], "BC");
        assert_eq!(source["agent"], recipient["agent"], "client and server are the same");
        for event in [source, recipient] {
            assert_eq!(crate::gate::check_resource(&event), Vec::new());
        }
    }
}
