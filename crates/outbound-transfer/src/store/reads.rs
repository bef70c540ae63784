//! What callers see of the ledger.

use chrono::{DateTime, Utc};
use contracts::transfer::{TransferEvent, TransferView};
use domain::{Jurisdiction, PatientId, TransferId, TransferState};
use uuid::Uuid;

use super::{Store, StoreError, parse_destination, parse_digest, parse_state};

/// Which transfers a list shows. Absent = all.
#[derive(Debug, Clone, Default)]
pub struct ListFilter {
    /// Only these states; all where there is none.
    pub states: Vec<TransferState>,
    /// Only those that wait for another attempt, or only the others.
    pub is_retrying: Option<bool>,
    /// Only to this destination.
    pub transfer_to: Option<Jurisdiction>,
    /// Only those requested at or after this time.
    pub since: Option<DateTime<Utc>>,
    /// Only those of this patient.
    pub patient_id: Option<PatientId>,
    /// Only those behind this one (time of the request, id).
    pub after: Option<(DateTime<Utc>, TransferId)>,
}

struct Row {
    id: Uuid,
    state: String,
    transfer_to: String,
    approval_ref: String,
    requested_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    attempts: i32,
    next_attempt_at: Option<DateTime<Utc>>,
    last_problem: Option<serde_json::Value>,
    parked_since: Option<DateTime<Utc>>,
    first_attempt_at: Option<DateTime<Utc>>,
    horizon_ends_at: DateTime<Utc>,
    purged_at: Option<DateTime<Utc>>,
    live_patient_id: Option<String>,
    sealed_counts: serde_json::Value,
    digest: Option<Vec<u8>>,
    receipt: Option<serde_json::Value>,
    receipt_jws: Option<String>,
    source: Option<String>,
}

impl Row {
    fn into_view(self) -> Result<TransferView, StoreError> {
        let unreadable = |_| StoreError::Unreadable("a JSON column");
        let digest = self.digest.map(parse_digest).transpose()?;
        let live_patient_id = self.live_patient_id.as_deref().map(PatientId::parse).transpose();
        Ok(TransferView {
            id: self.id.into(),
            state: parse_state(&self.state)?,
            transfer_to: parse_destination(&self.transfer_to)?,
            approval_ref: self.approval_ref,
            requested_at: self.requested_at,
            updated_at: self.updated_at,
            attempts: self.attempts,
            next_attempt_at: self.next_attempt_at,
            last_problem: self.last_problem.map(serde_json::from_value).transpose().map_err(unreadable)?,
            parked_since: self.parked_since,
            first_attempt_at: self.first_attempt_at,
            horizon_ends_at: self.horizon_ends_at,
            purged_at: self.purged_at,
            live_patient_id: live_patient_id.map_err(|_| StoreError::Unreadable("a patient id"))?,
            sealed_counts: serde_json::from_value(self.sealed_counts).map_err(unreadable)?,
            digest: digest.map(|digest| digest.to_string()),
            receipt: self.receipt.map(serde_json::from_value).transpose().map_err(unreadable)?,
            receipt_jws: self.receipt_jws,
            source: self
                .source
                .map(|s| s.parse())
                .transpose()
                .map_err(|_| StoreError::Unreadable("a source"))?,
        })
    }
}

impl Store {
    /// Returns one transfer.
    pub async fn find(&self, id: TransferId) -> Result<Option<TransferView>, StoreError> {
        let row = sqlx::query_as!(
            Row,
            "-- outbound.find
            SELECT id, state, transfer_to, approval_ref, requested_at, updated_at, attempts, next_attempt_at,
                last_problem, parked_since, first_attempt_at, horizon_ends_at, purged_at, live_patient_id, sealed_counts,
                digest, receipt, receipt_jws, source
            FROM transfer WHERE id = $1",
            id.uuid(),
        )
        .fetch_optional(&self.pool)
        .await?;
        row.map(Row::into_view).transpose()
    }

    /// Returns at most `limit` transfers, newest first.
    pub async fn list(&self, filter: &ListFilter, limit: i64) -> Result<Vec<TransferView>, StoreError> {
        let rows = sqlx::query_as!(
            Row,
            "-- outbound.list
            SELECT id, state, transfer_to, approval_ref, requested_at, updated_at, attempts, next_attempt_at,
                last_problem, parked_since, first_attempt_at, horizon_ends_at, purged_at, live_patient_id, sealed_counts,
                digest, receipt, receipt_jws, source
            FROM transfer
            WHERE ($1::text[] = '{}' OR state = ANY($1)) AND ($2::text IS NULL OR transfer_to = $2)
                AND ($3::timestamptz IS NULL OR requested_at >= $3) AND ($4::text IS NULL OR patient_id = $4)
                AND ($5::timestamptz IS NULL OR (requested_at, id) < ($5, $6::uuid))
                AND ($8::boolean IS NULL OR $8 = (attempts > 0 AND next_attempt_at IS NOT NULL))
            ORDER BY requested_at DESC, id DESC LIMIT $7",
            &filter.states.iter().map(|state| state.as_str().to_owned()).collect::<Vec<_>>(),
            filter.transfer_to.as_ref().map(Jurisdiction::as_str),
            filter.since,
            filter.patient_id.as_ref().map(PatientId::expose),
            filter.after.map(|(at, _)| at),
            filter.after.map(|(_, id)| id.uuid()),
            limit,
            filter.is_retrying,
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(Row::into_view).collect()
    }

    /// Returns a transfer's timeline, oldest first; `None` for an unknown transfer.
    pub async fn events(&self, id: TransferId) -> Result<Option<Vec<TransferEvent>>, StoreError> {
        let rows = sqlx::query!(
            "-- outbound.events
            SELECT at, event, attempt, problem, actor, reason FROM transfer_event WHERE transfer_id = $1 ORDER BY id",
            id.uuid(),
        )
        .fetch_all(&self.pool)
        .await?;
        if rows.is_empty() {
            return Ok(None);
        }
        let events = rows.into_iter().map(|row| {
            let problem = row.problem.map(serde_json::from_value).transpose();
            let problem = problem.map_err(|_| StoreError::Unreadable("a problem"))?;
            let (actor, reason) = (row.actor, row.reason);
            Ok(TransferEvent { at: row.at, event: row.event, actor, reason, attempt: row.attempt, problem })
        });
        events.collect::<Result<_, _>>().map(Some)
    }
}
