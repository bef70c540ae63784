//! The step `delivered` → `completed`: the source is closed only if it is still what was sent.

use bytes::Bytes;
use contracts::{ProblemCode, Receipt};
use domain::SourceOutcome;
use fhir::OriginRecord;
use fhir::canonical::{close as mark_closed, closed_to, reopen, strip_server_meta};
use fhir::disclosure_event::{Disclosure, End};
use fhir_client::{FhirError, NEVER_BEFORE};
use serde_json::{Value, json};

use crate::config::CloseSource;
use crate::record::Record;
use crate::step::{FaultClass, StepError};
use crate::store::{Claim, Snapshot};
use crate::worker::Worker;

/// Closes the source, or says why it stays open.
pub async fn close(worker: &Worker, claim: &Claim) -> Result<(), StepError> {
    let receipt = worker.store.receipt(claim).await?;
    let event = export_event(worker, claim, &receipt);
    let outcome = match worker.close_source {
        CloseSource::Keep => {
            record_export(worker, claim, event).await?;
            SourceOutcome::Kept
        }
        CloseSource::Refer => close_if_unchanged(worker, claim, &receipt, event).await?,
    };
    if matches!(outcome, SourceOutcome::ChangedSinceSeal | SourceOutcome::Returned) {
        tracing::warn!(
            transfer.id = %claim.id, source = outcome.as_str(), peer = %claim.transfer_to,
            "the source stays open: request a follow-up transfer if the person has really moved"
        );
    }
    service_kit::hold::point("before-completed").await;
    worker.store.completed(claim, outcome, worker.now()).await?;
    Ok(())
}

/// What the province's own server keeps of the disclosure: IHE BALP's export, joined with the destination's import
/// by the transfer's id.
fn export_event(worker: &Worker, claim: &Claim, receipt: &Receipt) -> Value {
    let disclosure = Disclosure {
        id: claim.id,
        sender: &worker.here,
        receiver: &claim.transfer_to,
        patient: claim.patient_id.expose(),
        recorded: receipt.committed_at,
    };
    disclosure.audit_event(End::Source)
}

/// An attempt whose answer never came may still be carried out. So the export is created with the closing, once: where
/// the source is not closed now, the export is written by itself, and no attempt of before can close it any more. Only
/// then is it decided, by the record as it stands.
async fn close_if_unchanged(
    worker: &Worker,
    claim: &Claim,
    receipt: &Receipt,
    event: Value,
) -> Result<SourceOutcome, StepError> {
    let destination = OriginRecord::parse(&receipt.patient).map_err(|_| {
        StepError::failed(FaultClass::Ours, ProblemCode::Internal, "the stored receipt names no patient")
    })?;
    let sealed = worker.store.snapshot(claim).await?;
    let is_closed_now = match look(worker, claim, &sealed, &destination).await? {
        (Comparison::Same, Some(patient)) => put_closed(worker, patient, &destination, &event).await?,
        _ => false,
    };
    if !is_closed_now {
        record_export(worker, claim, event).await?;
    }
    // `If-Match` guards the patient alone: a dose that was added, or a person who has come back, while the record was
    // being closed is seen by looking once more.
    let (found, patient) = look(worker, claim, &sealed, &destination).await?;
    settle(worker, claim, (found, patient), &sealed, &destination).await
}

/// Reads the record again and compares it with what was sealed; returns the patient as it stands. One that is gone or
/// was merged meanwhile is a change, and nothing is written to it.
async fn look(
    worker: &Worker,
    claim: &Claim,
    sealed: &Snapshot,
    destination: &OriginRecord,
) -> Result<(Comparison, Option<Value>), StepError> {
    let record = match Record::read(&worker.fhir, &claim.patient_id).await {
        Ok(record) => record,
        Err(StepError::Failed(failure)) if failure.class == FaultClass::Content => {
            return Ok((Comparison::Changed, None));
        }
        Err(error) => return Err(error),
    };
    let closed_to = closed_to(&record.patient);
    let found = compare(sealed, &record.snapshot()?, closed_to.as_ref(), destination);
    Ok((found, Some(record.patient)))
}

/// Leaves the source closed or open, as the comparison asks. Where it stays open, the marks that this transfer has
/// left are taken away again; those of an earlier transfer are not this one's to take, nor those of a later one, which
/// may have come first where this one was dead for a while.
async fn settle(
    worker: &Worker,
    claim: &Claim,
    (found, patient): (Comparison, Option<Value>),
    sealed: &Snapshot,
    destination: &OriginRecord,
) -> Result<SourceOutcome, StepError> {
    let outcome = match found {
        Comparison::ClosedAlready => return Ok(SourceOutcome::Closed),
        Comparison::Returned => SourceOutcome::Returned,
        // Open, and again what it was: it has changed twice, and this transfer can close nothing any more.
        Comparison::Same | Comparison::Changed => SourceOutcome::ChangedSinceSeal,
    };
    if let Some(patient) = patient
        && !sealed.closed
        && closed_to(&patient).as_ref() == Some(destination)
        && !worker.store.was_closed_since(claim).await?
    {
        open_again(worker, patient, sealed).await?;
    }
    Ok(outcome)
}

/// Takes this transfer's closing marks away.
async fn open_again(worker: &Worker, mut patient: Value, sealed: &Snapshot) -> Result<(), StepError> {
    reopen(&mut patient);
    if sealed.inactive {
        patient["active"] = json!(false); // as somebody had made it before
    }
    Ok(write(worker, vec![put_if_match(patient)]).await?)
}

#[derive(Debug, PartialEq, Eq)]
enum Comparison {
    Same,
    ClosedAlready,
    Changed,
    Returned,
}

fn compare(
    sealed: &Snapshot,
    now: &Snapshot,
    closed_to: Option<&OriginRecord>,
    destination: &OriginRecord,
) -> Comparison {
    if now.arrivals.iter().any(|arrival| !sealed.arrivals.contains(arrival)) {
        return Comparison::Returned;
    }
    let is_closed = closed_to == Some(destination);
    let patient_is_same = now.patient_version == sealed.patient_version
        || (is_closed && now.patient_content == sealed.patient_content);
    if now.versions != sealed.versions || !patient_is_same {
        return Comparison::Changed;
    }
    if is_closed { Comparison::ClosedAlready } else { Comparison::Same }
}

/// Marks the patient closed and creates the export, both or none; tells whether it did. It did not where the patient
/// changed at the last instant, or an earlier attempt has created the export.
async fn put_closed(
    worker: &Worker,
    mut patient: Value,
    destination: &OriginRecord,
    event: &Value,
) -> Result<bool, StepError> {
    mark_closed(&mut patient, destination);
    match write(worker, vec![put_if_match(patient), put_entry(event, NEVER_BEFORE)]).await {
        Ok(()) => {
            service_kit::hold::point("after-closing").await;
            Ok(true)
        }
        Err(FhirError::Stale) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Writes the export by itself, unless it is there. Where the patient is no more, the server takes no reference to it:
/// the event then names it by its origin record.
async fn record_export(worker: &Worker, claim: &Claim, mut event: Value) -> Result<(), FhirError> {
    let mut written = write(worker, vec![put_entry(&event, NEVER_BEFORE)]).await;
    if matches!(written, Err(FhirError::Refused { .. })) {
        let origin = OriginRecord::new(&worker.here, "Patient", claim.patient_id.expose());
        event["entity"][0]["what"] = json!({"identifier": origin.to_identifier()});
        written = write(worker, vec![put_entry(&event, NEVER_BEFORE)]).await;
    }
    match written {
        Err(FhirError::Stale) => Ok(()),
        other => other,
    }
}

/// Puts a patient, if it still has the version that was read.
fn put_if_match(mut patient: Value) -> Value {
    let version = patient.pointer("/meta/versionId").and_then(Value::as_str).unwrap_or_default().to_owned();
    strip_server_meta(&mut patient);
    put_entry(&patient, &version)
}

fn put_entry(resource: &Value, version: &str) -> Value {
    let text = |name| resource.get(name).and_then(Value::as_str).unwrap_or_default();
    let url = format!("{}/{}", text("resourceType"), text("id"));
    let request = json!({"method": "PUT", "url": url, "ifMatch": format!("W/\"{version}\"")});
    json!({"resource": resource, "request": request})
}

async fn write(worker: &Worker, entries: Vec<Value>) -> Result<(), FhirError> {
    let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": entries});
    worker.fhir.transaction(Bytes::from(bundle.to_string())).await.map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(dose_version: &str, patient_version: &str, arrivals: &[&str]) -> Snapshot {
        Snapshot {
            versions: [("Immunization/a".to_owned(), dose_version.to_owned())].into(),
            patient_version: patient_version.to_owned(),
            closed: false,
            inactive: false,
            patient_content: "same".to_owned(),
            arrivals: arrivals.iter().map(|&arrival| arrival.to_owned()).collect(),
        }
    }

    #[test]
    fn the_source_is_closed_only_if_it_is_still_what_was_sent() {
        let bc = OriginRecord::parse("BC/Patient/9").unwrap();
        let qc = OriginRecord::parse("QC/Patient/9").unwrap();
        let sealed = snapshot("1", "1", &["p0"]);
        let check = |now: &Snapshot, closed: Option<&OriginRecord>| compare(&sealed, now, closed, &bc);
        assert_eq!(check(&snapshot("1", "1", &["p0"]), None), Comparison::Same);
        assert_eq!(check(&snapshot("2", "1", &["p0"]), None), Comparison::Changed);
        assert_eq!(check(&snapshot("1", "2", &["p0"]), None), Comparison::Changed);
        assert_eq!(check(&snapshot("1", "2", &["p0"]), Some(&bc)), Comparison::ClosedAlready);
        assert_eq!(check(&snapshot("1", "2", &["p0"]), Some(&qc)), Comparison::Changed);
        assert_eq!(check(&snapshot("2", "2", &["p0"]), Some(&bc)), Comparison::Changed);
        assert_eq!(check(&snapshot("1", "1", &["p0", "p1"]), None), Comparison::Returned);
        assert_eq!(check(&snapshot("2", "2", &["p0", "p1"]), None), Comparison::Returned);
    }
}
