//! Leases: who works on a transfer, for how long, under which fencing number.

use chrono::{DateTime, TimeDelta, Utc};
use contracts::transfer::DestinationIdentifier;
use domain::{Jurisdiction, PatientId, TransferId, TransferState};

use super::{Store, StoreError, parse_destination, parse_state, require_one};

/// A transfer in this worker's hands.
#[derive(Debug, Clone)]
pub struct Claim {
    /// The transfer.
    pub id: TransferId,
    /// The fencing number; every change names it.
    pub lease: i64,
    /// Where it stands.
    pub state: TransferState,
    /// Whose record.
    pub patient_id: PatientId,
    /// Where to.
    pub transfer_to: Jurisdiction,
    /// The person's identifier there, if known.
    pub destination_identifier: Option<DestinationIdentifier>,
    /// Attempts at this step that have failed.
    pub attempts: i32,
    /// When it is given up; the time that it has been parked is added already.
    pub horizon_ends_at: DateTime<Utc>,
    /// Whether it was parked: then it goes to find out if its peer answers again.
    pub is_parked: bool,
    /// The W3C trace context of the request that made it.
    pub traceparent: Option<String>,
}

/// What a worker that wants a transfer is told.
#[derive(Debug)]
pub enum ClaimAnswer {
    /// It is yours until the lease ends.
    Claimed(Box<Claim>),
    /// It is due later.
    NotDue(DateTime<Utc>),
    /// It is finished, unknown, or in another worker's hands.
    NothingToDo,
}

impl Store {
    /// Claims a transfer that is due and in nobody's hands.
    pub async fn claim(
        &self,
        id: TransferId,
        owner: &str,
        now: DateTime<Utc>,
        lease_until: DateTime<Utc>,
    ) -> Result<ClaimAnswer, StoreError> {
        let claimed = sqlx::query!(
            "-- outbound.claim
            UPDATE transfer SET lease = lease + 1, lease_owner = $2, lease_until = $4
            WHERE id = $1 AND state IN ('requested', 'sealed', 'delivered', 'dead')
                AND next_attempt_at <= $3 AND (lease_until IS NULL OR lease_until <= $3)
            RETURNING lease, state, patient_id, transfer_to, destination_identifier, attempts, horizon_ends_at,
                parked_since, traceparent",
            id.uuid(),
            owner,
            now,
            lease_until,
        )
        .fetch_optional(&self.pool)
        .await?;
        let Some(row) = claimed else { return self.why_not_claimed(id, now).await };
        let destination_identifier = row.destination_identifier.map(serde_json::from_value).transpose();
        Ok(ClaimAnswer::Claimed(Box::new(Claim {
            id,
            lease: row.lease,
            state: parse_state(&row.state)?,
            patient_id: PatientId::parse(&row.patient_id)
                .map_err(|_| StoreError::Unreadable("a patient id"))?,
            transfer_to: parse_destination(&row.transfer_to)?,
            destination_identifier: destination_identifier
                .map_err(|_| StoreError::Unreadable("a destination identifier"))?,
            attempts: row.attempts,
            horizon_ends_at: row.horizon_ends_at
                + row.parked_since.map_or(TimeDelta::zero(), |since| now - since),
            is_parked: row.parked_since.is_some(),
            traceparent: row.traceparent,
        })))
    }

    /// Holds a claim longer, if it is still this worker's.
    pub async fn renew(&self, claim: &Claim, lease_until: DateTime<Utc>) -> Result<(), StoreError> {
        let renewed = sqlx::query!(
            "-- outbound.renew
            UPDATE transfer SET lease_until = $3
            WHERE id = $1 AND lease = $2 AND state IN ('requested', 'sealed', 'delivered', 'dead')",
            claim.id.uuid(),
            claim.lease,
            lease_until,
        )
        .execute(&self.pool)
        .await?;
        require_one(renewed.rows_affected())
    }

    async fn why_not_claimed(&self, id: TransferId, now: DateTime<Utc>) -> Result<ClaimAnswer, StoreError> {
        let row = sqlx::query!(
            "-- outbound.why_not_claimed
            SELECT next_attempt_at, lease_until FROM transfer WHERE id = $1 AND next_attempt_at IS NOT NULL",
            id.uuid(),
        )
        .fetch_optional(&self.pool)
        .await?;
        let due = row.and_then(|row| row.next_attempt_at.into_iter().chain(row.lease_until).max());
        Ok(match due {
            Some(due) if due > now => ClaimAnswer::NotDue(due),
            _ => ClaimAnswer::NothingToDo,
        })
    }
}
