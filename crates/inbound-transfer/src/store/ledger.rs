//! The life of an arrival: received → planned → committed, or refused. What becomes of its plan is in `plans`.

use audit::{AuditEvent, AuditOutcome};
use chrono::{DateTime, Utc};
use contracts::{ContentDigest, Problem, Receipt};
use domain::{Jurisdiction, TransferId};
use serde_json::json;
use service_kit::package_keys::Sealed;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{ReceivedRecord, Store, StoreError, StoredPlan, locks, received, to_json};

/// An arrival in this worker's hands.
#[derive(Debug, Clone)]
pub struct Claim {
    /// Who sent it.
    pub sender: Jurisdiction,
    /// The transfer.
    pub id: TransferId,
    /// The digest of its package.
    pub digest: ContentDigest,
    /// The fencing number; every change names it.
    pub lease: i64,
    /// The SPIFFE id of the sender's service, for the audit trail.
    pub actor: String,
}

/// A stored receipt.
#[derive(Debug, Clone)]
pub struct Stored {
    /// The payload.
    pub receipt: Receipt,
    /// The signed form.
    pub jws: String,
    /// Until when the signer's certificate is valid.
    pub signed_until: DateTime<Utc>,
}

/// What the ledger says of a delivery.
#[derive(Debug)]
pub enum Found {
    /// It is this worker's to do.
    Claimed(Claim),
    /// It is this worker's to finish: the plan is stored.
    Planned(Claim, StoredPlan),
    /// It was committed before.
    Committed(Box<Stored>),
    /// Somebody is working on it.
    InProgress,
    /// The id was used before with these other bytes.
    OtherBytes(ContentDigest),
}

impl Store {
    /// Enters a delivery in the ledger, or finds what became of an earlier one of the same id.
    ///
    /// A refused delivery is looked at again: what it met here may have changed.
    pub async fn receive(
        &self,
        sender: &Jurisdiction,
        id: TransferId,
        delivery: (ContentDigest, u64),
        actor: &str,
        now: DateTime<Utc>,
        lease_until: DateTime<Utc>,
    ) -> Result<Found, StoreError> {
        let (digest, size) = delivery;
        let claimed = sqlx::query!(
            "-- inbound.receive
            INSERT INTO inbound_transfer AS known
                (sender, id, digest, size, state, received_at, updated_at, lease, lease_until)
            VALUES ($1, $2, $3, $4, 'received', $5, $5, 1, $6)
            ON CONFLICT (sender, id) DO UPDATE SET lease = known.lease + 1, lease_until = $6
                WHERE known.digest = $3 AND known.state <> 'committed'
                    AND (known.lease_until IS NULL OR known.lease_until <= $5)
            RETURNING lease, state, plan_key_id, plan",
            sender.as_str(),
            id.uuid(),
            digest.as_bytes().as_slice(),
            i64::try_from(size).unwrap_or(i64::MAX),
            now,
            lease_until,
        )
        .fetch_optional(&self.pool)
        .await?;
        let Some(row) = claimed else { return self.why_not_claimed(sender, id, digest).await };
        let claim = Claim { sender: sender.clone(), id, digest, lease: row.lease, actor: actor.to_owned() };
        if row.state != "planned" && row.lease > 1 {
            // Keys of an attempt that died before its plan: this one takes its own.
            self.unlock(&claim).await?;
        }
        match (row.state.as_str(), row.plan_key_id, row.plan) {
            ("planned", Some(key_id), Some(bytes)) => {
                Ok(Found::Planned(claim, StoredPlan { sealed: Sealed { key_id, bytes } }))
            }
            _ => Ok(Found::Claimed(claim)),
        }
    }

    async fn why_not_claimed(
        &self,
        sender: &Jurisdiction,
        id: TransferId,
        digest: ContentDigest,
    ) -> Result<Found, StoreError> {
        let row = sqlx::query!(
            "-- inbound.why_not_claimed
            SELECT digest FROM inbound_transfer WHERE sender = $1 AND id = $2",
            sender.as_str(),
            id.uuid(),
        )
        .fetch_one(&self.pool)
        .await?;
        let stored = row.digest.try_into().map_err(|_| StoreError::Unreadable("a digest"))?;
        let stored = ContentDigest::from_bytes(stored);
        if stored != digest {
            return Ok(Found::OtherBytes(stored));
        }
        Ok(self
            .receipt(sender, id)
            .await?
            .map_or(Found::InProgress, |stored| Found::Committed(Box::new(stored))))
    }

    /// Returns the receipt of a committed arrival.
    pub async fn receipt(&self, sender: &Jurisdiction, id: TransferId) -> Result<Option<Stored>, StoreError> {
        let row = sqlx::query!(
            r#"-- inbound.receipt
            SELECT receipt AS "receipt!", receipt_jws AS "jws!", signed_until AS "signed_until!"
            FROM inbound_transfer WHERE sender = $1 AND id = $2 AND state = 'committed'"#,
            sender.as_str(),
            id.uuid(),
        )
        .fetch_optional(&self.pool)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let receipt = serde_json::from_value(row.receipt).map_err(|_| StoreError::Unreadable("a receipt"))?;
        Ok(Some(Stored { receipt, jws: row.jws, signed_until: row.signed_until }))
    }

    /// Tells whether an arrival is being worked on, and the problem it was refused with.
    pub async fn state(
        &self,
        sender: &Jurisdiction,
        id: TransferId,
        now: DateTime<Utc>,
    ) -> Result<Option<(bool, Option<Problem>)>, StoreError> {
        let row = sqlx::query!(
            "-- inbound.state
            SELECT problem, (state = 'planned' OR coalesce(lease_until > $3, false)) AS \"is_at_work!\"
            FROM inbound_transfer WHERE sender = $1 AND id = $2",
            sender.as_str(),
            id.uuid(),
            now,
        )
        .fetch_optional(&self.pool)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let problem = row.problem.map(serde_json::from_value).transpose();
        Ok(Some((row.is_at_work, problem.map_err(|_| StoreError::Unreadable("a problem"))?)))
    }

    /// Keeps a renewed signature of an unchanged receipt.
    pub async fn renew_signature(
        &self,
        sender: &Jurisdiction,
        id: TransferId,
        jws: &str,
        signed_until: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "-- inbound.renew_signature
            UPDATE inbound_transfer SET receipt_jws = $3, signed_until = $4
            WHERE sender = $1 AND id = $2 AND state = 'committed'",
            sender.as_str(),
            id.uuid(),
            jws,
            signed_until,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Holds an arrival and its match keys longer, if it is still this worker's. Before its plan is stored the lease
    /// must not have run out: another package may have had its keys meanwhile, and given them back.
    pub async fn renew(
        &self,
        claim: &Claim,
        now: DateTime<Utc>,
        lease_until: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let kept = sqlx::query_scalar!(
            r#"-- inbound.renew
            WITH kept AS (
                UPDATE inbound_transfer SET lease_until = $4
                WHERE sender = $1 AND id = $2 AND lease = $3 AND state <> 'committed'
                    AND (state = 'planned' OR lease_until > $5)
                RETURNING sender, id),
            mine AS (
                SELECT key FROM match_lock JOIN kept ON match_lock.sender = kept.sender AND transfer_id = kept.id
                ORDER BY key FOR UPDATE OF match_lock),
            held AS (
                UPDATE match_lock SET held_until = $4 FROM mine
                WHERE match_lock.key = mine.key AND held_until < $4)
            SELECT count(*) AS "count!" FROM kept"#,
            claim.sender.as_str(),
            claim.id.uuid(),
            claim.lease,
            lease_until,
            now,
        )
        .fetch_one(&self.pool)
        .await?;
        if kept == 1 { Ok(()) } else { Err(StoreError::LeaseLost) }
    }

    /// Commits: planned → committed, with the receipt and what was received.
    pub async fn committed(
        &self,
        claim: &Claim,
        stored: &Stored,
        records: &[ReceivedRecord],
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let mut tx = service_kit::begin(&self.pool).await?;
        let moved = sqlx::query!(
            "-- inbound.committed
            UPDATE inbound_transfer SET state = 'committed', plan = NULL, plan_key_id = NULL, receipt = $4,
                receipt_jws = $5, signed_until = $6, lease_until = NULL, updated_at = $7
            WHERE sender = $1 AND id = $2 AND lease = $3 AND state = 'planned'",
            claim.sender.as_str(),
            claim.id.uuid(),
            claim.lease,
            to_json(&stored.receipt)?,
            stored.jws,
            stored.signed_until,
            now,
        )
        .execute(&mut *tx)
        .await?;
        if moved.rows_affected() != 1 {
            return Err(StoreError::LeaseLost);
        }
        received::write(&mut tx, claim, records, now).await?;
        locks::unlock(&mut tx, claim).await?;
        let detail = json!({"counts": stored.receipt.counts, "conflicts": stored.receipt.conflicts.len()});
        note(&mut tx, claim, now, "transfer.committed", AuditOutcome::Success, false, detail).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Refuses: nothing was written and the sender is told why.
    ///
    /// Not once the lease has run out: another package may have written meanwhile what this one was refused for.
    pub async fn refused(
        &self,
        claim: &Claim,
        problem: &Problem,
        forensic: bool,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let mut tx = service_kit::begin(&self.pool).await?;
        let moved = sqlx::query!(
            "-- inbound.refused
            UPDATE inbound_transfer SET state = 'refused', problem = $4, lease_until = NULL, updated_at = $5
            WHERE sender = $1 AND id = $2 AND lease = $3 AND lease_until > $5 AND state IN ('received', 'refused')",
            claim.sender.as_str(),
            claim.id.uuid(),
            claim.lease,
            to_json(problem)?,
            now,
        )
        .execute(&mut *tx)
        .await?;
        if moved.rows_affected() != 1 {
            return Err(StoreError::LeaseLost);
        }
        locks::unlock(&mut tx, claim).await?;
        let detail = json!({"code": problem.code});
        note(&mut tx, claim, now, "transfer.refused", AuditOutcome::Refused, forensic, detail).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Gives an arrival back that could not be worked on now.
    pub async fn given_back(&self, claim: &Claim) -> Result<(), StoreError> {
        let mut tx = service_kit::begin(&self.pool).await?;
        let released = sqlx::query!(
            "-- inbound.given_back
            UPDATE inbound_transfer SET lease_until = NULL WHERE sender = $1 AND id = $2 AND lease = $3
            RETURNING state",
            claim.sender.as_str(),
            claim.id.uuid(),
            claim.lease,
        )
        .fetch_optional(&mut *tx)
        .await?;
        if released.is_some_and(|row| row.state != "planned") {
            locks::unlock(&mut tx, claim).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Writes down, for an investigation, that an id came again with other bytes.
    pub async fn other_bytes(
        &self,
        claim: (&Jurisdiction, TransferId, &str),
        digests: (ContentDigest, ContentDigest),
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let (sender, id, actor) = claim;
        let (stored, sent) = digests;
        let claim = Claim { sender: sender.clone(), id, digest: sent, lease: 0, actor: actor.to_owned() };
        let detail = json!({"stored": stored.to_string(), "sent": sent.to_string()});
        let mut connection = self.pool.acquire().await?;
        note(&mut connection, &claim, now, "transfer.other-bytes", AuditOutcome::Refused, true, detail).await
    }

    /// Returns what binds encrypted bytes to their row.
    pub fn bound_to(claim: &Claim) -> Vec<u8> {
        let id: Uuid = claim.id.uuid();
        [claim.sender.as_str().as_bytes(), b"/", id.as_bytes()].concat()
    }
}

pub(super) async fn note(
    connection: &mut PgConnection,
    claim: &Claim,
    now: DateTime<Utc>,
    action: &'static str,
    outcome: AuditOutcome,
    forensic: bool,
    detail: serde_json::Value,
) -> Result<(), StoreError> {
    audit::record(
        connection,
        AuditEvent {
            at: now,
            action,
            outcome,
            forensic,
            actor: claim.actor.clone(),
            transfer_id: Some(claim.id),
            peer: Some(claim.sender.clone()),
            detail,
        },
    )
    .await?;
    Ok(())
}
