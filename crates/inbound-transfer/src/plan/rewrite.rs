//! From the package's names to ids here.

use std::collections::BTreeMap;

use domain::Jurisdiction;
use fhir::OriginRecord;
use fhir::references::{self, Target};
use serde_json::{Map, Value, json};

use crate::unit::{Arriving, Unit};

/// The id here of everything in the package.
#[derive(Debug, Clone)]
pub(super) struct LocalIds {
    /// The patient's id here.
    pub(super) patient: String,
    own: BTreeMap<String, String>,
    used: BTreeMap<String, (String, String)>,
}

impl LocalIds {
    pub(super) fn of(unit: &Unit, here: &Jurisdiction, matched: Option<&Value>) -> Self {
        let patient = matched
            .and_then(|patient| patient.get("id")?.as_str())
            .map_or_else(|| unit.patient.local_id(&unit.sender, here), str::to_owned);
        let mut own = BTreeMap::new();
        let mut used = BTreeMap::new();
        for arriving in unit.all() {
            let is_patient = arriving.resource_type == "Patient";
            let id = if is_patient { patient.clone() } else { arriving.local_id(&unit.sender, here) };
            own.insert(arriving.full_url.clone(), id.clone());
            used.insert(arriving.full_url.clone(), (arriving.resource_type.clone(), id));
        }
        Self { patient, own, used }
    }

    /// Returns the id that the record has here, whether or not another one stands for it.
    pub(super) fn own_id(&self, full_url: &str) -> String {
        self.own.get(full_url).cloned().unwrap_or_default()
    }

    /// Returns the id that references to the record take.
    pub(super) fn of_url(&self, full_url: &str) -> String {
        self.used.get(full_url).map(|(_, id)| id.clone()).unwrap_or_default()
    }

    /// Lets another record stand for this one.
    pub(super) fn replace(&mut self, full_url: &str, resource_type: &str, id: &str) {
        self.used.insert(full_url.to_owned(), (resource_type.to_owned(), id.to_owned()));
    }

    fn target(&self, reference: &str) -> Option<String> {
        let found = self.used.get(reference).or_else(|| {
            // A relative reference is resolved against the entries' full URLs (R4 Bundle, 2.36.4.1).
            let suffix = format!("/{reference}");
            self.used
                .iter()
                .find(|(url, _)| url.starts_with("http") && url.ends_with(&suffix))
                .map(|(_, found)| found)
        });
        found.map(|(resource_type, id)| format!("{resource_type}/{id}"))
    }
}

/// Returns an arriving resource as it would be written here: ids and references of this server.
///
/// A literal reference to what is not in the package never stays one: it could meet a stranger's record.
pub(super) fn rewritten(arriving: &Arriving, ids: &LocalIds, sender: &Jurisdiction) -> Value {
    let mut resource = arriving.resource.clone();
    references::for_each_mut(&mut resource, &mut |reference| rewrite(reference, ids, sender));
    resource["id"] = Value::from(ids.own_id(&arriving.full_url));
    resource
}

fn rewrite(reference: &mut Map<String, Value>, ids: &LocalIds, sender: &Jurisdiction) {
    let Some(text) = reference.get("reference").and_then(Value::as_str).map(str::to_owned) else { return };
    let logical = match references::target(&text) {
        Target::Contained(_) => return,
        _ if let Some(local) = ids.target(&text) => {
            reference.insert("reference".into(), Value::from(local));
            return;
        }
        Target::Relative { resource_type, id } => {
            OriginRecord::new(sender, resource_type, id).to_identifier()
        }
        _ => json!({"system": "urn:ietf:rfc:3986", "value": text}),
    };
    reference.remove("reference");
    reference.entry("identifier").or_insert(logical);
}
