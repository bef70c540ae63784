//! Lanes to peers: what the breaker and operators hold back, and what lets it go again.
//!
//! One row for each peer, shared by all replicas. The order of locks is lane, then transfer.

use std::time::Duration;

use audit::{AuditEvent, AuditOutcome};
use chrono::{DateTime, TimeDelta, Utc};
use contracts::Problem;
use domain::Jurisdiction;
use serde_json::json;
use sqlx::PgConnection;

use super::admission::park;
use super::outbox::put_in_outbox;
use super::{Claim, Store, StoreError, add_event, to_json};

/// How many parked transfers are let go in one transaction.
const WAKE: i64 = 1000;

/// What a peer's failure led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterFailure {
    /// The lane is open; the transfer is due again at the time it was given.
    Waits,
    /// The lane was parked before; the transfer with it.
    Parked,
    /// This failure has parked the lane.
    ParkedNow,
}

/// A failed call to a peer, as it is written down.
#[derive(Debug, Clone)]
pub struct PeerFailure<'a> {
    /// What callers see.
    pub problem: &'a Problem,
    /// Whether it was sent to find out if the peer answers again.
    pub is_probe: bool,
    /// When the transfer is due again if the lane stays open.
    pub next_attempt_at: DateTime<Utc>,
}

/// A lane as it is stored.
pub(super) struct LaneRow {
    pub(super) failures: i32,
    pub(super) parked_at: Option<DateTime<Utc>>,
    pub(super) next_probe_at: Option<DateTime<Utc>>,
    pub(super) probing_until: Option<DateTime<Utc>>,
    pub(super) paused_at: Option<DateTime<Utc>>,
}

impl Store {
    /// Writes down that a peer has failed on a transfer: the attempt, and what the breaker makes of it.
    ///
    /// `park` says, from the failures in a row, for how long the lane is to be parked. While a lane is parked its
    /// failures cost the transfer no attempt.
    pub async fn peer_failed(
        &self,
        claim: &Claim,
        failure: &PeerFailure<'_>,
        park_for: impl Fn(u32) -> Option<Duration> + Send,
        now: DateTime<Utc>,
    ) -> Result<AfterFailure, StoreError> {
        let problem = to_json(failure.problem)?;
        let mut tx = service_kit::begin(&self.pool).await?;
        let lane = sqlx::query!(
            "-- outbound.peer_failed.lane
            INSERT INTO peer_lane (peer, failures, last_problem) VALUES ($1, 1, $2)
            ON CONFLICT (peer) DO UPDATE SET failures = peer_lane.failures + 1, last_problem = $2
            RETURNING failures, parked_at, next_probe_at, paused_at",
            claim.transfer_to.as_str(),
            problem,
        )
        .fetch_one(&mut *tx)
        .await?;
        let was_parked = lane.parked_at.is_some();
        let is_news = !was_parked || failure.is_probe || lane.next_probe_at.is_none_or(|at| at <= now);
        let pause = if is_news { park_for(lane.failures.unsigned_abs()) } else { None };
        if let Some(pause) = pause {
            let next_probe_at = now + TimeDelta::from_std(pause).unwrap_or(TimeDelta::minutes(5));
            sqlx::query!(
                "-- outbound.peer_failed.park
                UPDATE peer_lane SET parked_at = coalesce(parked_at, $2), next_probe_at = $3, probing_until = NULL
                WHERE peer = $1",
                claim.transfer_to.as_str(),
                now,
                next_probe_at,
            )
            .execute(&mut *tx)
            .await?;
        }
        if was_parked {
            // What it found out is told; an attempt it was not.
            add_event(&mut tx, claim.id, now, "probe-failed", None, Some(failure.problem)).await?;
        } else {
            self.count_attempt(&mut tx, claim, failure.problem, failure.next_attempt_at, now).await?;
        }
        let is_held = was_parked || pause.is_some() || lane.paused_at.is_some();
        if is_held {
            park(&mut tx, claim, now, Some(&problem)).await?;
        }
        let has_parked = pause.is_some() && !was_parked;
        if has_parked {
            let detail = json!({"code": failure.problem.code, "failures": lane.failures});
            self.lane_changed(&mut tx, &claim.transfer_to, "peer.parked", self.service, detail, now).await?;
        }
        tx.commit().await?;
        Ok(match (has_parked, is_held) {
            (true, _) => AfterFailure::ParkedNow,
            (false, true) => AfterFailure::Parked,
            (false, false) => AfterFailure::Waits,
        })
    }

    /// Writes down that a peer has answered: the breaker starts from nothing. Tells whether the lane was parked.
    pub async fn peer_answered(&self, peer: &Jurisdiction, now: DateTime<Utc>) -> Result<bool, StoreError> {
        let mut tx = service_kit::begin(&self.pool).await?;
        let lane = lock_lane(&mut tx, peer).await?;
        sqlx::query!(
            "-- outbound.peer_answered
            UPDATE peer_lane SET failures = 0, parked_at = NULL, next_probe_at = NULL, probing_until = NULL,
                last_problem = NULL
            WHERE peer = $1",
            peer.as_str(),
        )
        .execute(&mut *tx)
        .await?;
        let was_parked = lane.is_some_and(|lane| lane.parked_at.is_some());
        if was_parked {
            self.lane_changed(&mut tx, peer, "peer.unparked", self.service, json!({}), now).await?;
        }
        tx.commit().await?;
        Ok(was_parked)
    }

    /// Lets parked transfers go whose lane nothing holds any more, at most a thousand; returns how many. The time
    /// that they were parked is added to their horizon.
    pub async fn wake(&self, now: DateTime<Utc>) -> Result<usize, StoreError> {
        let mut tx = service_kit::begin(&self.pool).await?;
        let rows = sqlx::query!(
            "-- outbound.wake
            UPDATE transfer SET horizon_ends_at = horizon_ends_at + ($1 - parked_since), parked_since = NULL,
                next_attempt_at = $1, enqueued_at = $1
            WHERE id IN (
                SELECT id FROM transfer t WHERE parked_since IS NOT NULL
                    AND NOT EXISTS (SELECT 1 FROM peer_lane l WHERE l.peer = t.transfer_to
                        AND (l.paused_at IS NOT NULL OR l.parked_at IS NOT NULL))
                    AND (lease_until IS NULL OR lease_until <= $1)
                ORDER BY requested_at, id LIMIT $2 FOR UPDATE SKIP LOCKED)
            RETURNING id, transfer_to",
            now,
            WAKE,
        )
        .fetch_all(&mut *tx)
        .await?;
        for row in &rows {
            add_event(&mut tx, row.id.into(), now, "unparked", None, None).await?;
            put_in_outbox(&mut tx, row.id, &row.transfer_to).await?;
        }
        tx.commit().await?;
        Ok(rows.len())
    }

    /// Sends one parked transfer of each parked lane whose time has come, to find out whether its peer answers
    /// again; returns how many were sent.
    pub async fn send_probes(&self, now: DateTime<Utc>) -> Result<usize, StoreError> {
        let mut tx = service_kit::begin(&self.pool).await?;
        let rows = sqlx::query!(
            "-- outbound.send_probes
            UPDATE transfer SET next_attempt_at = $1, enqueued_at = $1 WHERE id IN (
                SELECT chosen.id FROM peer_lane l CROSS JOIN LATERAL (
                    SELECT id FROM transfer t
                    WHERE t.transfer_to = l.peer AND t.parked_since IS NOT NULL AND t.next_attempt_at IS NULL
                    ORDER BY updated_at, id LIMIT 1) chosen
                WHERE l.parked_at IS NOT NULL AND l.paused_at IS NULL AND l.next_probe_at <= $1
                    AND (l.probing_until IS NULL OR l.probing_until <= $1)
                    AND NOT EXISTS (SELECT 1 FROM transfer t WHERE t.transfer_to = l.peer
                        AND t.parked_since IS NOT NULL AND t.next_attempt_at <= $1))
            RETURNING id, transfer_to",
            now,
        )
        .fetch_all(&mut *tx)
        .await?;
        for row in &rows {
            put_in_outbox(&mut tx, row.id, &row.transfer_to).await?;
        }
        tx.commit().await?;
        Ok(rows.len())
    }

    /// Holds a lane back on an operator's word; again by another word changes nothing.
    pub async fn pause(
        &self,
        peer: &Jurisdiction,
        by: &str,
        reason: &str,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let mut tx = service_kit::begin(&self.pool).await?;
        let paused = sqlx::query!(
            "-- outbound.pause
            INSERT INTO peer_lane (peer, paused_at, paused_by, pause_reason) VALUES ($1, $2, $3, $4)
            ON CONFLICT (peer) DO UPDATE SET paused_at = $2, paused_by = $3, pause_reason = $4
                WHERE peer_lane.paused_at IS NULL",
            peer.as_str(),
            now,
            by,
            reason,
        )
        .execute(&mut *tx)
        .await?;
        if paused.rows_affected() == 1 {
            self.lane_changed(&mut tx, peer, "peer.paused", by, json!({"reason": reason}), now).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Takes a pause back; a lane that the breaker holds as well is tried at once.
    pub async fn resume(
        &self,
        peer: &Jurisdiction,
        by: &str,
        reason: &str,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let mut tx = service_kit::begin(&self.pool).await?;
        let resumed = sqlx::query!(
            "-- outbound.resume
            UPDATE peer_lane SET paused_at = NULL, paused_by = NULL, pause_reason = NULL,
                next_probe_at = CASE WHEN parked_at IS NULL THEN NULL ELSE $2::timestamptz END
            WHERE peer = $1 AND paused_at IS NOT NULL",
            peer.as_str(),
            now,
        )
        .execute(&mut *tx)
        .await?;
        if resumed.rows_affected() == 1 {
            self.lane_changed(&mut tx, peer, "peer.resumed", by, json!({"reason": reason}), now).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    async fn lane_changed(
        &self,
        connection: &mut PgConnection,
        peer: &Jurisdiction,
        action: &'static str,
        actor: &str,
        detail: serde_json::Value,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let event = AuditEvent {
            at: now,
            action,
            outcome: if action == "peer.parked" { AuditOutcome::Failed } else { AuditOutcome::Success },
            forensic: false,
            actor: actor.to_owned(),
            transfer_id: None,
            peer: Some(peer.clone()),
            detail,
        };
        Ok(audit::record(connection, event).await?)
    }
}

/// Locks a peer's lane, if it has one, for the caller's transaction.
pub(super) async fn lock_lane(
    connection: &mut PgConnection,
    peer: &Jurisdiction,
) -> Result<Option<LaneRow>, StoreError> {
    let lane = sqlx::query_as!(
        LaneRow,
        "-- outbound.lock_lane
        SELECT failures, parked_at, next_probe_at, probing_until, paused_at FROM peer_lane WHERE peer = $1
        FOR UPDATE",
        peer.as_str(),
    )
    .fetch_optional(connection)
    .await?;
    Ok(lane)
}
