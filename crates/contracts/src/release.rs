//! A province's release: the protected table that its aggregator publishes and the federator takes over.
//!
//! The types are strict: a column or a member that is not agreed is refused when it is read, so nothing else can
//! leave a province by way of a release. What the types cannot say is said by [`check_release`].

mod check;
mod csv;
mod list;
mod row;

use chrono::{DateTime, SubsecRound, Utc};
use domain::Jurisdiction;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::dictionary::Dictionary;

pub use check::{Fault, check_release};
pub use csv::{CSV, write_csv};
pub use list::{PublishRequest, ReleaseHead, ReleaseList};
pub use row::{Column, MarginRow, Row};

/// The version of the columns, of their values and of the rules of counting.
pub const CONTRACT_VERSION: &str = "1";
/// How ages are counted in this version: completed calendar years on the date of the dose.
pub const AGE_BASIS: &str = "completed-years-at-occurrence";

/// What an aggregator answers: one release, whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReleaseDocument {
    /// What the numbers are.
    pub release: Release,
    /// The finest table. A group without a row is zero.
    pub data: Vec<Row>,
    /// Sums of it, each protected as a number of its own.
    pub margins: Vec<Margin>,
}

/// What a release is, and its numbers that stand in no table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// Its number. The numbers of a province rise, over all series.
    pub id: u64,
    /// The series it belongs to: releases of one series hide the same cells.
    pub series: u64,
    /// Whose release it is.
    #[schema(value_type = String)]
    pub jurisdiction: Jurisdiction,
    /// The state of the records that is counted.
    pub as_of: DateTime<Utc>,
    /// When it was published.
    pub published_at: DateTime<Utc>,
    /// The rules of protection.
    pub policy: Policy,
    /// The version of the columns and of their values, [`CONTRACT_VERSION`].
    pub contract_version: String,
    /// How ages are counted, [`AGE_BASIS`].
    pub age_basis: String,
    /// Names of the values of this release, for readers; absent where the federator's are enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dictionary: Option<Dictionary>,
    /// All doses of the table; `null` if hidden.
    pub total: Option<u64>,
    /// Changes (doses added and taken away) that are in no number yet.
    pub waiting: Number,
    /// What is in no table, by reason. The reasons must not be added up.
    pub excluded: Vec<Excluded>,
    /// `sha-256:` and 64 hexadecimal digits, see [`ReleaseDocument::checksum`].
    pub checksum: String,
}

/// The rules of protection of a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// No group of 1 to one less than this many persons or doses can be told.
    pub threshold: u64,
    /// The margins released, each by its columns. The total is in the header.
    pub margins: Vec<Vec<Column>>,
}

/// A number that may be hidden.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Number {
    /// The number; `null` exactly if it is hidden.
    pub count: Option<u64>,
    /// Whether it is hidden.
    pub suppressed: bool,
}

/// How many doses are in no table for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Excluded {
    /// The reason, a word such as `received`.
    pub reason: String,
    /// The doses; `null` exactly if they are hidden.
    pub count: Option<u64>,
    /// Whether they are hidden.
    pub suppressed: bool,
}

/// Sums of the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Margin {
    /// Exactly the columns that its rows have beside `Count` and `Suppressed`.
    pub by: Vec<Column>,
    /// The sums.
    pub rows: Vec<MarginRow>,
}

impl From<Option<u64>> for Number {
    /// Takes `None` for a hidden number.
    fn from(count: Option<u64>) -> Self {
        Self { count, suppressed: count.is_none() }
    }
}

impl ReleaseDocument {
    /// Computes the checksum: SHA-256 over the document as compact JSON in the contract's order of members, with an
    /// empty `checksum`.
    ///
    /// Those are the bytes that [`Self::to_bytes`] sends, so a reader in any language blanks the value and hashes.
    ///
    /// # Panics
    /// Never: strings and whole numbers are always JSON.
    pub fn checksum(&self) -> String {
        let mut hash = Sha256::new();
        let header = Release { checksum: String::new(), ..self.release.clone() };
        hash.update(br#"{"release":"#);
        hash.update(json(&header));
        hash.update(br#","data":"#);
        hash.update(json(&self.data));
        hash.update(br#","margins":"#);
        hash.update(json(&self.margins));
        hash.update(b"}");
        hash.finalize().iter().fold("sha-256:".to_owned(), |text, byte| format!("{text}{byte:02x}"))
    }

    /// Writes the checksum into the document; times lose what is below a microsecond, which PostgreSQL does not keep.
    #[must_use]
    pub fn sealed(mut self) -> Self {
        self.release.as_of = self.release.as_of.trunc_subsecs(6);
        self.release.published_at = self.release.published_at.trunc_subsecs(6);
        self.release.checksum = self.checksum();
        self
    }

    /// Writes the document as it is sent, stored and summed.
    pub fn to_bytes(&self) -> Vec<u8> {
        json(self)
    }

    /// Returns the `ETag`: the checksum in quotes.
    pub fn etag(&self) -> String {
        format!("\"{}\"", self.release.checksum)
    }
}

fn json(part: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(part).expect("strings and whole numbers are always JSON")
}

#[cfg(test)]
mod tests;
