//! Reading a person's whole record, and proving by counts that it is whole.

use std::collections::{BTreeMap, BTreeSet};

use contracts::{Problem, ProblemCode};
use domain::PatientId;
use fhir::canonical::{content_hash, is_closed};
use fhir::origin::TRANSFER_SYSTEM;
use fhir::references::{self, Target, linked_patients};
use fhir_client::{FhirServer, Search, Searched};
use serde_json::Value;

use crate::step::{Failure, FaultClass, StepError};
use crate::store::Snapshot;

/// What hangs on a patient and is sent.
const CLINICAL: [&str; 2] = ["Immunization", "AllergyIntolerance"];
/// What those may refer to and is sent with them.
const SUPPORTING: [&str; 4] = ["Organization", "Practitioner", "Location", "Observation"];

/// A person's record as it stands on the FHIR server.
#[derive(Debug, Clone)]
pub struct Record {
    /// The live patient.
    pub patient: Value,
    /// The ids of patients that were merged into it.
    pub merged: BTreeSet<String>,
    /// Immunizations, allergies and what they refer to, by type and id.
    pub resources: BTreeMap<(String, String), Value>,
    /// The ids of the Provenance that earlier arrivals of this person left.
    pub arrivals: BTreeSet<String>,
}

impl Record {
    /// Reads everything that belongs to the patient, over all pages and merged records.
    pub async fn read(fhir: &FhirServer, patient_id: &PatientId) -> Result<Self, StepError> {
        let id = patient_id.expose();
        let (own, link) = ([("_id", id)], format!("Patient/{id}"));
        let (linked, target) = ([("link", link.as_str())], [("target", link.as_str())]);
        let others = [
            Search::all("Patient", &own),
            Search::all("Patient", &linked),
            Search::all("Provenance", &target),
        ];
        let of_patient = [("patient", id)];
        let searches: Vec<_> = others.into_iter().chain(clinical(&of_patient)).collect();
        let mut found = fhir.search_together(&searches).await?.into_iter();
        let patient = live_patient(resources_of(found.next()))?;
        let has_merged = linked_patients(&patient, "replaces").next().is_some()
            || resources_of(found.next())
                .iter()
                .any(|other| linked_patients(other, "replaced-by").any(|by| by == id));
        let arrivals = arrivals(&resources_of(found.next()))?;
        let merged = if has_merged { fhir.merged_into(&patient).await? } else { BTreeSet::new() };
        let mut resources = if merged.is_empty() {
            whole(found)?
        } else {
            let people = std::iter::once(id).chain(merged.iter().map(String::as_str));
            let people = people.collect::<Vec<_>>().join(",");
            let criteria = [("patient", people.as_str())];
            whole(fhir.search_together(&clinical(&criteria)).await?.into_iter())?
        };
        add_supporting(fhir, &patient, &merged, &mut resources).await?;
        Ok(Self { patient, merged, resources, arrivals })
    }

    /// Returns the versions, to notice later that something changed.
    pub fn snapshot(&self) -> Result<Snapshot, StepError> {
        let mut versions = BTreeMap::new();
        for ((resource_type, id), resource) in &self.resources {
            versions.insert(format!("{resource_type}/{id}"), version_of(resource)?);
        }
        let mut patient = self.patient.clone();
        let active = patient.as_object_mut().and_then(|object| object.remove("active"));
        Ok(Snapshot {
            versions,
            patient_version: version_of(&self.patient)?,
            closed: is_closed(&self.patient),
            inactive: active == Some(Value::Bool(false)),
            patient_content: hex::encode(content_hash(&patient)),
            arrivals: self.arrivals.iter().cloned().collect(),
        })
    }
}

/// For each clinical type all resources, and how many there are.
fn clinical<'a>(criteria: &'a [(&'a str, &'a str)]) -> [Search<'a>; 2 * CLINICAL.len()] {
    std::array::from_fn(|at| Search { resource_type: CLINICAL[at / 2], criteria, is_count: at % 2 == 1 })
}

/// Takes the answers to [`clinical`]; refuses them where what was read is not what the server counts.
fn whole(mut found: impl Iterator<Item = Searched>) -> Result<BTreeMap<(String, String), Value>, StepError> {
    let mut resources = BTreeMap::new();
    for resource_type in CLINICAL {
        let read = resources_of(found.next());
        let Some(Searched::Count(counted)) = found.next() else {
            return Err(unreadable("a search without a count"));
        };
        if counted != read.len() as u64 {
            return Err(StepError::failed(
                FaultClass::Transient,
                ProblemCode::RecordIncomplete,
                format!("{} of {counted} {resource_type} were read", read.len()),
            ));
        }
        for resource in read {
            resources.insert((resource_type.to_owned(), id_of(&resource)?), resource);
        }
    }
    Ok(resources)
}

fn resources_of(searched: Option<Searched>) -> Vec<Value> {
    match searched {
        Some(Searched::All(resources)) => resources,
        _ => Vec::new(),
    }
}

fn live_patient(mut found: Vec<Value>) -> Result<Value, StepError> {
    let Some(patient) = found.pop() else {
        return Err(StepError::failed(
            FaultClass::Content,
            ProblemCode::PatientNotFound,
            "the FHIR server has no patient of this id; check patient_id",
        ));
    };
    let live = linked_patients(&patient, "replaced-by").next().map(str::to_owned);
    match live {
        None => Ok(patient),
        Some(live) => Err(merged_away(&live)),
    }
}

fn merged_away(live: &str) -> StepError {
    let detail =
        "the record was merged into the one named by live_patient_id; request a transfer of that one";
    StepError::Failed(Box::new(Failure {
        class: FaultClass::Content,
        problem: Problem::new(ProblemCode::PatientMerged).detail(detail),
        retry_after: None,
        is_progress: false,
        live_patient_id: PatientId::parse(live).ok(),
    }))
}

/// Adds what the resources refer to, and what that refers to, as far as it is of a type that is sent.
async fn add_supporting(
    fhir: &FhirServer,
    patient: &Value,
    merged: &BTreeSet<String>,
    resources: &mut BTreeMap<(String, String), Value>,
) -> Result<(), StepError> {
    let mut asked = BTreeSet::new();
    let mut wanted: BTreeMap<&'static str, BTreeSet<String>> = BTreeMap::new();
    note_targets(patient, &mut wanted);
    for resource in resources.values() {
        note_targets(resource, &mut wanted);
    }
    while !wanted.is_empty() {
        let new: Vec<(&str, Vec<String>)> = std::mem::take(&mut wanted)
            .into_iter()
            .map(|(of, ids)| (of, ids.into_iter().filter(|id| asked.insert((of, id.clone()))).collect()))
            .collect();
        for resource in fhir.read_many(&new).await? {
            if !is_about(&resource, patient, merged) {
                continue; // another person's, such as a mother's: the reference becomes logical
            }
            note_targets(&resource, &mut wanted);
            let resource_type = resource.get("resourceType").and_then(Value::as_str).unwrap_or_default();
            resources.insert((resource_type.to_owned(), id_of(&resource)?), resource);
        }
    }
    Ok(())
}

/// Tells whether a resource is about nobody, or about this person.
fn is_about(resource: &Value, patient: &Value, merged: &BTreeSet<String>) -> bool {
    let Some(subject) = resource.get("subject") else { return true };
    let text = subject.get("reference").and_then(Value::as_str).unwrap_or_default();
    match references::target(text) {
        Target::Relative { resource_type: "Patient", id } => {
            patient.get("id").and_then(Value::as_str) == Some(id) || merged.contains(id)
        }
        _ => false,
    }
}

fn note_targets(resource: &Value, wanted: &mut BTreeMap<&'static str, BTreeSet<String>>) {
    references::for_each(resource, &mut |reference| {
        let text = reference.get("reference").and_then(Value::as_str).unwrap_or_default();
        if let Target::Relative { resource_type, id } = references::target(text)
            && let Some(known) = SUPPORTING.iter().find(|known| **known == resource_type)
        {
            wanted.entry(known).or_default().insert(id.to_owned());
        }
    });
}

/// Returns the ids of those Provenance that arrivals have left.
fn arrivals(provenance: &[Value]) -> Result<BTreeSet<String>, StepError> {
    let is_arrival = |provenance: &&Value| {
        let entities = provenance.get("entity").and_then(Value::as_array);
        entities.into_iter().flatten().any(|entity| {
            entity.pointer("/what/identifier/system").and_then(Value::as_str) == Some(TRANSFER_SYSTEM)
        })
    };
    provenance.iter().filter(is_arrival).map(id_of).collect()
}

fn id_of(resource: &Value) -> Result<String, StepError> {
    let id = resource.get("id").and_then(Value::as_str).map(str::to_owned);
    id.ok_or_else(|| unreadable("a resource without id"))
}

fn version_of(resource: &Value) -> Result<String, StepError> {
    let version = resource.pointer("/meta/versionId").and_then(Value::as_str).map(str::to_owned);
    version.ok_or_else(|| unreadable("a resource without version"))
}

fn unreadable(what: &'static str) -> StepError {
    StepError::failed(FaultClass::Transient, ProblemCode::FhirServerUnavailable, what)
}
