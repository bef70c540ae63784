//! The signed receipt: a payload that never changes, under a signature that is renewed.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use contracts::Receipt;
use domain::{Jurisdiction, TransferId};
use serde_json::Value;

use crate::intake::Intake;
use crate::plan::Plan;
use crate::refusal::Refusal;
use crate::store::{Claim, StoreError, Stored};

/// Makes the receipt of a plan that has been carried out.
pub(crate) fn make(
    intake: &Intake,
    claim: &Claim,
    plan: &Plan,
    now: DateTime<Utc>,
) -> Result<Stored, Refusal> {
    let receipt = Receipt {
        iss: intake.here.clone(),
        aud: claim.sender.clone(),
        jti: claim.id,
        digest: claim.digest.to_string(),
        patient: plan.patient.clone(),
        counts: plan.counts.clone(),
        conflicts: plan.conflicts.clone(),
        committed_at: now,
    };
    sign(intake, receipt)
}

/// Returns the receipt of an earlier commit, its signature renewed if it was made with another certificate than the
/// present one: that may have expired or been revoked.
pub(crate) async fn current(
    intake: &Intake,
    sender: &Jurisdiction,
    id: TransferId,
    stored: Stored,
) -> Result<String, Refusal> {
    if stored.signed_until > intake.clock.now() && is_signed_by_present(intake, &stored.jws) {
        return Ok(stored.jws);
    }
    let renewed = sign(intake, stored.receipt)?;
    intake.store.renew_signature(sender, id, &renewed.jws, renewed.signed_until).await?;
    Ok(renewed.jws)
}

fn is_signed_by_present(intake: &Intake, jws: &str) -> bool {
    let header = jws.split('.').next().and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    let header: Option<Value> = header.and_then(|json| serde_json::from_slice(&json).ok());
    let leaf = header.as_ref().and_then(|header| header.pointer("/x5c/0")?.as_str());
    leaf.is_some()
        && leaf == intake.credentials.chain_der().first().map(|der| STANDARD.encode(der)).as_deref()
}

fn sign(intake: &Intake, receipt: Receipt) -> Result<Stored, Refusal> {
    let not_after = i64::try_from(intake.credentials.not_after()).unwrap_or(i64::MAX);
    let signed_until = DateTime::from_timestamp(not_after, 0)
        .ok_or(Refusal::Store(StoreError::Unreadable("our certificate's end")))?;
    let jws =
        auth::sign_receipt(&receipt, &intake.credentials).map_err(|e| Refusal::Internal(e.to_string()))?;
    Ok(Stored { receipt, jws, signed_until })
}
