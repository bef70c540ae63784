//! The append-only audit trail: every change of state, in the transaction that makes it; every request, before its
//! answer leaves; and the chain by which a removed or altered row shows.
//!
//! The schema is a migration of its own that each service applies beside its own; the services' role may add
//! rows and read them, nothing else. [`record`] adds a row to a transaction, [`Trail`] writes requests' rows by
//! group commit and links all rows of its process, [`verify`] reads them back. The crate refuses nothing and
//! decides nothing: it writes down. Details are codes and counts; personal data has no place in them.

mod chain;
mod check;
mod finding;
mod store;
mod told;
mod trail;
mod verify;

pub use chain::Head;
pub use finding::{Finding, Report};
pub use told::heads_from_log;
pub use trail::{Place, Trail, TrailDown, Writer, writer_name};
pub use verify::{open, verify};

use chrono::{DateTime, Utc};
use domain::{Jurisdiction, TransferId};
use serde_json::Value;
use sqlx::PgConnection;
use sqlx::migrate::Migrator;

/// The schema, applied beside a service's own.
pub static MIGRATIONS: Migrator = Migrator { ignore_missing: true, ..sqlx::migrate!() };

/// How what was done ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditOutcome {
    /// It was done.
    Success,
    /// Somebody asked for what is not allowed, or sent what is not accepted.
    Refused,
    /// It could not be done.
    Failed,
}

impl AuditOutcome {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

/// One row of the trail.
#[derive(Debug, Clone)]
pub struct AuditEvent {
    /// When.
    pub at: DateTime<Utc>,
    /// What, such as `transfer.sealed`.
    pub action: &'static str,
    /// How it ended.
    pub outcome: AuditOutcome,
    /// Whether somebody should look into it.
    pub forensic: bool,
    /// Who: a token's subject, a peer's SPIFFE id, or the service's own name.
    pub actor: String,
    /// The transfer, if one was concerned.
    pub transfer_id: Option<TransferId>,
    /// The other jurisdiction, if one was concerned.
    pub peer: Option<Jurisdiction>,
    /// Codes and counts, never personal data.
    pub detail: Value,
}

/// Adds a row, in the caller's transaction.
pub async fn record(connection: &mut PgConnection, event: AuditEvent) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "-- audit.record
        INSERT INTO audit_event (at, action, outcome, forensic, actor, transfer_id, peer, detail)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        event.at,
        event.action,
        event.outcome.as_str(),
        event.forensic,
        event.actor,
        event.transfer_id.map(|id| id.uuid()),
        event.peer.as_ref().map(Jurisdiction::as_str),
        event.detail,
    )
    .execute(connection)
    .await?;
    Ok(())
}
