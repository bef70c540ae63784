//! The national table: what the federator answers from the releases of all provinces and territories.

use chrono::{DateTime, Utc};
use domain::Jurisdiction;
use serde::{Deserialize, Serialize};

use crate::dictionary::Dictionary;
use crate::problem::Problem;
use crate::release::{Margin, Row};

/// The answer. Existing dashboards read `data` and `errors`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct NationalTable {
    /// The finest tables of all sources that have data, one after the other.
    pub data: Vec<Row>,
    /// One readable line for each source that is not `ok`.
    pub errors: Vec<String>,
    /// Every province and territory of the directory, by code.
    pub sources: Vec<Source>,
    /// The margins of all sources that have data, each row with its `Jurisdiction`; among them the totals. There is no
    /// national sum: beside the provinces' own numbers it could tell one that is hidden.
    pub margins: Vec<Margin>,
    /// The names of the values.
    pub dictionary: Dictionary,
}

/// How it stands with every source, without their data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct SourceList {
    /// Every province and territory of the directory, by code.
    pub sources: Vec<Source>,
    /// One readable line for each source that is not `ok`.
    pub errors: Vec<String>,
}

/// How it stands with a province's data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Source {
    /// Whose.
    #[schema(value_type = String)]
    pub jurisdiction: Jurisdiction,
    /// Whether its data is here, and what it is worth.
    pub status: SourceStatus,
    /// The state of the records that is counted; `null` without data.
    pub as_of: Option<DateTime<Utc>>,
    /// When its release was published; `null` without data.
    pub published_at: Option<DateTime<Utc>>,
    /// How long ago `as_of` was; `null` without data.
    pub age_seconds: Option<u64>,
    /// Its release; `null` without data.
    pub release_id: Option<u64>,
    /// The threshold of its protection; `null` without data.
    pub threshold: Option<u64>,
    /// What is wrong, if it is not `ok`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
}

/// What a province's data is worth.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum SourceStatus {
    /// Its current release is here.
    Ok,
    /// An earlier release is here: the province did not answer, or what it answered was refused.
    Stale,
    /// The province did not answer, and nothing earlier is kept.
    Unavailable,
    /// What the province answered was refused, and nothing earlier is kept.
    Invalid,
    /// The province is suspended; its data is left out.
    Suspended,
}

impl SourceStatus {
    /// Returns the word used in JSON, logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Stale => "stale",
            Self::Unavailable => "unavailable",
            Self::Invalid => "invalid",
            Self::Suspended => "suspended",
        }
    }

    /// Tells whether the source's data is in the answer.
    pub fn has_data(self) -> bool {
        matches!(self, Self::Ok | Self::Stale)
    }
}
