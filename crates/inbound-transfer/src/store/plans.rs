//! Stored plans: from here on exactly this plan is carried out, by whoever finds it.

use audit::AuditOutcome;
use chrono::{DateTime, Utc};
use contracts::{ContentDigest, Issue};
use domain::Jurisdiction;
use serde_json::json;
use service_kit::package_keys::Sealed;

use super::ledger::note;
use super::{Claim, Store, StoreError, locks, to_json};

/// A stored plan.
#[derive(Debug, Clone)]
pub struct StoredPlan {
    /// The encrypted plan.
    pub sealed: Sealed,
}

impl Store {
    /// Stores the plan: received → planned. From here on exactly this plan is carried out.
    ///
    /// `keys` is how many match keys the plan was made under; with fewer left, somebody has taken over.
    pub async fn planned(
        &self,
        claim: &Claim,
        plan: &Sealed,
        warnings: &[Issue],
        keys: u64,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let mut tx = service_kit::begin(&self.pool).await?;
        let moved = sqlx::query!(
            "-- inbound.planned
            UPDATE inbound_transfer SET state = 'planned', plan_attempts = 0, plan_key_id = $4, plan = $5, warnings = $6,
                problem = NULL, updated_at = $7
            WHERE sender = $1 AND id = $2 AND lease = $3 AND lease_until > $7 AND state IN ('received', 'refused')",
            claim.sender.as_str(),
            claim.id.uuid(),
            claim.lease,
            plan.key_id,
            plan.bytes,
            to_json(&warnings)?,
            now,
        )
        .execute(&mut *tx)
        .await?;
        let held = locks::hold(&mut tx, claim, now).await?;
        if moved.rows_affected() != 1 || held != keys {
            return Err(StoreError::LeaseLost);
        }
        note(&mut tx, claim, now, "transfer.planned", AuditOutcome::Success, false, json!({})).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Counts a failed attempt to carry a plan out; returns how many in a row were answered. After one that was not,
    /// the FHIR server may still be at work on it, and they count anew.
    pub async fn plan_failed(
        &self,
        claim: &Claim,
        is_answered: bool,
        now: DateTime<Utc>,
    ) -> Result<i32, StoreError> {
        let attempts = sqlx::query_scalar!(
            "-- inbound.plan_failed
            UPDATE inbound_transfer SET plan_attempts = CASE WHEN $4 THEN plan_attempts + 1 ELSE 0 END, updated_at = $5
            WHERE sender = $1 AND id = $2 AND lease = $3 AND state = 'planned' RETURNING plan_attempts",
            claim.sender.as_str(),
            claim.id.uuid(),
            claim.lease,
            is_answered,
            now,
        )
        .fetch_optional(&self.pool)
        .await?;
        attempts.ok_or(StoreError::LeaseLost)
    }

    /// Drops a plan that can no longer be carried out and of which nothing was: planned → received.
    pub async fn plan_dropped(&self, claim: &Claim, now: DateTime<Utc>) -> Result<(), StoreError> {
        let mut tx = service_kit::begin(&self.pool).await?;
        let moved = sqlx::query!(
            "-- inbound.plan_dropped
            UPDATE inbound_transfer SET state = 'received', plan = NULL, plan_key_id = NULL, lease_until = NULL,
                updated_at = $4
            WHERE sender = $1 AND id = $2 AND lease = $3 AND state = 'planned'",
            claim.sender.as_str(),
            claim.id.uuid(),
            claim.lease,
            now,
        )
        .execute(&mut *tx)
        .await?;
        if moved.rows_affected() != 1 {
            return Err(StoreError::LeaseLost);
        }
        locks::unlock(&mut tx, claim).await?;
        note(&mut tx, claim, now, "transfer.plan-dropped", AuditOutcome::Failed, false, json!({})).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Claims stored plans that nobody is carrying out, at most `limit`.
    pub async fn claim_unfinished(
        &self,
        actor: &str,
        now: DateTime<Utc>,
        lease_until: DateTime<Utc>,
        limit: i64,
    ) -> Result<Vec<(Claim, StoredPlan)>, StoreError> {
        let rows = sqlx::query!(
            r#"-- inbound.claim_unfinished
            UPDATE inbound_transfer SET lease = lease + 1, lease_until = $2 WHERE (sender, id) IN (
                SELECT sender, id FROM inbound_transfer
                WHERE state = 'planned' AND (lease_until IS NULL OR lease_until <= $1)
                ORDER BY updated_at LIMIT $3 FOR UPDATE SKIP LOCKED)
            RETURNING sender, id, digest, lease, plan_key_id AS "key_id!", plan AS "plan!""#,
            now,
            lease_until,
            limit,
        )
        .fetch_all(&self.pool)
        .await?;
        let mut claims = Vec::new();
        for row in rows {
            let sender = Jurisdiction::parse(&row.sender).map_err(|_| StoreError::Unreadable("a sender"))?;
            let digest = row.digest.try_into().map_err(|_| StoreError::Unreadable("a digest"))?;
            let digest = ContentDigest::from_bytes(digest);
            let claim =
                Claim { sender, id: row.id.into(), digest, lease: row.lease, actor: actor.to_owned() };
            claims.push((claim, StoredPlan { sealed: Sealed { key_id: row.key_id, bytes: row.plan } }));
        }
        Ok(claims)
    }
}
