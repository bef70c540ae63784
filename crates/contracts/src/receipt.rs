//! The payload of the destination's signed receipt.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::{Jurisdiction, TransferId};
use serde::{Deserialize, Serialize};

/// What became of one resource at the destination. Every resource sent ends in exactly one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Written as a new resource.
    Created,
    /// An existing resource was changed.
    Updated,
    /// Known already; nothing was written.
    Unchanged,
    /// The same event is recorded there by the destination itself; nothing was written.
    DuplicateOf,
}

/// How many resources of one type ended in each outcome. The four sum to what was sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OutcomeCounts {
    /// See [`Outcome::Created`].
    pub created: u64,
    /// See [`Outcome::Updated`].
    pub updated: u64,
    /// See [`Outcome::Unchanged`].
    pub unchanged: u64,
    /// See [`Outcome::DuplicateOf`].
    pub duplicate_of: u64,
}

impl OutcomeCounts {
    /// Counts one more resource.
    pub fn add(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Created => self.created += 1,
            Outcome::Updated => self.updated += 1,
            Outcome::Unchanged => self.unchanged += 1,
            Outcome::DuplicateOf => self.duplicate_of += 1,
        }
    }

    /// Returns the sum of the four, `None` when a lying peer's numbers overflow.
    pub fn total(&self) -> Option<u64> {
        self.created.checked_add(self.updated)?.checked_add(self.unchanged)?.checked_add(self.duplicate_of)
    }
}

/// A resource whose content differs at the two ends and stayed as the destination had it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Conflict {
    /// The resource's type.
    pub r#type: String,
    /// Its origin record, `{CODE}/{Type}/{id}`.
    pub origin: String,
    /// The elements that differ, without their values.
    pub fields: Vec<String>,
}

/// What the destination signs after the commit. Stored with the commit and never changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// The destination.
    #[schema(value_type = String)]
    pub iss: Jurisdiction,
    /// The origin.
    #[schema(value_type = String)]
    pub aud: Jurisdiction,
    /// The transfer.
    #[schema(value_type = String)]
    pub jti: TransferId,
    /// The digest of the package, `sha-256:` and 64 hexadecimal digits.
    pub digest: String,
    /// The destination's patient as an origin record, `{CODE}/Patient/{id}`.
    pub patient: String,
    /// Outcomes by resource type.
    pub counts: BTreeMap<String, OutcomeCounts>,
    /// What stayed as the destination had it.
    pub conflicts: Vec<Conflict>,
    /// When the destination's ledger recorded the commit.
    pub committed_at: DateTime<Utc>,
}

/// The body of an answer that carries a receipt.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ReceiptDocument {
    /// The receipt as a compact JWS (ES256, `x5c`).
    pub receipt: String,
}
