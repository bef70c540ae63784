//! A province's releases by number, and the word by which one is made.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// A release in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ReleaseHead {
    /// Its number.
    pub id: u64,
    /// Its series.
    pub series: u64,
    /// The state of the records that is counted.
    pub as_of: DateTime<Utc>,
    /// When it was published.
    pub published_at: DateTime<Utc>,
    /// Who published it.
    pub published_by: String,
    /// Its checksum.
    pub checksum: String,
}

/// Releases, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ReleaseList {
    /// Their heads.
    pub releases: Vec<ReleaseHead>,
}

/// What an operator wants published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PublishRequest {
    /// Why, for the audit trail.
    pub reason: String,
    /// Whether a new series begins: what the old one hid may then be found by subtraction.
    #[serde(default)]
    pub new_series: bool,
}
