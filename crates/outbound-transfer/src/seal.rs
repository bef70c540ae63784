//! The step `requested` → `sealed`: the package is fixed for ever.

use contracts::transfer::DestinationIdentifier;
use contracts::{ContentDigest, ProblemCode};
use domain::{Jurisdiction, PatientId, TransferId};
use fhir::canonical::closed_to;

use crate::package::{self, Package, Purpose};
use crate::record::Record;
use crate::step::{FaultClass, StepError};
use crate::store::{Claim, SealedPackage};
use crate::worker::Worker;

/// Reads the record, builds the package and stores it, encrypted, with its digest.
pub async fn seal(worker: &Worker, claim: &Claim) -> Result<(), StepError> {
    let wanted = Wanted {
        patient_id: &claim.patient_id,
        transfer_to: &claim.transfer_to,
        id: claim.id,
        destination_identifier: claim.destination_identifier.as_ref(),
    };
    let (record, package) = prepare(worker, wanted).await?;
    let (snapshot, now) = (record.snapshot()?, worker.now());
    let digest = ContentDigest::of(&package.bytes);
    let sealed = worker
        .keys
        .seal(&package.bytes, claim.id.uuid().as_bytes())
        .map_err(|error| StepError::failed(FaultClass::Ours, ProblemCode::Internal, error.to_string()))?;
    let package = SealedPackage { digest, sealed, counts: package.counts, snapshot };
    worker.store.sealed(claim, &package, now).await?;
    Ok(())
}

/// Whose record is to go where.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The patient.
    pub patient_id: &'a PatientId,
    /// The destination.
    pub transfer_to: &'a Jurisdiction,
    /// The transfer.
    pub id: TransferId,
    /// The person's identifier at the destination, if known.
    pub destination_identifier: Option<&'a DestinationIdentifier>,
}

/// Reads the record and builds its package; refuses what cannot be sent there.
pub async fn prepare(worker: &Worker, wanted: Wanted<'_>) -> Result<(Record, Package), StepError> {
    let Wanted { patient_id, transfer_to, id, destination_identifier } = wanted;
    let record = Record::read(&worker.fhir, patient_id).await?;
    refuse_if_closed_elsewhere(transfer_to, &record)?;
    let purpose = Purpose { here: &worker.here, id, destination_identifier, sealed_at: worker.now() };
    let package = package::build(&record, purpose);
    refuse_if_too_large(worker, package.bytes.len())?;
    Ok((record, package))
}

/// A closed record can be sent again only to where it points: later doses follow the person.
fn refuse_if_closed_elsewhere(transfer_to: &Jurisdiction, record: &Record) -> Result<(), StepError> {
    match closed_to(&record.patient) {
        Some(destination) if destination.jurisdiction != *transfer_to => Err(StepError::failed(
            FaultClass::Content,
            ProblemCode::SourceClosed,
            format!("the record was closed by a transfer to {}; send it there", destination.jurisdiction),
        )),
        _ => Ok(()),
    }
}

/// What its peers allow this province stands in its own entry.
fn refuse_if_too_large(worker: &Worker, bytes: usize) -> Result<(), StepError> {
    let Some(own) = worker.directory.get(&worker.here) else { return Ok(()) };
    let allowed = own.limits.bytes_per_package;
    if u64::try_from(bytes).is_ok_and(|bytes| bytes <= allowed) {
        return Ok(());
    }
    Err(StepError::failed(
        FaultClass::Content,
        ProblemCode::TooLarge,
        format!("the package has {bytes} bytes; this province may send at most {allowed}"),
    ))
}
