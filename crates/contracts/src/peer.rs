//! A peer as this province's operators see it: its lane, whether it is parked or paused, and what waits.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::Jurisdiction;
use serde::{Deserialize, Serialize};

use crate::problem::Problem;

/// Whether transfers leave for a peer at present.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LaneState {
    /// They do.
    Open,
    /// The breaker holds them back until the peer answers again; one is sent from time to time to find out.
    Parked,
    /// An operator holds them back until they are resumed.
    Paused,
}

impl LaneState {
    /// Returns the word used in JSON, logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Parked => "parked",
            Self::Paused => "paused",
        }
    }
}

/// Who has paused a lane, when and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Pause {
    /// The token's subject.
    pub by: String,
    /// As given.
    pub reason: String,
    /// Since when.
    pub since: DateTime<Utc>,
}

/// A peer of the directory, and what is on its way there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PeerView {
    /// Its code.
    #[schema(value_type = String)]
    pub code: Jurisdiction,
    /// Its name in English.
    pub name_en: String,
    /// Its name in French.
    pub name_fr: String,
    /// What the directory says: `active`, `suspended`, or `absent` when it has left and something still waits.
    pub directory: String,
    /// Whether transfers leave for it.
    pub lane: LaneState,
    /// Failures in a row, as the breaker counts them.
    pub failures: u32,
    /// When the breaker tries it again; absent unless the lane is parked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_probe_at: Option<DateTime<Utc>>,
    /// Why the lane is parked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_problem: Option<Problem>,
    /// Who has paused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pause: Option<Pause>,
    /// Unfinished and dead transfers to it, by state.
    pub transfers: BTreeMap<String, u64>,
    /// How many of them the breaker or a pause holds back.
    pub parked: u64,
    /// How many wait for another attempt.
    pub retrying: u64,
    /// When the oldest of the unfinished was requested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest_waiting_since: Option<DateTime<Utc>>,
}

/// All peers, by code.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PeerList {
    /// The peers.
    pub peers: Vec<PeerView>,
}
