//! What will be written: pure, from the package and what is recorded here.
//!
//! The plan is stored before anything is written and carried out exactly, also after a restart.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use contracts::{Conflict, Issue, Outcome, OutcomeCounts, Problem, ProblemCode};
use domain::Jurisdiction;
use fhir::IssueCode;
use fhir::canonical::{content_hash, strip_server_meta};
use fhir_client::NEVER_BEFORE;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::same_event::{Relation, relation};
use crate::store::ReceivedRecord;
use crate::unit::{Arriving, Unit};

mod arrival_records;
mod rewrite;
mod whose_word;

pub use arrival_records::provenance_id;
use rewrite::{LocalIds, rewritten};
use whose_word::Decision;

/// What is recorded here of the person and of the arriving records.
#[derive(Debug, Clone, Default)]
pub struct Local {
    /// The matched patient, none for a new person.
    pub patient: Option<Value>,
    /// What stands at the ids that the arriving records have here, by type and id.
    pub resources: BTreeMap<(String, String), Value>,
    /// Which of our own records that come home have been deleted here.
    pub deleted: BTreeSet<(String, String)>,
    /// The ids of patients that were merged into the matched one here.
    pub merged: BTreeSet<String>,
    /// The patient's immunizations, those of merged records among them.
    pub doses: Vec<Value>,
    /// What was received of the arriving records before, by origin.
    pub received: BTreeMap<String, ReceivedRecord>,
    /// The version of the Provenance that an earlier plan of this transfer has left.
    pub provenance: Option<String>,
}

/// What will be written and answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The exact bytes of the FHIR transaction.
    pub transaction: String,
    /// The Provenance that shows, by its time, that the transaction has been committed.
    pub provenance: String,
    /// When the Provenance says that it was recorded: another plan of the same transfer has another time.
    #[serde(default)]
    pub recorded: Option<DateTime<Utc>>,
    /// The patient here, `{CODE}/Patient/{id}`.
    pub patient: String,
    /// Outcomes by type.
    pub counts: BTreeMap<String, OutcomeCounts>,
    /// What stays as it is here although it differs.
    pub conflicts: Vec<Conflict>,
    /// What is to be remembered of each record.
    pub records: Vec<ReceivedRecord>,
    /// What somebody should look at.
    pub warnings: Vec<Issue>,
}

/// Makes the plan, or says why the package is refused.
pub fn make(unit: &Unit, here: &Jurisdiction, local: &Local, now: DateTime<Utc>) -> Result<Plan, Problem> {
    refuse_patient_links(unit)?;
    let mut builder = Builder::new(unit, here, local);
    let decision = whose_word::of_patient(
        &unit.patient,
        unit,
        here,
        local,
        &rewritten(&unit.patient, &builder.ids, &unit.sender),
    );
    builder.settle(&unit.patient, &builder.ids.patient.clone(), decision);
    for arriving in &unit.others {
        builder.decide(arriving)?;
    }
    Ok(builder.finish(now))
}

struct Builder<'a> {
    unit: &'a Unit,
    here: &'a Jurisdiction,
    local: &'a Local,
    ids: LocalIds,
    written: Vec<Value>,
    counts: BTreeMap<String, OutcomeCounts>,
    conflicts: Vec<Conflict>,
    records: Vec<ReceivedRecord>,
    warnings: Vec<Issue>,
}

impl<'a> Builder<'a> {
    fn new(unit: &'a Unit, here: &'a Jurisdiction, local: &'a Local) -> Self {
        let mut ids = LocalIds::of(unit, here, local.patient.as_ref());
        // What is recorded here already keeps its own id, also for those that refer to it.
        for arriving in &unit.others {
            let incoming = rewritten(arriving, &ids, &unit.sender);
            if let Some(duplicate) = duplicate_of(arriving, &incoming, here, local, &ids) {
                ids.replace(&arriving.full_url, &arriving.resource_type, &duplicate);
            }
        }
        Self {
            unit,
            here,
            local,
            ids,
            written: Vec::new(),
            counts: BTreeMap::new(),
            conflicts: Vec::new(),
            records: Vec::new(),
            warnings: Vec::new(),
        }
    }

    fn decide(&mut self, arriving: &Arriving) -> Result<(), Problem> {
        let incoming = rewritten(arriving, &self.ids, &self.unit.sender);
        self.refuse_without_patient(arriving, &incoming)?;
        let id = self.ids.of_url(&arriving.full_url);
        if self.is_new(arriving) && arriving.resource_type == "Immunization" {
            if duplicate_of(arriving, &incoming, self.here, self.local, &self.ids).is_some() {
                self.settle(arriving, &id, Decision::Duplicate);
                return Ok(());
            }
            self.compare_with_doses(arriving, &incoming)?;
        }
        let decision =
            whose_word::of_record(arriving, self.unit, self.here, self.local, &self.ids, incoming)?;
        self.settle(arriving, &id, decision);
        Ok(())
    }

    /// A dose or an allergy that would not hang on this person is never written.
    fn refuse_without_patient(&self, arriving: &Arriving, incoming: &Value) -> Result<(), Problem> {
        let hangs_on_patient =
            ["Immunization", "AllergyIntolerance"].contains(&arriving.resource_type.as_str());
        let expected = format!("Patient/{}", self.ids.patient);
        let patient = incoming.pointer("/patient/reference").and_then(Value::as_str);
        if !hangs_on_patient || patient == Some(&expected) {
            return Ok(());
        }
        let expression = format!("{}.patient", arriving.resource_type);
        let issue = Issue::error(IssueCode::Value, expression, "must refer to the package's Patient");
        Err(Problem::new(ProblemCode::PackageInvalid).issues(vec![issue]))
    }

    fn is_new(&self, arriving: &Arriving) -> bool {
        is_new(arriving, self.unit, self.here, self.local)
    }

    fn compare_with_doses(&mut self, arriving: &Arriving, incoming: &Value) -> Result<(), Problem> {
        for dose in self.local.doses.iter().filter(|dose| !self.ids.is_own(dose)) {
            match relation(incoming, dose) {
                Relation::IdentifierConflict => {
                    let text =
                        "a business identifier of this dose is recorded here for another vaccine or date";
                    let issue = Issue::error(IssueCode::Conflict, expression(arriving), text);
                    return Err(Problem::new(ProblemCode::IdentifierConflict).issues(vec![issue]));
                }
                Relation::Possible => {
                    let text = "a dose of the same kind is recorded here within 23 days: possibly the same";
                    self.warnings.push(Issue::warning(IssueCode::Duplicate, expression(arriving), text));
                }
                Relation::Same | Relation::Other => {}
            }
        }
        Ok(())
    }

    fn settle(&mut self, arriving: &Arriving, id: &str, decision: Decision) {
        let outcome = match decision {
            Decision::Create(resource) => {
                self.remember(arriving, id, &resource);
                self.write(&arriving.resource_type, id, resource, None);
                Outcome::Created
            }
            Decision::Update { resource, version, is_theirs } => {
                if is_theirs {
                    self.remember(arriving, id, &resource);
                }
                self.write(&arriving.resource_type, id, resource, Some(&version));
                Outcome::Updated
            }
            Decision::Recognise(resource) => {
                self.remember(arriving, id, &resource);
                self.guard(arriving, id);
                Outcome::Unchanged
            }
            Decision::Leave => {
                self.guard(arriving, id);
                Outcome::Unchanged
            }
            Decision::Duplicate => Outcome::DuplicateOf,
        };
        self.counts.entry(arriving.resource_type.clone()).or_default().add(outcome);
    }

    /// A patient that stays as it is is put again as it is, with its version: no new version comes of it, but the
    /// whole transaction fails if the patient changes meanwhile, for instance because its record is being closed.
    fn guard(&mut self, arriving: &Arriving, id: &str) {
        if arriving.resource_type == "Patient"
            && let Some(present) = self.local.patient.clone()
        {
            let version = whose_word::version(&present);
            self.write("Patient", id, present, Some(&version));
        }
    }

    fn remember(&mut self, arriving: &Arriving, id: &str, resource: &Value) {
        let Some(origin) = &arriving.origin else { return };
        self.records.push(ReceivedRecord {
            origin: origin.to_string(),
            resource_type: arriving.resource_type.clone(),
            local_id: id.to_owned(),
            content_hash: hex::encode(content_hash(resource)),
            sender: self.unit.sender.clone(),
        });
    }

    fn write(&mut self, resource_type: &str, id: &str, mut resource: Value, version: Option<&str>) {
        strip_server_meta(&mut resource);
        resource["id"] = Value::from(id);
        let mut request = json!({"method": "PUT", "url": format!("{resource_type}/{id}")});
        if let Some(version) = version {
            request["ifMatch"] = Value::from(format!("W/\"{version}\""));
        }
        self.written.push(json!({"fullUrl": format!("urn:uuid:{}", fhir::origin::stable_id(&format!("{resource_type}/{id}"))),
            "resource": resource, "request": request}));
    }

    fn conflict(&mut self, arriving: &Arriving, fields: Vec<String>) {
        if !fields.is_empty() {
            let conflict =
                Conflict { r#type: arriving.resource_type.clone(), origin: arriving.name(), fields };
            self.conflicts.push(conflict);
        }
    }

    fn finish(mut self, now: DateTime<Utc>) -> Plan {
        self.list_conflicts();
        let targets: Vec<String> = self.targets();
        let arrival =
            arrival_records::Arrival { unit: self.unit, here: self.here, patient: &self.ids.patient, now };
        let provenance = arrival.provenance(&targets);
        let audit_event = arrival.audit_event();
        let id_of =
            |resource: &Value| resource.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
        // Once: a transaction that commits after another attempt has would take back what was recorded in between.
        let known = self.local.provenance.as_deref().unwrap_or(NEVER_BEFORE);
        self.write("Provenance", &id_of(&provenance), provenance, Some(known));
        self.write("AuditEvent", &id_of(&audit_event), audit_event, None);
        let transaction = json!({"resourceType": "Bundle", "type": "transaction", "entry": self.written});
        Plan {
            transaction: transaction.to_string(),
            provenance: provenance_id(&self.unit.sender, self.unit.id),
            recorded: Some(now),
            patient: format!("{}/Patient/{}", self.here, self.ids.patient),
            counts: self.counts,
            conflicts: self.conflicts,
            records: self.records,
            warnings: self.warnings,
        }
    }

    /// What differs from what stays here, record by record.
    fn list_conflicts(&mut self) {
        for arriving in self.unit.all() {
            let incoming = rewritten(arriving, &self.ids, &self.unit.sender);
            let fields = whose_word::kept_differences(
                arriving, self.unit, self.here, self.local, &self.ids, &incoming,
            );
            self.conflict(arriving, fields);
        }
    }

    /// Everything that the transaction writes, and the patient in any case.
    fn targets(&self) -> Vec<String> {
        let mut targets = vec![format!("Patient/{}", self.ids.patient)];
        for entry in &self.written {
            let url = entry.pointer("/request/url").and_then(Value::as_str).unwrap_or_default().to_owned();
            if !targets.contains(&url) {
                targets.push(url);
            }
        }
        targets
    }
}

/// Links between patients are local to a server; one that arrives could only mislead.
fn refuse_patient_links(unit: &Unit) -> Result<(), Problem> {
    let links = unit.patient.resource.get("link").and_then(Value::as_array);
    if links.into_iter().flatten().all(|link| link.pointer("/other/reference").is_none()) {
        return Ok(());
    }
    let issue =
        Issue::error(IssueCode::BusinessRule, "Patient.link", "must not refer to a Patient literally");
    Err(Problem::new(ProblemCode::PackageInvalid).issues(vec![issue]))
}

/// Tells whether a record is neither ours nor here already.
fn is_new(arriving: &Arriving, unit: &Unit, here: &Jurisdiction, local: &Local) -> bool {
    let key = (arriving.resource_type.clone(), arriving.local_id(&unit.sender, here));
    !arriving.comes_home(here)
        && !local.resources.contains_key(&key)
        && !local.received.contains_key(&arriving.name())
}

/// Returns the id of the dose recorded here that an arriving one is the same event as.
fn duplicate_of(
    arriving: &Arriving,
    incoming: &Value,
    here: &Jurisdiction,
    local: &Local,
    ids: &LocalIds,
) -> Option<String> {
    let key = (arriving.resource_type.clone(), ids.own_id(&arriving.full_url));
    let is_known = local.resources.contains_key(&key) || local.received.contains_key(&arriving.name());
    if arriving.resource_type != "Immunization" || arriving.comes_home(here) || is_known {
        return None;
    }
    // What the same package holds is another event by the sender's own word, such as a correction.
    let others = local.doses.iter().filter(|dose| !ids.is_own(dose));
    let same = others.into_iter().find(|dose| relation(incoming, dose) == Relation::Same)?;
    same.get("id")?.as_str().map(str::to_owned)
}

fn expression(arriving: &Arriving) -> String {
    arriving.resource_type.clone()
}
