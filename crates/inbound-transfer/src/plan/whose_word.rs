//! Whose word counts: the table of the design, one branch a row.

use contracts::{Issue, Problem, ProblemCode};
use domain::Jurisdiction;
use fhir::IssueCode;
use fhir::canonical::{content, content_hash, differing_elements, home_content, reopen};
use fhir::origin::{add_origin, copied_from, origins};
use serde_json::{Value, json};

use super::rewrite::LocalIds;
use super::{Arriving, Local, Unit};

/// What happens to one arriving resource.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Decision {
    /// It is written as a new resource.
    Create(Value),
    /// An existing resource becomes this.
    Update {
        /// The new content.
        resource: Value,
        /// The version it replaces.
        version: String,
        /// Whether the content is the sender's (or ours, with a mark).
        is_theirs: bool,
    },
    /// Nothing is written.
    Leave,
    /// Nothing is written: this is here as it arrives, and the ledger learns whose word it is. So it is after a restore,
    /// and where a plan that was given up came late all the same.
    Recognise(Value),
    /// Nothing is written: the event is recorded here.
    Duplicate,
}

/// Decides about the patient. Demographics that are ours stay ours.
pub(super) fn of_patient(
    arriving: &Arriving,
    unit: &Unit,
    here: &Jurisdiction,
    local: &Local,
    incoming: &Value,
) -> Decision {
    let Some(present) = &local.patient else {
        let mut new = incoming.clone();
        reopen(&mut new); // closing marks say where a record went from there, never from here
        return Decision::Create(new);
    };
    let takes_theirs = patient_is_updated(arriving, unit, here, local, incoming);
    let mut wanted = if takes_theirs { incoming.clone() } else { present.clone() };
    reopen(&mut wanted);
    let known = if takes_theirs { origins(present) } else { Vec::new() };
    let spoken_for = unit.patient.origins.iter().filter(|origin| origin.jurisdiction == unit.sender).cloned();
    for origin in known.into_iter().chain(spoken_for) {
        add_origin(&mut wanted, &origin);
    }
    if !takes_theirs && wanted == *present {
        let is_recognised = is_copy_of(present, arriving, here)
            && content(incoming) == content(present)
            && is_news(arriving, unit, local);
        return if is_recognised { Decision::Recognise(wanted) } else { Decision::Leave };
    }
    Decision::Update { resource: wanted, version: version(present), is_theirs: takes_theirs }
}

/// A copy that we received and did not correct follows the province whose record it is.
fn patient_is_updated(
    arriving: &Arriving,
    unit: &Unit,
    here: &Jurisdiction,
    local: &Local,
    incoming: &Value,
) -> bool {
    let Some(present) = &local.patient else { return false };
    is_copy_of(present, arriving, here)
        && speaks_for(arriving, unit)
        && content(incoming) != content(present)
        && is_unchanged_here(arriving, local, present)
}

/// Decides about everything but the patient.
pub(super) fn of_record(
    arriving: &Arriving,
    unit: &Unit,
    here: &Jurisdiction,
    local: &Local,
    ids: &LocalIds,
    incoming: Value,
) -> Result<Decision, Problem> {
    let key = (arriving.resource_type.clone(), ids.own_id(&arriving.full_url));
    let present = local.resources.get(&key);
    if arriving.comes_home(here) {
        let Some(own) = present else {
            let was_deleted = local.deleted.contains(&key);
            return Err(if was_deleted { deleted_here(arriving) } else { origin_not_proven(arriving) });
        };
        if !belongs_to(own, &ids.patient, local) {
            return Err(origin_not_proven(arriving));
        }
        let marks_error = is_entered_in_error(&incoming) && !is_entered_in_error(own);
        return Ok(if marks_error {
            Decision::Update { resource: marked_as_error(own), version: version(own), is_theirs: false }
        } else {
            Decision::Leave
        });
    }
    let Some(copy) = present else {
        let was_received = local.received.contains_key(&arriving.name());
        return if was_received { Err(deleted_here(arriving)) } else { Ok(Decision::Create(incoming)) };
    };
    let is_this_persons = belongs_to(copy, &ids.patient, local);
    if !is_this_persons && speaks_for(arriving, unit) && is_received_from_another(arriving, unit, local) {
        // Somebody else has told of this record before; its own province's word replaces what they said.
        return Ok(Decision::Update { resource: incoming, version: version(copy), is_theirs: true });
    }
    if !is_this_persons {
        let text = "a record of this origin belongs to another person here";
        let issue = Issue::error(IssueCode::MultipleMatches, arriving.resource_type.as_str(), text);
        return Err(Problem::new(ProblemCode::MultipleMatches).issues(vec![issue]));
    }
    if content(&incoming) == content(copy) {
        let is_news = is_news(arriving, unit, local);
        return Ok(if is_news { Decision::Recognise(incoming) } else { Decision::Leave });
    }
    if !speaks_for(arriving, unit) {
        return Ok(Decision::Leave);
    }
    let marks_error = is_entered_in_error(&incoming) && !is_entered_in_error(copy);
    Ok(if marks_error || is_unchanged_here(arriving, local, copy) {
        Decision::Update { resource: incoming, version: version(copy), is_theirs: true }
    } else {
        Decision::Leave
    })
}

/// Names the elements in which an arriving record differs from what stays here.
pub(super) fn kept_differences(
    arriving: &Arriving,
    unit: &Unit,
    here: &Jurisdiction,
    local: &Local,
    ids: &LocalIds,
    incoming: &Value,
) -> Vec<String> {
    if arriving.resource_type == "Patient" {
        let Some(present) = &local.patient else { return Vec::new() };
        let is_copy = is_copy_of(present, arriving, here);
        return match () {
            () if arriving.comes_home(here) => {
                differing_elements(&home_content(incoming, here), &home_content(present, here))
            }
            () if is_copy && !patient_is_updated(arriving, unit, here, local, incoming) => {
                differing_elements(&content(incoming), &content(present))
            }
            () => Vec::new(), // a matched patient of ours: our demographics are not in question
        };
    }
    let key = (arriving.resource_type.clone(), ids.own_id(&arriving.full_url));
    let Some(present) = local.resources.get(&key) else { return Vec::new() };
    match of_record(arriving, unit, here, local, ids, incoming.clone()) {
        Ok(Decision::Leave) if arriving.comes_home(here) => {
            differing_elements(&home_content(incoming, here), &home_content(present, here))
        }
        Ok(Decision::Update { is_theirs: false, resource, .. }) => {
            differing_elements(&home_content(incoming, here), &home_content(&resource, here))
        }
        Ok(Decision::Leave) => differing_elements(&content(incoming), &content(present)),
        _ => Vec::new(),
    }
}

/// Tells whether the sender is the province whose record it is. A record without origin is the sender's.
fn speaks_for(arriving: &Arriving, unit: &Unit) -> bool {
    arriving.origin.as_ref().is_none_or(|origin| origin.jurisdiction == unit.sender)
}

/// Whether what stands here is the copy of the arriving record.
fn is_copy_of(present: &Value, arriving: &Arriving, here: &Jurisdiction) -> bool {
    let copied = copied_from(present, here);
    copied.is_some() && copied == arriving.origin
}

/// Whether the ledger does not know yet what its own province says here.
fn is_news(arriving: &Arriving, unit: &Unit, local: &Local) -> bool {
    speaks_for(arriving, unit) && !local.received.contains_key(&arriving.name())
}

fn is_unchanged_here(arriving: &Arriving, local: &Local, present: &Value) -> bool {
    let received = local.received.get(&arriving.name());
    received.is_some_and(|received| received.content_hash == hex::encode(content_hash(present)))
}

fn is_received_from_another(arriving: &Arriving, unit: &Unit, local: &Local) -> bool {
    local.received.get(&arriving.name()).is_some_and(|received| received.sender != unit.sender)
}

/// Tells whether a record hangs on this patient, or on one that was merged into it.
fn belongs_to(resource: &Value, patient_id: &str, local: &Local) -> bool {
    ["patient", "subject"].into_iter().all(|element| {
        let reference = resource.get(element).and_then(|reference| reference.get("reference")?.as_str());
        let id = reference.map(|reference| reference.strip_prefix("Patient/").unwrap_or_default());
        id.is_none_or(|id| id == patient_id || local.merged.contains(id))
    })
}

fn is_entered_in_error(resource: &Value) -> bool {
    let verification = resource.pointer("/verificationStatus/coding").and_then(Value::as_array);
    let is_error = |code: Option<&Value>| code.and_then(Value::as_str) == Some("entered-in-error");
    is_error(resource.get("status"))
        || verification.into_iter().flatten().any(|coding| is_error(coding.get("code")))
}

fn marked_as_error(own: &Value) -> Value {
    let mut marked = own.clone();
    if own.get("resourceType").and_then(Value::as_str) == Some("AllergyIntolerance") {
        marked["verificationStatus"] = json!({"coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification",
            "code": "entered-in-error",
        }]});
        if let Some(object) = marked.as_object_mut() {
            object.remove("clinicalStatus"); // R4 ait-2
        }
    } else {
        marked["status"] = Value::from("entered-in-error");
    }
    marked
}

pub(super) fn version(resource: &Value) -> String {
    resource.pointer("/meta/versionId").and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn deleted_here(arriving: &Arriving) -> Problem {
    let issue = Issue::error(
        IssueCode::Conflict,
        arriving.resource_type.as_str(),
        "this record was here before and has been deleted",
    );
    Problem::new(ProblemCode::DeletedHere).issues(vec![issue])
}

fn origin_not_proven(arriving: &Arriving) -> Problem {
    let issue = Issue::error(
        IssueCode::Forbidden,
        format!("{}.identifier", arriving.resource_type),
        "the origin record names a record of ours that does not exist or is another person's",
    );
    Problem::new(ProblemCode::OriginNotProven).issues(vec![issue])
}
