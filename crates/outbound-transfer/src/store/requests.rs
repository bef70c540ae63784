//! Accepting a request: once for each key, and one unfinished transfer for each patient.

use audit::{AuditEvent, AuditOutcome};
use chrono::{DateTime, Utc};
use contracts::transfer::NewTransfer;
use domain::TransferId;
use serde_json::json;

use super::outbox::put_in_outbox;
use super::{Store, StoreError, add_event, to_json};

/// What is asked for, and by whom.
#[derive(Debug, Clone)]
pub struct Request {
    /// The transfer's id: the caller's `Idempotency-Key`.
    pub id: TransferId,
    /// The body.
    pub new: NewTransfer,
    /// The token's subject.
    pub requested_by: String,
    /// The trace of the request.
    pub traceparent: Option<String>,
    /// When the transfer is given up.
    pub horizon_ends_at: DateTime<Utc>,
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepted {
    /// A new transfer.
    New,
    /// The same key and body were accepted before.
    Again,
    /// The key was used with another body.
    OtherBody,
    /// This other transfer of the patient is unfinished.
    Unfinished(TransferId),
}

impl Store {
    /// Accepts a request, or says why not. Safe to repeat and to run in parallel.
    pub async fn accept(&self, request: &Request, now: DateTime<Utc>) -> Result<Accepted, StoreError> {
        let mut tx = service_kit::begin(&self.pool).await?;
        let new = &request.new;
        let destination_identifier = new.destination_identifier.as_ref().map(to_json).transpose()?;
        let inserted = sqlx::query!(
            "-- outbound.accept
            INSERT INTO transfer (id, patient_id, transfer_to, approval_ref, destination_identifier, requested_by,
                requested_at, updated_at, horizon_ends_at, state, next_attempt_at, enqueued_at, traceparent)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $7, $8, 'requested', $7, $7, $9)
            ON CONFLICT DO NOTHING",
            request.id.uuid(),
            new.patient_id.expose(),
            new.transfer_to.as_str(),
            new.approval_ref,
            destination_identifier,
            request.requested_by,
            now,
            request.horizon_ends_at,
            request.traceparent,
        )
        .execute(&mut *tx)
        .await?;
        if inserted.rows_affected() == 0 {
            tx.rollback().await?;
            return self.why_not(request).await;
        }
        add_event(&mut tx, request.id, now, "requested", None, None).await?;
        put_in_outbox(&mut tx, request.id.uuid(), new.transfer_to.as_str()).await?;
        audit::record(
            &mut tx,
            AuditEvent {
                at: now,
                action: "transfer.requested",
                outcome: AuditOutcome::Success,
                forensic: false,
                actor: request.requested_by.clone(),
                transfer_id: Some(request.id),
                peer: Some(new.transfer_to.clone()),
                detail: json!({"approval_ref": new.approval_ref}),
            },
        )
        .await?;
        tx.commit().await?;
        Ok(Accepted::New)
    }

    async fn why_not(&self, request: &Request) -> Result<Accepted, StoreError> {
        let new = &request.new;
        let same_key = sqlx::query!(
            "-- outbound.accept.same_key
            SELECT patient_id, transfer_to, approval_ref, destination_identifier FROM transfer WHERE id = $1",
            request.id.uuid(),
        )
        .fetch_optional(&self.pool)
        .await?;
        if let Some(row) = same_key {
            let is_same = row.patient_id == new.patient_id.expose()
                && row.transfer_to == new.transfer_to.as_str()
                && row.approval_ref == new.approval_ref
                && row.destination_identifier
                    == new.destination_identifier.as_ref().map(to_json).transpose()?;
            return Ok(if is_same { Accepted::Again } else { Accepted::OtherBody });
        }
        let unfinished = sqlx::query_scalar!(
            "-- outbound.accept.unfinished
            SELECT id FROM transfer WHERE patient_id = $1 AND state IN ('requested', 'sealed', 'delivered')",
            new.patient_id.expose(),
        )
        .fetch_optional(&self.pool)
        .await?;
        // None: it ended between the two statements, and the caller may simply ask again.
        let id = unfinished.ok_or(StoreError::LeaseLost)?;
        Ok(Accepted::Unfinished(id.into()))
    }
}
