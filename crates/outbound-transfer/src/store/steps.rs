//! What a worker writes down after a step.

use std::collections::BTreeMap;

use audit::{AuditEvent, AuditOutcome};
use chrono::{DateTime, Utc};
use contracts::{ContentDigest, Problem, Receipt};
use domain::{PatientId, SourceOutcome, TransferState};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use service_kit::package_keys::Sealed;
use sqlx::PgConnection;

use super::{
    Claim, Store, StoreError, add_event, meets_unfinished, parse_counts, parse_digest, require_one, to_json,
};

/// What was read of the record when it was sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The version of each resource of the record, by `Type/id`, without the patient.
    pub versions: BTreeMap<String, String>,
    /// The patient's version.
    pub patient_version: String,
    /// Whether the patient was closed already, by an earlier transfer.
    pub closed: bool,
    /// Whether the patient was inactive, closed or not.
    #[serde(default)]
    pub inactive: bool,
    /// SHA-256 (hex) of the patient's content without `active`, which closing does not change.
    pub patient_content: String,
    /// The ids of the Provenance that arrivals of this person had left.
    pub arrivals: Vec<String>,
}

/// What sealing produced.
#[derive(Debug, Clone)]
pub struct SealedPackage {
    /// The digest of the plain bytes.
    pub digest: ContentDigest,
    /// The bytes, encrypted.
    pub sealed: Sealed,
    /// Resources by type.
    pub counts: BTreeMap<String, u64>,
    /// What was read.
    pub snapshot: Snapshot,
}

/// How a transfer ends without completion.
#[derive(Debug, Clone, Copy)]
pub struct Ending<'a> {
    /// Why.
    pub problem: &'a Problem,
    /// The live record, when the one asked for was merged into it.
    pub live_patient_id: Option<&'a PatientId>,
    /// When a dead one's destination is asked for a late receipt.
    pub ask_again_at: Option<DateTime<Utc>>,
}

impl Store {
    /// Writes down the sealed package: `requested` → `sealed`.
    pub async fn sealed(
        &self,
        claim: &Claim,
        package: &SealedPackage,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let mut tx = service_kit::begin(&self.pool).await?;
        let moved = sqlx::query!(
            "-- outbound.sealed
            UPDATE transfer SET state = 'sealed', digest = $3, sealed_counts = $4, attempts = 0,
                last_problem = NULL, updated_at = $5
            WHERE id = $1 AND lease = $2 AND state = 'requested'",
            claim.id.uuid(),
            claim.lease,
            package.digest.as_bytes().as_slice(),
            to_json(&package.counts)?,
            now,
        )
        .execute(&mut *tx)
        .await?;
        require_one(moved.rows_affected())?;
        sqlx::query!(
            "-- outbound.sealed.package
            INSERT INTO package (transfer_id, key_id, bytes, snapshot) VALUES ($1, $2, $3, $4)",
            claim.id.uuid(),
            package.sealed.key_id,
            package.sealed.bytes,
            to_json(&package.snapshot)?,
        )
        .execute(&mut *tx)
        .await?;
        let detail = json!({"digest": package.digest.to_string(), "counts": package.counts});
        self.note(&mut tx, claim, now, "sealed", AuditOutcome::Success, detail, None).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Returns the digest of the sealed package, and how many resources of each type are in it.
    pub async fn sealed_as(
        &self,
        claim: &Claim,
    ) -> Result<(ContentDigest, BTreeMap<String, u64>), StoreError> {
        let row = sqlx::query!(
            r#"-- outbound.sealed_as
            SELECT digest AS "digest!", sealed_counts FROM transfer WHERE id = $1"#,
            claim.id.uuid(),
        )
        .fetch_one(&self.pool)
        .await?;
        Ok((parse_digest(row.digest)?, parse_counts(row.sealed_counts)?))
    }

    /// Returns what was read when the record was sealed.
    pub async fn snapshot(&self, claim: &Claim) -> Result<Snapshot, StoreError> {
        let snapshot = sqlx::query_scalar!(
            "-- outbound.snapshot
            SELECT snapshot FROM package WHERE transfer_id = $1",
            claim.id.uuid(),
        )
        .fetch_one(&self.pool)
        .await?;
        serde_json::from_value(snapshot).map_err(|_| StoreError::Unreadable("a snapshot"))
    }

    /// Tells whether a transfer of the same patient that was requested later has closed the source.
    pub async fn was_closed_since(&self, claim: &Claim) -> Result<bool, StoreError> {
        let is_closed = sqlx::query_scalar!(
            r#"-- outbound.was_closed_since
            SELECT EXISTS (
                SELECT 1 FROM transfer this JOIN transfer later ON later.patient_id = this.patient_id
                WHERE this.id = $1 AND later.requested_at > this.requested_at AND later.source = 'closed') AS "is!""#,
            claim.id.uuid(),
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(is_closed)
    }

    /// Writes down the verified receipt: `sealed` → `delivered`.
    pub async fn delivered(
        &self,
        claim: &Claim,
        receipt: &Receipt,
        jws: &str,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let mut tx = service_kit::begin(&self.pool).await?;
        let moved = sqlx::query!(
            "-- outbound.delivered
            UPDATE transfer SET state = 'delivered', receipt = $3, receipt_jws = $4, attempts = 0,
                last_problem = NULL, parked_since = NULL, updated_at = $5
            WHERE id = $1 AND lease = $2 AND state = 'sealed'",
            claim.id.uuid(),
            claim.lease,
            to_json(receipt)?,
            jws,
            now,
        )
        .execute(&mut *tx)
        .await?;
        require_one(moved.rows_affected())?;
        let detail = json!({"digest": receipt.digest, "conflicts": receipt.conflicts.len()});
        self.note(&mut tx, claim, now, "delivered", AuditOutcome::Success, detail, None).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Wakes a dead transfer by its receipt, kept before or come late: `dead` → `delivered`, with a new horizon.
    /// `false` while another transfer of the patient is unfinished.
    pub async fn revived(
        &self,
        claim: &Claim,
        late: Option<(&Receipt, &str)>,
        horizon_ends_at: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let mut tx = service_kit::begin(&self.pool).await?;
        let moved = sqlx::query!(
            "-- outbound.revived
            UPDATE transfer SET state = 'delivered', receipt = coalesce($3, receipt),
                receipt_jws = coalesce($4, receipt_jws), attempts = 0, horizon_ends_at = $5, updated_at = $6
            WHERE id = $1 AND lease = $2 AND state = 'dead'",
            claim.id.uuid(),
            claim.lease,
            late.map(|(receipt, _)| to_json(receipt)).transpose()?,
            late.map(|(_, jws)| jws),
            horizon_ends_at,
            now,
        )
        .execute(&mut *tx)
        .await;
        if meets_unfinished(&moved) {
            return Ok(false);
        }
        require_one(moved?.rows_affected())?;
        let detail = json!({"late_receipt": late.is_some()});
        self.note(&mut tx, claim, now, "revived", AuditOutcome::Success, detail, None).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Notes when a dead transfer's destination is asked again.
    pub async fn ask_again(&self, claim: &Claim, at: DateTime<Utc>) -> Result<(), StoreError> {
        let noted = sqlx::query!(
            "-- outbound.ask_again
            UPDATE transfer SET next_attempt_at = $3, enqueued_at = $3, lease_until = NULL
            WHERE id = $1 AND lease = $2 AND state = 'dead'",
            claim.id.uuid(),
            claim.lease,
            at,
        )
        .execute(&self.pool)
        .await?;
        require_one(noted.rows_affected())
    }

    /// Returns the verified receipt, if there is one.
    pub async fn kept_receipt(&self, claim: &Claim) -> Result<Option<Receipt>, StoreError> {
        let receipt = sqlx::query_scalar!(
            "-- outbound.receipt
            SELECT receipt FROM transfer WHERE id = $1",
            claim.id.uuid(),
        )
        .fetch_one(&self.pool)
        .await?;
        let receipt = receipt.map(serde_json::from_value).transpose();
        receipt.map_err(|_| StoreError::Unreadable("a receipt"))
    }

    /// Returns the verified receipt.
    pub async fn receipt(&self, claim: &Claim) -> Result<Receipt, StoreError> {
        self.kept_receipt(claim).await?.ok_or(StoreError::Unreadable("a missing receipt"))
    }

    /// Writes down what became of the source: `delivered` → `completed`.
    pub async fn completed(
        &self,
        claim: &Claim,
        source: SourceOutcome,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let mut tx = service_kit::begin(&self.pool).await?;
        let moved = sqlx::query!(
            "-- outbound.completed
            UPDATE transfer SET state = 'completed', source = $3, next_attempt_at = NULL, last_problem = NULL,
                lease_until = NULL, updated_at = $4
            WHERE id = $1 AND lease = $2 AND state = 'delivered'",
            claim.id.uuid(),
            claim.lease,
            source.as_str(),
            now,
        )
        .execute(&mut *tx)
        .await?;
        require_one(moved.rows_affected())?;
        let detail = json!({"source": source.as_str()});
        self.note(&mut tx, claim, now, "completed", AuditOutcome::Success, detail, None).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Writes down a failed attempt, and when the next one is due.
    pub async fn attempt_failed(
        &self,
        claim: &Claim,
        problem: &Problem,
        next_attempt_at: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let mut tx = service_kit::begin(&self.pool).await?;
        self.count_attempt(&mut tx, claim, problem, next_attempt_at, now).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Counts a failed attempt, in the caller's transaction, and gives the claim back.
    pub(super) async fn count_attempt(
        &self,
        connection: &mut PgConnection,
        claim: &Claim,
        problem: &Problem,
        next_attempt_at: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let moved = sqlx::query!(
            "-- outbound.count_attempt
            UPDATE transfer SET attempts = attempts + 1, last_problem = $4, next_attempt_at = $5,
                enqueued_at = $5, lease_until = NULL, updated_at = $6
            WHERE id = $1 AND lease = $2 AND state = $3",
            claim.id.uuid(),
            claim.lease,
            claim.state.as_str(),
            to_json(problem)?,
            next_attempt_at,
            now,
        )
        .execute(&mut *connection)
        .await?;
        require_one(moved.rows_affected())?;
        let detail = json!({"code": problem.code});
        self.note(connection, claim, now, "attempt-failed", AuditOutcome::Failed, detail, Some(problem)).await
    }

    /// Ends a transfer as `rejected` or `dead`, with the reason; a dead one may be looked at again later.
    pub async fn ended(
        &self,
        claim: &Claim,
        end: TransferState,
        ending: Ending<'_>,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        if !claim.state.may_become(end) {
            return Err(StoreError::Unreadable("an illegal move"));
        }
        let Ending { problem, live_patient_id, ask_again_at } = ending;
        let mut tx = service_kit::begin(&self.pool).await?;
        let moved = sqlx::query!(
            "-- outbound.ended
            UPDATE transfer SET state = $4, last_problem = $5, live_patient_id = $6, next_attempt_at = $8,
                enqueued_at = $8, attempts = attempts + 1, lease_until = NULL, parked_since = NULL, updated_at = $7
            WHERE id = $1 AND lease = $2 AND state = $3",
            claim.id.uuid(),
            claim.lease,
            claim.state.as_str(),
            end.as_str(),
            to_json(problem)?,
            live_patient_id.map(PatientId::expose),
            now,
            ask_again_at,
        )
        .execute(&mut *tx)
        .await?;
        require_one(moved.rows_affected())?;
        let detail = json!({"code": problem.code});
        self.note(&mut tx, claim, now, end.as_str(), AuditOutcome::Refused, detail, Some(problem)).await?;
        tx.commit().await?;
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "one row of the timeline and one of the audit trail")]
    async fn note(
        &self,
        connection: &mut PgConnection,
        claim: &Claim,
        now: DateTime<Utc>,
        event: &'static str,
        outcome: AuditOutcome,
        detail: Value,
        problem: Option<&Problem>,
    ) -> Result<(), StoreError> {
        let attempt = problem.map(|_| claim.attempts + 1);
        add_event(connection, claim.id, now, event, attempt, problem).await?;
        audit::record(
            connection,
            AuditEvent {
                at: now,
                action: match event {
                    "sealed" => "transfer.sealed",
                    "delivered" => "transfer.delivered",
                    "completed" => "transfer.completed",
                    "rejected" => "transfer.rejected",
                    "dead" => "transfer.dead",
                    "revived" => "transfer.revived",
                    _ => "transfer.attempt-failed",
                },
                outcome,
                forensic: false,
                actor: self.service.to_owned(),
                transfer_id: Some(claim.id),
                peer: Some(claim.transfer_to.clone()),
                detail,
            },
        )
        .await?;
        Ok(())
    }
}
