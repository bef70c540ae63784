//! Lanes to peers: may a package leave now, what the breaker and operators hold back, and what lets it go again.
//!
//! One row for each peer, shared by all replicas. The order of locks is lane, then transfer.

use std::time::Duration;

use audit::{AuditEvent, AuditOutcome};
use chrono::{DateTime, TimeDelta, Utc};
use contracts::{ContentDigest, Problem};
use domain::Jurisdiction;
use serde_json::json;
use service_kit::package_keys::Sealed;
use sqlx::PgConnection;

use super::{Claim, Store, StoreError, add_event, to_json};

/// How many parked transfers are let go in one transaction.
const WAKE: i64 = 1000;

/// A package that may leave.
#[derive(Debug)]
pub struct Leaving {
    /// The digest of the plain bytes.
    pub digest: ContentDigest,
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

struct LaneRow {
    failures: i32,
    parked_at: Option<DateTime<Utc>>,
    next_probe_at: Option<DateTime<Utc>>,
    probing_until: Option<DateTime<Utc>>,
    paused_at: Option<DateTime<Utc>>,
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
        let mut tx = self.pool.begin().await?;
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
            RETURNING t.digest AS "digest!", p.key_id, p.bytes"#,
            claim.id.uuid(),
            claim.lease,
            now,
        )
        .fetch_optional(&mut *tx)
        .await?;
        let row = row.ok_or(StoreError::LeaseLost)?;
        tx.commit().await?;
        let has_failures = lane.is_some_and(|lane| lane.failures > 0);
        leaving(row.digest, row.key_id, row.bytes, has_failures, is_probe)
            .map(|leaving| Admission::Go(Box::new(leaving)))
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
            RETURNING t.digest AS "digest!", p.key_id, p.bytes,
                EXISTS (SELECT 1 FROM peer_lane l WHERE l.peer = t.transfer_to AND l.failures > 0) AS "has_failures!""#,
            claim.id.uuid(),
            claim.lease,
            now,
        )
        .fetch_optional(&self.pool)
        .await?;
        row.map(|row| leaving(row.digest, row.key_id, row.bytes, row.has_failures, false)).transpose()
    }

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
        let mut tx = self.pool.begin().await?;
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
        let mut tx = self.pool.begin().await?;
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
        let mut tx = self.pool.begin().await?;
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
        let mut tx = self.pool.begin().await?;
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
        let mut tx = self.pool.begin().await?;
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
        let mut tx = self.pool.begin().await?;
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

fn leaving(
    digest: Vec<u8>,
    key_id: String,
    bytes: Vec<u8>,
    has_failures: bool,
    is_probe: bool,
) -> Result<Leaving, StoreError> {
    let digest = digest.try_into().map_err(|_| StoreError::Unreadable("a digest"))?;
    let (digest, sealed) = (ContentDigest::from_bytes(digest), Sealed { key_id, bytes });
    Ok(Leaving { digest, sealed, has_failures, is_probe })
}

async fn lock_lane(
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

/// Parks a claimed transfer and gives the claim back.
async fn park(
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
    if parked.rows_affected() != 1 {
        return Err(StoreError::LeaseLost);
    }
    if !claim.is_parked {
        add_event(connection, claim.id, now, "parked", None, None).await?;
    }
    Ok(())
}

pub(super) async fn put_in_outbox(
    connection: &mut PgConnection,
    id: uuid::Uuid,
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
