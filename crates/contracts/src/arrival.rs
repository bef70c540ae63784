//! What arrived at a province, as its own systems and operators see it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::{Jurisdiction, TransferId};
use serde::{Deserialize, Serialize};

use crate::problem::Problem;
use crate::receipt::OutcomeCounts;

/// An arrival as it stands.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ArrivalView {
    /// The transfer's id, as its origin chose it.
    #[schema(value_type = String)]
    pub id: TransferId,
    /// Who sent it, by certificate.
    #[schema(value_type = String)]
    pub sender: Jurisdiction,
    /// `received`, `planned`, `committed` or `refused`.
    pub state: String,
    /// When it first came.
    pub received_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
    /// The package's digest.
    pub digest: String,
    /// The package's size in bytes.
    pub size: u64,
    /// What became of its resources, by type; empty until it is committed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub counts: BTreeMap<String, OutcomeCounts>,
    /// How many differences were left for a person to look at.
    #[serde(default)]
    pub conflicts: u64,
    /// Why it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
}

/// A page of arrivals, newest first.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ArrivalPage {
    /// The arrivals.
    pub transfers: Vec<ArrivalView>,
    /// Give this as `cursor` to go on; absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// What would become of a package that was only tried.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ArrivalDryRun {
    /// Whether the person is known here: `new` or `matched`.
    pub patient: String,
    /// What would become of the resources, by type.
    pub counts: BTreeMap<String, OutcomeCounts>,
    /// How many differences would be left for a person to look at.
    pub conflicts: u64,
}
