//! All SQL of this service.
//!
//! Each change of state is one transaction: the row (guarded by the state it leaves and the lease it was
//! claimed with), its event, its audit row, and an outbox row where the queue has to hear of it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use contracts::{ContentDigest, Problem};
use domain::{Jurisdiction, TransferId, TransferState};
use sqlx::{PgConnection, PgPool};

mod admission;
mod claims;
mod lane_views;
mod operate;
mod outbox;
mod peer_lanes;
mod reads;
mod requests;
mod steps;

pub use admission::{Admission, Leaving};
pub use claims::{Claim, ClaimAnswer};
pub use lane_views::{Depth, LaneStanding};
pub use operate::{Operated, Word};
pub use outbox::Enqueued;
pub use peer_lanes::{AfterFailure, PeerFailure};
pub use reads::ListFilter;
pub use requests::{Accepted, Request};
pub use steps::{Ending, SealedPackage, Snapshot};

/// Why a call to the store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be reached or is overloaded.
    #[error("the database does not answer")]
    Unavailable {
        /// What the driver says.
        source: sqlx::Error,
    },
    /// The transfer is no longer as this worker left it: another one has it.
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

/// The ledger of transfers. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    pool: PgPool,
    service: &'static str,
}

impl Store {
    /// Makes a store on a pool whose database has this version's schema.
    pub fn new(pool: PgPool) -> Self {
        Self { pool, service: "outbound-transfer" }
    }
}

/// Adds an entry to a transfer's timeline.
async fn add_event(
    connection: &mut PgConnection,
    id: TransferId,
    at: DateTime<Utc>,
    event: &str,
    attempt: Option<i32>,
    problem: Option<&Problem>,
) -> Result<(), StoreError> {
    let problem = problem.map(to_json).transpose()?;
    sqlx::query!(
        "-- outbound.add_event
        INSERT INTO transfer_event (transfer_id, at, event, attempt, problem) VALUES ($1, $2, $3, $4, $5)",
        id.uuid(),
        at,
        event,
        attempt,
        problem,
    )
    .execute(connection)
    .await?;
    Ok(())
}

fn to_json(value: &impl serde::Serialize) -> Result<serde_json::Value, StoreError> {
    serde_json::to_value(value).map_err(|_| StoreError::Unreadable("a value that is no JSON"))
}

/// Refuses a change that has met no row: the lease is lost, or the transfer stands elsewhere by now.
fn require_one(rows: u64) -> Result<(), StoreError> {
    if rows == 1 { Ok(()) } else { Err(StoreError::LeaseLost) }
}

/// Tells whether a change failed because another transfer of the patient is unfinished.
fn meets_unfinished<T>(changed: &Result<T, sqlx::Error>) -> bool {
    matches!(changed, Err(sqlx::Error::Database(error)) if error.is_unique_violation())
}

fn parse_destination(code: &str) -> Result<Jurisdiction, StoreError> {
    Jurisdiction::parse(code).map_err(|_| StoreError::Unreadable("a destination"))
}

/// Reads how many resources of each type were sealed.
fn parse_counts(counts: serde_json::Value) -> Result<BTreeMap<String, u64>, StoreError> {
    serde_json::from_value(counts).map_err(|_| StoreError::Unreadable("counts"))
}

fn parse_digest(bytes: Vec<u8>) -> Result<ContentDigest, StoreError> {
    let bytes = bytes.try_into().map_err(|_| StoreError::Unreadable("a digest"))?;
    Ok(ContentDigest::from_bytes(bytes))
}

fn parse_state(text: &str) -> Result<TransferState, StoreError> {
    text.parse().map_err(|_| StoreError::Unreadable("an unknown state"))
}
