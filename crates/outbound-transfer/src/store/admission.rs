//! May a package leave now? By an open lane in one statement; else its transfer is parked, or sent to find out whether
//! the peer answers again.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use contracts::ContentDigest;
use service_kit::package_keys::Sealed;
use sqlx::PgConnection;

use super::peer_lanes::{LaneRow, lock_lane};
use super::{Claim, Store, StoreError, add_event, parse_counts, parse_digest, require_one};

/// A package that may leave.
#[derive(Debug)]
pub struct Leaving {
    /// The digest of the plain bytes.
    pub digest: ContentDigest,
    /// How many resources of each type are in it.
    pub counts: BTreeMap<String, u64>,
    /// The bytes, encrypted.
    pub sealed: Sealed,
    /// Whether the lane has failures behind it that an answer of the peer makes good.
    pub has_failures: bool,
    /// Whether it is sent to find out if a parked lane's peer answers again.
    pub is_probe: bool,
}

/// May a package leave?
#[derive(Debug)]
pub enum Admission {
    /// Yes; from now on the transfer cannot be cancelled.
    Go(Box<Leaving>),
    /// No: the transfer was parked and the claim given back.
    Parked,
}

impl Store {
    /// Lets a sealed package leave, or parks its transfer. Of a parked lane whose time has come, one leaves.
    pub async fn admit(
        &self,
        claim: &Claim,
        now: DateTime<Utc>,
        probing_until: DateTime<Utc>,
    ) -> Result<Admission, StoreError> {
        if let Some(leaving) = self.leave_by_open_lane(claim, now).await? {
            return Ok(Admission::Go(Box::new(leaving)));
        }
        let mut tx = service_kit::begin(&self.pool).await?;
        let lane = lock_lane(&mut tx, &claim.transfer_to).await?;
        let is_held = |lane: &LaneRow| {
            lane.paused_at.is_some()
                || (lane.parked_at.is_some()
                    && (lane.next_probe_at.is_some_and(|at| at > now)
                        || lane.probing_until.is_some_and(|until| until > now)))
        };
        if lane.as_ref().is_some_and(is_held) {
            park(&mut tx, claim, now, None).await?;
            tx.commit().await?;
            return Ok(Admission::Parked);
        }
        let is_probe = lane.as_ref().is_some_and(|lane| lane.parked_at.is_some());
        if is_probe {
            sqlx::query!(
                "-- outbound.admit.probe
                UPDATE peer_lane SET probing_until = $2 WHERE peer = $1",
                claim.transfer_to.as_str(),
                probing_until,
            )
            .execute(&mut *tx)
            .await?;
        }
        let row = sqlx::query!(
            r#"-- outbound.admit
            UPDATE transfer t SET first_attempt_at = coalesce(first_attempt_at, $3) FROM package p
            WHERE t.id = $1 AND t.lease = $2 AND t.state = 'sealed' AND p.transfer_id = t.id
            RETURNING t.digest AS "digest!", t.sealed_counts, p.key_id, p.bytes"#,
            claim.id.uuid(),
            claim.lease,
            now,
        )
        .fetch_optional(&mut *tx)
        .await?;
        let row = row.ok_or(StoreError::LeaseLost)?;
        tx.commit().await?;
        let has_failures = lane.is_some_and(|lane| lane.failures > 0);
        Ok(Admission::Go(Box::new(Leaving {
            digest: parse_digest(row.digest)?,
            counts: parse_counts(row.sealed_counts)?,
            sealed: Sealed { key_id: row.key_id, bytes: row.bytes },
            has_failures,
            is_probe,
        })))
    }

    /// The way of almost all: one statement, while nothing holds the lane.
    async fn leave_by_open_lane(
        &self,
        claim: &Claim,
        now: DateTime<Utc>,
    ) -> Result<Option<Leaving>, StoreError> {
        let row = sqlx::query!(
            r#"-- outbound.leave_by_open_lane
            UPDATE transfer t SET first_attempt_at = coalesce(first_attempt_at, $3) FROM package p
            WHERE t.id = $1 AND t.lease = $2 AND t.state = 'sealed' AND p.transfer_id = t.id
                AND NOT EXISTS (SELECT 1 FROM peer_lane l WHERE l.peer = t.transfer_to
                    AND (l.paused_at IS NOT NULL OR l.parked_at IS NOT NULL))
            RETURNING t.digest AS "digest!", t.sealed_counts, p.key_id, p.bytes,
                EXISTS (SELECT 1 FROM peer_lane l WHERE l.peer = t.transfer_to AND l.failures > 0) AS "has_failures!""#,
            claim.id.uuid(),
            claim.lease,
            now,
        )
        .fetch_optional(&self.pool)
        .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(Leaving {
            digest: parse_digest(row.digest)?,
            counts: parse_counts(row.sealed_counts)?,
            sealed: Sealed { key_id: row.key_id, bytes: row.bytes },
            has_failures: row.has_failures,
            is_probe: false,
        }))
    }
}

/// Parks a claimed transfer and gives the claim back.
pub(super) async fn park(
    connection: &mut PgConnection,
    claim: &Claim,
    now: DateTime<Utc>,
    problem: Option<&serde_json::Value>,
) -> Result<(), StoreError> {
    let parked = sqlx::query!(
        "-- outbound.park
        UPDATE transfer SET parked_since = coalesce(parked_since, $3), next_attempt_at = NULL, lease_until = NULL,
            last_problem = coalesce($4, last_problem), updated_at = $3
        WHERE id = $1 AND lease = $2 AND state = 'sealed'",
        claim.id.uuid(),
        claim.lease,
        now,
        problem,
    )
    .execute(&mut *connection)
    .await?;
    require_one(parked.rows_affected())?;
    if !claim.is_parked {
        add_event(connection, claim.id, now, "parked", None, None).await?;
    }
    Ok(())
}
