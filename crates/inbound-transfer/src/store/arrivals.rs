//! What the province's own systems see of the ledger.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use contracts::arrival::ArrivalView;
use contracts::{ContentDigest, Receipt};
use domain::{Jurisdiction, TransferId};
use serde_json::Value;
use uuid::Uuid;

use super::{Store, StoreError};

/// Which arrivals a list shows. Absent = all.
#[derive(Debug, Clone, Default)]
pub struct ArrivalFilter {
    /// Only from this sender.
    pub sender: Option<Jurisdiction>,
    /// Only these states; all where there is none.
    pub states: Vec<String>,
    /// Only those that first came at or after this time.
    pub since: Option<DateTime<Utc>>,
    /// Only those behind this one (time, sender, id).
    pub after: Option<(DateTime<Utc>, String, TransferId)>,
}

/// How many arrivals of a sender stand in a state.
#[derive(Debug, Clone)]
pub struct Standing {
    /// The sender.
    pub sender: String,
    /// The state.
    pub state: String,
    /// How many.
    pub count: i64,
    /// When the oldest last changed.
    pub oldest: DateTime<Utc>,
}

struct Row {
    sender: String,
    id: Uuid,
    digest: Vec<u8>,
    size: i64,
    state: String,
    received_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    receipt: Option<Value>,
    problem: Option<Value>,
}

impl Row {
    fn into_view(self) -> Result<ArrivalView, StoreError> {
        let receipt: Option<Receipt> = self
            .receipt
            .map(serde_json::from_value)
            .transpose()
            .map_err(|_| StoreError::Unreadable("a receipt"))?;
        let problem = self.problem.map(serde_json::from_value).transpose();
        let digest = self.digest.try_into().map_err(|_| StoreError::Unreadable("a digest"))?;
        let (counts, conflicts) = receipt
            .map_or_else(|| (BTreeMap::new(), 0), |receipt| (receipt.counts, receipt.conflicts.len() as u64));
        Ok(ArrivalView {
            id: self.id.into(),
            sender: Jurisdiction::parse(&self.sender).map_err(|_| StoreError::Unreadable("a sender"))?,
            state: self.state,
            received_at: self.received_at,
            updated_at: self.updated_at,
            digest: ContentDigest::from_bytes(digest).to_string(),
            size: self.size.unsigned_abs(),
            counts,
            conflicts,
            problem: problem.map_err(|_| StoreError::Unreadable("a problem"))?,
        })
    }
}

impl Store {
    /// Returns at most `limit` arrivals, newest first.
    pub async fn arrivals(&self, filter: &ArrivalFilter, limit: i64) -> Result<Vec<ArrivalView>, StoreError> {
        let after = filter.after.as_ref();
        let rows = sqlx::query_as!(
            Row,
            "-- inbound.arrivals
            SELECT sender, id, digest, size, state, received_at, updated_at, receipt, problem FROM inbound_transfer
            WHERE ($1::text IS NULL OR sender = $1) AND ($2::text[] = '{}' OR state = ANY($2))
                AND ($3::timestamptz IS NULL OR received_at >= $3)
                AND ($4::timestamptz IS NULL OR (received_at, sender, id) < ($4, $5::text, $6::uuid))
            ORDER BY received_at DESC, sender DESC, id DESC LIMIT $7",
            filter.sender.as_ref().map(Jurisdiction::as_str),
            &filter.states,
            filter.since,
            after.map(|(at, _, _)| *at),
            after.map(|(_, sender, _)| sender.as_str()),
            after.map(|(_, _, id)| id.uuid()),
            limit,
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(Row::into_view).collect()
    }

    /// Returns one arrival.
    pub async fn arrival(
        &self,
        sender: &Jurisdiction,
        id: TransferId,
    ) -> Result<Option<ArrivalView>, StoreError> {
        let row = sqlx::query_as!(
            Row,
            "-- inbound.arrival
            SELECT sender, id, digest, size, state, received_at, updated_at, receipt, problem FROM inbound_transfer
            WHERE sender = $1 AND id = $2",
            sender.as_str(),
            id.uuid(),
        )
        .fetch_optional(&self.pool)
        .await?;
        row.map(Row::into_view).transpose()
    }

    /// Returns how many arrivals that have not been committed stand in each state, by sender.
    pub async fn standing(&self) -> Result<Vec<Standing>, StoreError> {
        let rows = sqlx::query_as!(
            Standing,
            r#"-- inbound.standing
            SELECT sender, state, count(*) AS "count!", min(updated_at) AS "oldest!" FROM inbound_transfer
            WHERE state <> 'committed' GROUP BY sender, state"#
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows)
    }
}
