//! From the package's names to ids here.

use std::collections::{BTreeMap, BTreeSet};

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
    stated: BTreeSet<(String, String)>,
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
        let is_stated =
            |arriving: &&Arriving| !arriving.comes_home(here) || !is_completed(&arriving.resource);
        let stated = unit.others.iter().filter(is_stated);
        let stated = stated
            .map(|arriving| (arriving.resource_type.clone(), own[&arriving.full_url].clone()))
            .collect();
        Self { patient, own, stated, used }
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

    /// Tells whether a resource here is one of which the package says itself what it is: a copy of the sender's, or
    /// one of ours that it marks as not given or wrong. Beside it, another record is another event.
    pub(super) fn is_own(&self, resource: &Value) -> bool {
        let text = |name: &str| resource.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        self.stated.contains(&(text("resourceType"), text("id")))
    }

    /// Finds what a reference of the entry `from` names, by the rules of R4 for Bundles (2.36.4.1): a relative one is
    /// read on the base of the entry's own full URL.
    fn target(&self, reference: &str, from: &str) -> Option<String> {
        let url = match references::target(reference) {
            Target::Urn(urn) => urn.to_owned(),
            Target::Absolute { url, .. } => url.to_owned(),
            Target::Relative { resource_type, id } => match references::target(from) {
                Target::Absolute { url, resource_type: own_type, id: own_id } => {
                    format!("{}{resource_type}/{id}", url.strip_suffix(&format!("{own_type}/{own_id}"))?)
                }
                _ => return None,
            },
            Target::Contained(_) | Target::Conditional(_) | Target::Other(_) => return None,
        };
        self.used.get(&url).map(|(resource_type, id)| format!("{resource_type}/{id}"))
    }
}

fn is_completed(resource: &Value) -> bool {
    resource.get("status").and_then(Value::as_str) == Some("completed")
}

/// Returns an arriving resource as it would be written here: ids and references of this server.
///
/// A literal reference to what is not in the package never stays one: it could meet a stranger's record.
pub(super) fn rewritten(arriving: &Arriving, ids: &LocalIds, sender: &Jurisdiction) -> Value {
    let mut resource = arriving.resource.clone();
    references::for_each_mut(&mut resource, &mut |reference| {
        rewrite(reference, ids, sender, &arriving.full_url);
    });
    resource["id"] = Value::from(ids.own_id(&arriving.full_url));
    resource
}

fn rewrite(reference: &mut Map<String, Value>, ids: &LocalIds, sender: &Jurisdiction, from: &str) {
    let Some(text) = reference.get("reference").and_then(Value::as_str).map(str::to_owned) else { return };
    let logical = match references::target(&text) {
        Target::Contained(_) => return,
        _ if let Some(local) = ids.target(&text, from) => {
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
