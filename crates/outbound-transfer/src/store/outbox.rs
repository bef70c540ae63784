//! From the ledger to the queue: the outbox, and the sweep for what the queue has lost.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Store, StoreError};

/// Ids to be put on the queue, by lane.
pub type Enqueued = BTreeMap<String, Vec<String>>;

impl Store {
    /// Hands the waiting outbox rows to `publish` and removes them once it has succeeded.
    ///
    /// A crash in between publishes them again, which does no harm: a claim is made only once.
    pub async fn publish_outbox<E, F>(
        &self,
        limit: i64,
        publish: impl FnOnce(Enqueued) -> F,
    ) -> Result<usize, StoreError>
    where
        F: Future<Output = Result<(), E>> + Send,
        E: std::fmt::Display,
    {
        let mut tx = service_kit::begin(&self.pool).await?;
        let rows = sqlx::query!(
            "-- outbound.publish_outbox
            DELETE FROM outbox WHERE id IN (SELECT id FROM outbox ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED)
            RETURNING transfer_id, lane",
            limit,
        )
        .fetch_all(&mut *tx)
        .await?;
        if rows.is_empty() {
            return Ok(0);
        }
        let count = rows.len();
        let mut lanes = Enqueued::new();
        for row in rows {
            lanes.entry(row.lane).or_default().push(row.transfer_id.to_string());
        }
        if let Err(error) = publish(lanes).await {
            tracing::warn!(%error, waiting = count, "the queue does not take new work; trying again");
            tx.rollback().await?;
            return Ok(0);
        }
        tx.commit().await?;
        Ok(count)
    }

    /// Takes the transfers that should be worked on but were put on the queue too long ago, and marks them as
    /// put on it now.
    pub async fn sweep(
        &self,
        older_than: DateTime<Utc>,
        now: DateTime<Utc>,
        limit: i64,
    ) -> Result<Enqueued, StoreError> {
        let rows = sqlx::query!(
            "-- outbound.sweep
            UPDATE transfer SET enqueued_at = $2 WHERE id IN (
                SELECT id FROM transfer
                WHERE next_attempt_at <= $2
                    AND (enqueued_at IS NULL OR enqueued_at <= $1) AND (lease_until IS NULL OR lease_until <= $2)
                ORDER BY next_attempt_at LIMIT $3 FOR UPDATE SKIP LOCKED)
            RETURNING id, transfer_to",
            older_than,
            now,
            limit,
        )
        .fetch_all(&self.pool)
        .await?;
        let mut lanes = Enqueued::new();
        for row in rows {
            lanes.entry(row.transfer_to.to_ascii_lowercase()).or_default().push(row.id.to_string());
        }
        Ok(lanes)
    }

    /// Returns how many transfers of each lane are due, in a worker's hands or not: each has an entry on the queue,
    /// unless the queue has lost it.
    pub async fn due(&self, now: DateTime<Utc>) -> Result<BTreeMap<String, u64>, StoreError> {
        let rows = sqlx::query!(
            r#"-- outbound.due
            SELECT transfer_to, count(*) AS "count!" FROM transfer
            WHERE next_attempt_at <= $1 GROUP BY transfer_to"#,
            now,
        )
        .fetch_all(&self.pool)
        .await?;
        let lane = |code: String| code.to_ascii_lowercase();
        Ok(rows.into_iter().map(|row| (lane(row.transfer_to), row.count.unsigned_abs())).collect())
    }

    /// Returns the destinations of all unfinished transfers.
    pub async fn unfinished_destinations(&self) -> Result<Vec<String>, StoreError> {
        let rows = sqlx::query_scalar!(
            "-- outbound.unfinished_destinations
            SELECT DISTINCT transfer_to FROM transfer WHERE state IN ('requested', 'sealed', 'delivered', 'dead')"
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows)
    }
}

/// Lets the queue hear of a transfer, once the caller's transaction is committed.
pub(super) async fn put_in_outbox(
    connection: &mut PgConnection,
    id: Uuid,
    transfer_to: &str,
) -> Result<(), StoreError> {
    sqlx::query!(
        "-- outbound.put_in_outbox
        INSERT INTO outbox (transfer_id, lane) VALUES ($1, $2)",
        id,
        transfer_to.to_ascii_lowercase(),
    )
    .execute(connection)
    .await?;
    Ok(())
}
