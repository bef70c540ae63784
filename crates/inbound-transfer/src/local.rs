//! What is recorded here of the person and of the arriving records.

use std::collections::{BTreeMap, BTreeSet};

use domain::Jurisdiction;
use fhir_client::{FhirServer, Found};
use serde_json::Value;

use crate::plan::Local;
use crate::refusal::Refusal;
use crate::store::Store;
use crate::unit::Unit;

/// Reads what the plan is made from; `local.patient` and `local.received` are there already.
pub async fn complete(
    mut local: Local,
    fhir: &FhirServer,
    unit: &Unit,
    here: &Jurisdiction,
) -> Result<Local, Refusal> {
    let mut wanted: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for arriving in &unit.others {
        wanted.entry(&arriving.resource_type).or_default().push(arriving.local_id(&unit.sender, here));
    }
    let wanted: Vec<_> = wanted.into_iter().collect();
    for resource in fhir.read_many(&wanted).await? {
        let text = |name| resource.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        local.resources.insert((text("resourceType"), text("id")), resource);
    }
    local.deleted = deleted(&local, fhir, unit, here).await?;
    if let Some(patient) = &local.patient {
        local.merged = fhir.merged_into(patient).await?;
        let own = patient.get("id").and_then(Value::as_str).unwrap_or_default();
        let people: Vec<&str> = std::iter::once(own).chain(local.merged.iter().map(String::as_str)).collect();
        local.doses = fhir.search("Immunization", &[("patient", &people.join(","))]).await?;
    }
    Ok(local)
}

/// Our own records that come home and are not there: deleted, or never made?
async fn deleted(
    local: &Local,
    fhir: &FhirServer,
    unit: &Unit,
    here: &Jurisdiction,
) -> Result<BTreeSet<(String, String)>, Refusal> {
    let mut deleted = BTreeSet::new();
    for arriving in unit.others.iter().filter(|arriving| arriving.comes_home(here)) {
        let key = (arriving.resource_type.clone(), arriving.local_id(&unit.sender, here));
        if !local.resources.contains_key(&key) && fhir.read(&key.0, &key.1).await? == Found::Deleted {
            deleted.insert(key);
        }
    }
    Ok(deleted)
}

/// Returns what was received before of the package's records, the patient's among them.
pub async fn received(store: &Store, unit: &Unit) -> Result<Local, Refusal> {
    let mut origins: Vec<String> = unit.all().map(crate::unit::Arriving::name).collect();
    origins.extend(unit.patient.origins.iter().map(ToString::to_string));
    let received = store.received(&origins).await?;
    Ok(Local { received, ..Local::default() })
}
