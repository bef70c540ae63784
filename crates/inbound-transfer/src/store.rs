//! All SQL of this service.

use sqlx::PgPool;

mod arrivals;
mod ledger;
mod locks;
mod plans;
mod received;

pub use arrivals::{ArrivalFilter, Standing};
pub use ledger::{Claim, Found, Stored};
pub use locks::MatchKey;
pub use plans::StoredPlan;
pub use received::ReceivedRecord;

/// Why a call to the store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be reached or is overloaded.
    #[error("the database does not answer")]
    Unavailable {
        /// What the driver says.
        source: sqlx::Error,
    },
    /// Another worker has taken the transfer over.
    #[error("the lease on the transfer was lost")]
    LeaseLost,
    /// A row holds what this version cannot read.
    #[error("a stored row cannot be read: {0}")]
    Unreadable(&'static str),
}

impl From<sqlx::Error> for StoreError {
    fn from(source: sqlx::Error) -> Self {
        Self::Unavailable { source }
    }
}

/// The ledger of arrivals. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    pool: PgPool,
}

impl Store {
    /// Makes a store on a pool whose database has this version's schema.
    pub fn new(pool: PgPool) -> Self {
        Self { pool }
    }
}

fn to_json(value: &impl serde::Serialize) -> Result<serde_json::Value, StoreError> {
    serde_json::to_value(value).map_err(|_| StoreError::Unreadable("a value that is no JSON"))
}
