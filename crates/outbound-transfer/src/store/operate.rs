//! What operators change, and what is deleted when its time is over. Each change has a reason and an audit row.

use audit::{AuditEvent, AuditOutcome};
use chrono::{DateTime, Utc};
use domain::{Jurisdiction, TransferId, TransferState};
use serde_json::json;
use sqlx::PgConnection;

use super::outbox::put_in_outbox;
use super::{Store, StoreError, meets_unfinished, parse_destination, parse_state};

/// How many packages are deleted in one transaction.
const PURGE: i64 = 200;

/// An operator's word.
#[derive(Debug, Clone, Copy)]
pub struct Word<'a> {
    /// The token's subject.
    pub by: &'a str,
    /// As given.
    pub reason: &'a str,
    /// When.
    pub now: DateTime<Utc>,
}

/// What became of an operator's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operated {
    /// It was done, or had been done before.
    Done,
    /// There is no such transfer.
    Unknown,
    /// Where the transfer stands it cannot be done.
    NotNow(TransferState),
    /// This other transfer of the patient is unfinished.
    Unfinished(TransferId),
}

struct Standing {
    state: TransferState,
    transfer_to: Jurisdiction,
    patient_id: String,
    has_left: bool,
    is_purged: bool,
    is_parked: bool,
    /// Where it stood, if it is dead now.
    stood: TransferState,
}

impl Store {
    /// Calls a transfer off whose package has not left: whoever works on it loses it.
    pub async fn cancel(&self, id: TransferId, word: Word<'_>) -> Result<Operated, StoreError> {
        let mut tx = service_kit::begin(&self.pool).await?;
        let Some(standing) = lock(&mut tx, id).await? else { return Ok(Operated::Unknown) };
        if standing.state == TransferState::Cancelled {
            return Ok(Operated::Done);
        }
        if standing.has_left || !standing.state.may_become(TransferState::Cancelled) {
            return Ok(Operated::NotNow(standing.state));
        }
        sqlx::query!(
            "-- outbound.cancel
            UPDATE transfer SET state = 'cancelled', lease = lease + 1, lease_until = NULL, next_attempt_at = NULL,
                parked_since = NULL, updated_at = $2
            WHERE id = $1",
            id.uuid(),
            word.now,
        )
        .execute(&mut *tx)
        .await?;
        note(&mut tx, id, &standing.transfer_to, "cancelled", "transfer.cancelled", word).await?;
        tx.commit().await?;
        Ok(Operated::Done)
    }

    /// Makes a waiting transfer due now, or revives a dead one where it stood, with a new horizon. A parked one makes
    /// its lane be tried at once.
    pub async fn retry(
        &self,
        id: TransferId,
        word: Word<'_>,
        horizon_ends_at: DateTime<Utc>,
    ) -> Result<Operated, StoreError> {
        let mut tx = service_kit::begin(&self.pool).await?;
        let Some(standing) = lock(&mut tx, id).await? else { return Ok(Operated::Unknown) };
        let to = standing.transfer_to.as_str();
        if standing.state == TransferState::Dead {
            // Sending needs the package, and closing what stands beside it.
            if standing.stood != TransferState::Requested && standing.is_purged {
                return Ok(Operated::NotNow(standing.state));
            }
            let revived = sqlx::query!(
                "-- outbound.retry.dead
                UPDATE transfer SET state = $2, attempts = 0, horizon_ends_at = $3, lease = lease + 1,
                    lease_until = NULL, next_attempt_at = $4, enqueued_at = $4, updated_at = $4
                WHERE id = $1",
                id.uuid(),
                standing.stood.as_str(),
                horizon_ends_at,
                word.now,
            )
            .execute(&mut *tx)
            .await;
            if meets_unfinished(&revived) {
                tx.rollback().await?;
                return self.other_unfinished(&standing.patient_id).await.map(Operated::Unfinished);
            }
            revived?;
        } else if standing.state.is_unfinished() && standing.is_parked {
            sqlx::query!(
                "-- outbound.retry.parked
                UPDATE peer_lane SET next_probe_at = $2 WHERE peer = $1 AND parked_at IS NOT NULL",
                to,
                word.now,
            )
            .execute(&mut *tx)
            .await?;
        } else if standing.state.is_unfinished() {
            sqlx::query!(
                "-- outbound.retry.waiting
                UPDATE transfer SET next_attempt_at = $2, enqueued_at = $2 WHERE id = $1",
                id.uuid(),
                word.now,
            )
            .execute(&mut *tx)
            .await?;
        } else {
            return Ok(Operated::NotNow(standing.state));
        }
        if !standing.is_parked {
            put_in_outbox(&mut tx, id.uuid(), to).await?;
        }
        note(&mut tx, id, &standing.transfer_to, "retried", "transfer.retried", word).await?;
        tx.commit().await?;
        Ok(Operated::Done)
    }

    async fn other_unfinished(&self, patient_id: &str) -> Result<TransferId, StoreError> {
        let other = sqlx::query_scalar!(
            "-- outbound.other_unfinished
            SELECT id FROM transfer WHERE patient_id = $1 AND state IN ('requested', 'sealed', 'delivered')",
            patient_id,
        )
        .fetch_optional(&self.pool)
        .await?;
        // None: it ended between the two statements, and the caller may simply ask again.
        Ok(other.ok_or(StoreError::LeaseLost)?.into())
    }

    /// Deletes the package of a transfer that has ended; id, digest, receipt and audit stay.
    pub async fn purge(&self, id: TransferId, word: Word<'_>) -> Result<Operated, StoreError> {
        let mut tx = service_kit::begin(&self.pool).await?;
        let Some(standing) = lock(&mut tx, id).await? else { return Ok(Operated::Unknown) };
        if standing.state.is_unfinished() {
            return Ok(Operated::NotNow(standing.state));
        }
        if standing.is_purged {
            return Ok(Operated::Done);
        }
        sqlx::query!(
            "-- outbound.purge.package
            DELETE FROM package WHERE transfer_id = $1",
            id.uuid(),
        )
        .execute(&mut *tx)
        .await?;
        sqlx::query!(
            "-- outbound.purge
            UPDATE transfer SET purged_at = $2, next_attempt_at = NULL, lease = lease + 1 WHERE id = $1",
            id.uuid(),
            word.now,
        )
        .execute(&mut *tx)
        .await?;
        note(&mut tx, id, &standing.transfer_to, "purged", "transfer.purged", word).await?;
        tx.commit().await?;
        Ok(Operated::Done)
    }

    /// Deletes packages of transfers that were completed or cancelled before `ended_before`, some at a time; returns
    /// how many.
    pub async fn purge_old(
        &self,
        ended_before: DateTime<Utc>,
        by: &str,
        now: DateTime<Utc>,
    ) -> Result<usize, StoreError> {
        let mut tx = service_kit::begin(&self.pool).await?;
        let rows = sqlx::query!(
            "-- outbound.purge_old
            UPDATE transfer SET purged_at = $2 WHERE id IN (
                SELECT id FROM transfer
                WHERE purged_at IS NULL AND state IN ('completed', 'cancelled') AND updated_at < $1
                ORDER BY updated_at LIMIT $3 FOR UPDATE SKIP LOCKED)
            RETURNING id, transfer_to",
            ended_before,
            now,
            PURGE,
        )
        .fetch_all(&mut *tx)
        .await?;
        let ids: Vec<_> = rows.iter().map(|row| row.id).collect();
        sqlx::query!(
            "-- outbound.purge_old.packages
            DELETE FROM package WHERE transfer_id = ANY($1)",
            &ids,
        )
        .execute(&mut *tx)
        .await?;
        let word = Word { by, reason: "its time was over", now };
        for row in rows {
            let to = parse_destination(&row.transfer_to)?;
            note(&mut tx, row.id.into(), &to, "purged", "transfer.purged", word).await?;
        }
        tx.commit().await?;
        Ok(ids.len())
    }
}

/// Locks a transfer and says where it stands.
async fn lock(connection: &mut PgConnection, id: TransferId) -> Result<Option<Standing>, StoreError> {
    let row = sqlx::query!(
        r#"-- outbound.lock
        SELECT state, transfer_to, patient_id, first_attempt_at IS NOT NULL AS "has_left!",
            purged_at IS NOT NULL AS "is_purged!", parked_since IS NOT NULL AS "is_parked!",
            CASE WHEN receipt IS NOT NULL THEN 'delivered' WHEN digest IS NOT NULL THEN 'sealed' ELSE 'requested' END
                AS "stood!"
        FROM transfer WHERE id = $1 FOR UPDATE"#,
        id.uuid(),
    )
    .fetch_optional(connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Standing {
        state: parse_state(&row.state)?,
        transfer_to: parse_destination(&row.transfer_to)?,
        patient_id: row.patient_id,
        has_left: row.has_left,
        is_purged: row.is_purged,
        is_parked: row.is_parked,
        stood: parse_state(&row.stood)?,
    }))
}

/// Adds an operator's word to the timeline and to the audit trail.
async fn note(
    connection: &mut PgConnection,
    id: TransferId,
    peer: &Jurisdiction,
    event: &str,
    action: &'static str,
    word: Word<'_>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "-- outbound.operated
        INSERT INTO transfer_event (transfer_id, at, event, actor, reason) VALUES ($1, $2, $3, $4, $5)",
        id.uuid(),
        word.now,
        event,
        word.by,
        word.reason,
    )
    .execute(&mut *connection)
    .await?;
    let event = AuditEvent {
        at: word.now,
        action,
        outcome: AuditOutcome::Success,
        forensic: false,
        actor: word.by.to_owned(),
        transfer_id: Some(id),
        peer: Some(peer.clone()),
        detail: json!({"reason": word.reason}),
    };
    Ok(audit::record(connection, event).await?)
}
