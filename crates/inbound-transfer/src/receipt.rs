//! The signed receipt: a payload that never changes, under a signature that is renewed.

use chrono::{DateTime, Utc};
use contracts::Receipt;
use domain::{Jurisdiction, TransferId};

use crate::intake::Intake;
use crate::plan::Plan;
use crate::refusal::Refusal;
use crate::store::{Claim, StoreError, Stored};

/// Makes the receipt of a plan that has been carried out.
pub(crate) async fn make(
    intake: &Intake,
    claim: &Claim,
    plan: &Plan,
    now: DateTime<Utc>,
) -> Result<Stored, Refusal> {
    let digest = intake.store.digest(claim).await?;
    let receipt = Receipt {
        iss: intake.here.clone(),
        aud: claim.sender.clone(),
        jti: claim.id,
        digest: digest.to_string(),
        patient: plan.patient.clone(),
        counts: plan.counts.clone(),
        conflicts: plan.conflicts.clone(),
        committed_at: now,
    };
    sign(intake, receipt)
}

/// Returns the receipt of an earlier commit, its signature renewed if the signer's certificate has expired.
pub(crate) async fn current(
    intake: &Intake,
    sender: &Jurisdiction,
    id: TransferId,
    stored: Stored,
) -> Result<String, Refusal> {
    if stored.signed_until > intake.clock.now() {
        return Ok(stored.jws);
    }
    let renewed = sign(intake, stored.receipt)?;
    intake.store.renew_signature(sender, id, &renewed.jws, renewed.signed_until).await?;
    Ok(renewed.jws)
}

fn sign(intake: &Intake, receipt: Receipt) -> Result<Stored, Refusal> {
    let not_after = i64::try_from(intake.credentials.not_after()).unwrap_or(i64::MAX);
    let signed_until = DateTime::from_timestamp(not_after, 0)
        .ok_or(Refusal::Store(StoreError::Unreadable("our certificate's end")))?;
    let jws =
        auth::sign_receipt(&receipt, &intake.credentials).map_err(|e| Refusal::Internal(e.to_string()))?;
    Ok(Stored { receipt, jws, signed_until })
}
