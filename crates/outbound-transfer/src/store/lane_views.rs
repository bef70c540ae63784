//! What operators and metrics see of the lanes.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use contracts::Problem;
use contracts::peer::{LaneState, Pause};
use domain::Jurisdiction;

use super::{Store, StoreError, parse_destination};

/// How a lane stands.
#[derive(Debug, Clone)]
pub struct LaneStanding {
    /// Whether transfers leave by it.
    pub state: LaneState,
    /// Failures in a row.
    pub failures: u32,
    /// When the breaker tries the peer again.
    pub next_probe_at: Option<DateTime<Utc>>,
    /// Why it is parked.
    pub last_problem: Option<Problem>,
    /// Who has paused it.
    pub pause: Option<Pause>,
}

/// How many transfers stand in one state on their way to one peer.
#[derive(Debug, Clone)]
pub struct Depth {
    /// The peer.
    pub peer: Jurisdiction,
    /// The state.
    pub state: String,
    /// How many.
    pub count: u64,
    /// How many of them are parked.
    pub parked: u64,
    /// How many wait for another attempt.
    pub retrying: u64,
    /// When the oldest was requested.
    pub oldest: DateTime<Utc>,
}

impl Store {
    /// Returns how the lanes stand that have ever failed or been paused.
    pub async fn lanes(&self) -> Result<BTreeMap<Jurisdiction, LaneStanding>, StoreError> {
        let rows = sqlx::query!(
            "-- outbound.lanes
            SELECT peer, failures, parked_at, next_probe_at, last_problem, paused_at, paused_by, pause_reason
            FROM peer_lane"
        )
        .fetch_all(&self.pool)
        .await?;
        let mut lanes = BTreeMap::new();
        for row in rows {
            let problem = row.last_problem.map(serde_json::from_value).transpose();
            let pause = match (row.paused_at, row.paused_by, row.pause_reason) {
                (Some(since), Some(by), Some(reason)) => Some(Pause { by, reason, since }),
                _ => None,
            };
            let state = match (&pause, row.parked_at) {
                (Some(_), _) => LaneState::Paused,
                (None, Some(_)) => LaneState::Parked,
                (None, None) => LaneState::Open,
            };
            let standing = LaneStanding {
                state,
                failures: row.failures.unsigned_abs(),
                next_probe_at: row.next_probe_at,
                last_problem: problem.map_err(|_| StoreError::Unreadable("a problem"))?,
                pause,
            };
            lanes.insert(parse_destination(&row.peer)?, standing);
        }
        Ok(lanes)
    }

    /// Returns how many transfers stand in each state, by destination; of those that have ended only the dead.
    pub async fn depths(&self) -> Result<Vec<Depth>, StoreError> {
        let rows = sqlx::query!(
            r#"-- outbound.depths
            SELECT transfer_to, state, count(*) AS "count!", min(requested_at) AS "oldest!",
                count(parked_since) AS "parked!",
                count(*) FILTER (WHERE attempts > 0 AND next_attempt_at IS NOT NULL) AS "retrying!"
            FROM transfer WHERE state IN ('requested', 'sealed', 'delivered', 'dead') GROUP BY transfer_to, state"#
        )
        .fetch_all(&self.pool)
        .await?;
        let depth = |transfer_to: String, state, count: i64, parked: i64, retrying: i64, oldest| {
            let peer = parse_destination(&transfer_to)?;
            let (count, parked, retrying) =
                (count.unsigned_abs(), parked.unsigned_abs(), retrying.unsigned_abs());
            Ok(Depth { peer, state, count, parked, retrying, oldest })
        };
        rows.into_iter()
            .map(|row| depth(row.transfer_to, row.state, row.count, row.parked, row.retrying, row.oldest))
            .collect()
    }
}
