//! All SQL of this service.

mod basis;
mod collector;
mod facts;
mod persons;
mod places;
mod releases;

use std::sync::Arc;

use sqlx::PgPool;

pub use collector::{Collector, Followed};
pub use facts::{FactRow, PatientRow};
pub use releases::{Header, Publication, Stored};

use places::Places;

use crate::pseudonym::Pseudonyms;

/// The service's tables. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    pool: PgPool,
    /// Where facts are read for a release, if not there.
    reports: Option<PgPool>,
    pseudonyms: Pseudonyms,
    places: Arc<Places>,
}

/// Why the tables could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database does not answer, or refuses; later it may.
    #[error("the database does not answer")]
    Unavailable {
        /// What it says.
        source: sqlx::Error,
    },
    /// Another process follows the FHIR server now.
    #[error("another process has taken over")]
    LeaseLost,
    /// A release is being made by somebody else, or just was.
    #[error("another release is being made, or just was")]
    AnotherRelease,
    /// There is nothing to publish yet.
    #[error("the FHIR server was not read to its end yet")]
    NotCollected,
    /// The open series counts by other rules than the facts.
    #[error("the counting rules have changed: the next release begins a new series, on an operator's word")]
    OtherRules,
    /// What the standby has is older than what was published.
    #[error("the database's standby is behind the last release")]
    Behind,
    /// A row is not what was written.
    #[error("{0} cannot be read")]
    Unreadable(&'static str),
}

impl From<sqlx::Error> for StoreError {
    fn from(source: sqlx::Error) -> Self {
        Self::Unavailable { source }
    }
}

impl Store {
    /// Uses this pool, and one of a standby for the facts of a release; who is not known has a pseudonym of the record.
    pub fn new(pool: PgPool, reports: Option<PgPool>, pseudonyms: Pseudonyms) -> Self {
        Self { pool, reports, pseudonyms, places: Arc::default() }
    }
}
