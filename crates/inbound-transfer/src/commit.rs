//! Carrying out a stored plan: one FHIR transaction, then the ledger, then the receipt.

use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use fhir_client::{FhirError, Found};

use crate::intake::Intake;
use crate::plan::Plan;
use crate::receipt;
use crate::refusal::Refusal;
use crate::store::{Claim, Store, StoredPlan};

/// Answered attempts in a row after which a plan is looked at as one that can never be carried out.
const HOPELESS: i32 = 20;
/// Attempts at a transaction that collides with another.
const COLLISIONS: u32 = 8;

/// Stores the plan, encrypted, under `keys` match keys.
pub(crate) async fn store_plan(
    intake: &Intake,
    claim: &Claim,
    plan: &Plan,
    keys: u64,
) -> Result<(), Refusal> {
    let bytes = serde_json::to_vec(plan).map_err(|error| Refusal::Internal(error.to_string()))?;
    let sealed = intake.keys.seal(&bytes, &Store::bound_to(claim))?;
    intake.store.planned(claim, &sealed, &plan.warnings, keys, intake.clock.now()).await?;
    Ok(())
}

/// Goes on with a stored plan whose worker has gone: it may have been carried out already.
pub(crate) async fn resume(intake: &Intake, claim: &Claim, stored: &StoredPlan) -> Result<String, Refusal> {
    let plan = match open(intake, claim, stored) {
        Ok(plan) => plan,
        Err(error) => {
            intake.store.plan_failed(claim, false, intake.clock.now()).await?; // recovery takes others first
            return Err(error);
        }
    };
    if is_carried_out(intake, &plan).await? {
        return finish(intake, claim, &plan).await;
    }
    let outcome = carry_out(intake, claim, &plan).await;
    match &outcome {
        // The plan is dropped already.
        Ok(_) | Err(Refusal::PlanOutdated | Refusal::Fhir(FhirError::Refused { .. })) => {}
        // Only a failure that the server has told: after a silent one it may still be at work on it.
        Err(Refusal::Fhir(FhirError::Failed | FhirError::Collision)) => {
            give_up_if_hopeless(intake, claim, &plan).await?;
        }
        Err(_) => {
            intake.store.plan_failed(claim, false, intake.clock.now()).await?;
        }
    }
    outcome
}

/// A plan that a healthy FHIR server fails on again and again holds up everybody's packages about this person: it is
/// dropped, loudly, once it is sure that nothing of it was written.
async fn give_up_if_hopeless(intake: &Intake, claim: &Claim, plan: &Plan) -> Result<(), Refusal> {
    let attempts = intake.store.plan_failed(claim, true, intake.clock.now()).await?;
    if attempts < HOPELESS || intake.fhir.ping().await.is_err() || is_carried_out(intake, plan).await? {
        return Ok(());
    }
    tracing::error!(transfer.id = %claim.id, peer = %claim.sender, attempts,
        "a plan was dropped: the FHIR server fails on it again and again; nothing was written");
    intake.store.plan_dropped(claim, intake.clock.now()).await?;
    Ok(())
}

/// The Provenance is written in the same transaction as everything else; that of another plan of this transfer, which
/// was given up and came late all the same, was recorded at another time.
async fn is_carried_out(intake: &Intake, plan: &Plan) -> Result<bool, Refusal> {
    let Found::Present(provenance) = intake.fhir.read("Provenance", &plan.provenance).await? else {
        return Ok(false);
    };
    let recorded = provenance.get("recorded").and_then(serde_json::Value::as_str);
    let recorded = recorded.and_then(|text| DateTime::parse_from_rfc3339(text).ok());
    let is_of =
        |plan: DateTime<Utc>| recorded.is_some_and(|at| at.timestamp_millis() == plan.timestamp_millis());
    Ok(plan.recorded.is_none_or(is_of))
}

/// Reads a stored plan back.
fn open(intake: &Intake, claim: &Claim, stored: &StoredPlan) -> Result<Plan, Refusal> {
    let bytes = intake.keys.open(&stored.sealed.key_id, &stored.sealed.bytes, &Store::bound_to(claim))?;
    serde_json::from_slice(&bytes).map_err(|_| Refusal::Internal("a stored plan cannot be read".to_owned()))
}

/// Carries a stored plan out, whether or not it was carried out before, and returns the signed receipt.
pub(crate) async fn carry_out(intake: &Intake, claim: &Claim, plan: &Plan) -> Result<String, Refusal> {
    write(intake, claim, plan).await?;
    service_kit::hold::point("after-transaction").await;
    finish(intake, claim, plan).await
}

/// Writes the commit into the ledger and signs the receipt.
async fn finish(intake: &Intake, claim: &Claim, plan: &Plan) -> Result<String, Refusal> {
    let now = intake.clock.now();
    let stored = receipt::make(intake, claim, plan, now)?;
    intake.store.committed(claim, &stored, &plan.records, now).await?;
    metrics::counter!("packages_committed_total", "peer" => claim.sender.to_string()).increment(1);
    tracing::info!(transfer.id = %claim.id, peer = %claim.sender, conflicts = plan.conflicts.len(), "committed");
    service_kit::hold::point("after-commit").await;
    Ok(stored.jws)
}

async fn write(intake: &Intake, claim: &Claim, plan: &Plan) -> Result<(), Refusal> {
    let bundle = Bytes::from(plan.transaction.clone());
    for attempt in 1..=COLLISIONS {
        // Whoever has lost the arrival must not write: another worker may be ahead by now.
        let now = intake.clock.now();
        intake.store.renew(claim, now, now + intake.lease).await?;
        match intake.fhir.transaction(bundle.clone()).await {
            Ok(_) => return Ok(()),
            Err(FhirError::Collision) => {
                let pause = Duration::from_millis(u64::from(attempt) * 25);
                tokio::time::sleep(pause.mul_f64(0.5 + rand::random::<f64>())).await;
            }
            // The transaction was committed by an earlier attempt, or what it was planned on has changed.
            Err(FhirError::Stale) => return after_stale(intake, claim, plan).await,
            Err(error @ FhirError::Refused { .. }) => {
                tracing::error!(transfer.id = %claim.id, peer = %claim.sender, %error,
                    "the FHIR server refuses a planned transaction; nothing was written");
                intake.store.plan_dropped(claim, intake.clock.now()).await?;
                return Err(Refusal::Fhir(error));
            }
            Err(error) => return Err(Refusal::Fhir(error)),
        }
    }
    Err(Refusal::Fhir(FhirError::Collision))
}

async fn after_stale(intake: &Intake, claim: &Claim, plan: &Plan) -> Result<(), Refusal> {
    if is_carried_out(intake, plan).await? {
        return Ok(());
    }
    tracing::warn!(transfer.id = %claim.id, peer = %claim.sender, "the record has changed since it was planned");
    intake.store.plan_dropped(claim, intake.clock.now()).await?;
    Err(Refusal::PlanOutdated)
}
