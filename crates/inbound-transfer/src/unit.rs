//! A checked package, taken apart: one person, and what belongs to them.

use domain::{Jurisdiction, TransferId};
use fhir::identifiers::{normalise_system, normalise_value};
use fhir::origin::{DESTINATION_IDENTIFIER, ORIGIN_SYSTEM, OriginRecord, origins, stable_id};
use serde_json::Value;

/// A resource as it arrived.
#[derive(Debug, Clone)]
pub struct Arriving {
    /// What the package's references name it by.
    pub full_url: String,
    /// Its type.
    pub resource_type: String,
    /// The resource.
    pub resource: Value,
    /// All origin records that it carries.
    pub origins: Vec<OriginRecord>,
    /// The origin record that says which record it is here; none for a Provenance.
    pub origin: Option<OriginRecord>,
}

/// One person's package.
#[derive(Debug, Clone)]
pub struct Unit {
    /// Who sent it.
    pub sender: Jurisdiction,
    /// The transfer.
    pub id: TransferId,
    /// The person.
    pub patient: Arriving,
    /// Everything else, in the package's order.
    pub others: Vec<Arriving>,
    /// The person's identifier here (system, value), if the sender knew one.
    pub destination_identifier: Option<(String, String)>,
}

impl Unit {
    /// Takes a Bundle apart that the gate and the rules have passed; `None` if it has no Patient after all.
    pub fn take_apart(
        bundle: &Value,
        sender: &Jurisdiction,
        id: TransferId,
        here: &Jurisdiction,
    ) -> Option<Self> {
        let mut patient = None;
        let mut others = Vec::new();
        for entry in bundle.get("entry")?.as_array()? {
            let arriving = Arriving::read(entry, sender, here)?;
            if arriving.resource_type == "Patient" {
                patient = Some(arriving);
            } else {
                others.push(arriving);
            }
        }
        let mut patient = patient?;
        let destination_identifier = take_destination_identifier(&mut patient.resource);
        Some(Self { sender: sender.clone(), id, patient, others, destination_identifier })
    }

    /// Returns all resources, the patient first.
    pub fn all(&self) -> impl Iterator<Item = &Arriving> {
        std::iter::once(&self.patient).chain(&self.others)
    }
}

impl Arriving {
    fn read(entry: &Value, sender: &Jurisdiction, here: &Jurisdiction) -> Option<Self> {
        let resource = entry.get("resource")?.clone();
        let origins = origins(&resource);
        // Our own record, the sender's own record, or the first of those the sender passes on.
        let origin = origins
            .iter()
            .find(|origin| origin.jurisdiction == *here)
            .or_else(|| origins.iter().find(|origin| origin.jurisdiction == *sender))
            .or_else(|| origins.iter().min())
            .cloned();
        Some(Self {
            full_url: entry.get("fullUrl")?.as_str()?.to_owned(),
            resource_type: resource.get("resourceType")?.as_str()?.to_owned(),
            resource,
            origins,
            origin,
        })
    }

    /// Returns the id that this record has here: its own if it is ours, else that of a copy.
    pub fn local_id(&self, sender: &Jurisdiction, here: &Jurisdiction) -> String {
        match &self.origin {
            Some(origin) if origin.jurisdiction == *here => origin.id.clone(),
            Some(origin) => origin.copy_id(),
            None => stable_id(&format!("{sender}/{}", self.full_url)),
        }
    }

    /// Tells whether this is a record of ours that comes home.
    pub fn comes_home(&self, here: &Jurisdiction) -> bool {
        self.origin.as_ref().is_some_and(|origin| origin.jurisdiction == *here)
    }

    /// Returns the name of this record in receipts and logs of conflicts.
    pub fn name(&self) -> String {
        self.origin.as_ref().map_or_else(|| self.full_url.clone(), ToString::to_string)
    }
}

fn take_destination_identifier(patient: &mut Value) -> Option<(String, String)> {
    let object = patient.as_object_mut()?;
    let list = object.get_mut("extension")?.as_array_mut()?;
    let is_ours =
        |extension: &Value| extension.get("url").and_then(Value::as_str) == Some(DESTINATION_IDENTIFIER);
    let identifier = list.iter().find(|extension| is_ours(extension))?.get("valueIdentifier").cloned();
    list.retain(|extension| !is_ours(extension));
    if list.is_empty() {
        object.remove("extension");
    }
    let identifier = identifier?;
    let (system, value) = (identifier.get("system")?.as_str()?, identifier.get("value")?.as_str()?);
    // An origin record selects by its own rules only.
    (system != ORIGIN_SYSTEM).then(|| (normalise_system(system), normalise_value(system, value)))
}
