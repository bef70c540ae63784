//! Use cases of the API: knows neither HTTP nor the queue.

use std::sync::Arc;

use chrono::Duration;
use contracts::transfer::{NewTransfer, TransferEvents, TransferPage, TransferView};
use domain::{Clock, Jurisdiction, PatientId, TransferId};
use peers::{Directory, JurisdictionState, Role};
use service_kit::page::{self, MAX_PAGE};
use service_kit::trace;
use tokio::sync::Notify;

use crate::error::ApiError;
use crate::store::{Accepted, ListFilter, Request, Store};

/// The longest `approval_ref`, in characters.
const MAX_APPROVAL_REF: usize = 200;

/// What the API can do. Cheap to clone.
#[derive(Clone)]
pub struct Requests {
    /// The province that this service belongs to.
    pub here: Jurisdiction,
    /// The ledger.
    pub store: Store,
    /// Who the peers are.
    pub directory: Directory,
    /// How long a transfer is tried.
    pub horizon: Duration,
    /// Told when the outbox has something new.
    pub outbox_filled: Arc<Notify>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl Requests {
    /// Accepts a transfer, once for each key, and returns it as it stands.
    pub async fn accept(
        &self,
        id: TransferId,
        new: NewTransfer,
        caller: &str,
    ) -> Result<TransferView, ApiError> {
        check_text(&new)?;
        // A key that is known already is answered by what was accepted then, whatever has changed since.
        if self.store.find(id).await?.is_none() {
            self.check_destination(&new)?;
        }
        let now = self.clock.now();
        let horizon_ends_at = now + self.horizon;
        let traceparent = trace::current().map(|trace| trace.to_string());
        let request = Request { id, new, requested_by: caller.to_owned(), traceparent, horizon_ends_at };
        match self.store.accept(&request, now).await? {
            Accepted::New => self.outbox_filled.notify_one(),
            Accepted::Again => {}
            Accepted::OtherBody => return Err(ApiError::IdempotencyConflict),
            Accepted::Unfinished(other) => return Err(ApiError::Unfinished(other)),
        }
        self.find(id).await
    }

    /// Refuses what no transfer can be made of.
    pub fn check(&self, new: &NewTransfer) -> Result<(), ApiError> {
        check_text(new)?;
        self.check_destination(new)
    }

    fn check_destination(&self, new: &NewTransfer) -> Result<(), ApiError> {
        let destination = self.directory.get(&new.transfer_to);
        let is_known = destination.is_some_and(|entry| {
            entry.role == Role::Pt && entry.state == JurisdictionState::Active && entry.code != self.here
        });
        if is_known { Ok(()) } else { Err(ApiError::UnknownDestination) }
    }

    /// Returns one transfer.
    pub async fn find(&self, id: TransferId) -> Result<TransferView, ApiError> {
        self.store.find(id).await?.ok_or(ApiError::NotFound)
    }

    /// Returns a page of transfers, newest first.
    pub async fn list(&self, filter: ListFilter, limit: i64) -> Result<TransferPage, ApiError> {
        let limit = limit.clamp(1, MAX_PAGE);
        let rows = self.store.list(&filter, limit + 1).await?;
        let cursor = |last: &TransferView| format!("{}_{}", last.requested_at.timestamp_micros(), last.id);
        let (transfers, next_cursor) = page::cut(rows, limit, cursor);
        Ok(TransferPage { transfers, next_cursor })
    }

    /// Returns the transfers of a patient, newest first.
    pub async fn search(&self, patient_id: PatientId) -> Result<TransferPage, ApiError> {
        self.list(ListFilter { patient_id: Some(patient_id), ..ListFilter::default() }, MAX_PAGE).await
    }

    /// Returns a transfer's timeline.
    pub async fn events(&self, id: TransferId) -> Result<TransferEvents, ApiError> {
        let events = self.store.events(id).await?.ok_or(ApiError::NotFound)?;
        Ok(TransferEvents { events })
    }
}

/// Refuses texts that say nothing, or that the ledger cannot hold: always, since a known key is looked up by them.
fn check_text(new: &NewTransfer) -> Result<(), ApiError> {
    if new.approval_ref.trim().is_empty() || new.approval_ref.chars().count() > MAX_APPROVAL_REF {
        return Err(ApiError::Invalid("approval_ref must hold 1 to 200 characters"));
    }
    if let Some(identifier) = &new.destination_identifier {
        if identifier.system.trim().is_empty() || identifier.value.trim().is_empty() {
            return Err(ApiError::Invalid("destination_identifier needs a system and a value"));
        }
        if identifier.system == fhir::ORIGIN_SYSTEM {
            return Err(ApiError::Invalid("destination_identifier cannot be an origin record"));
        }
    }
    let identifier = new.destination_identifier.iter().flat_map(|known| [&known.system, &known.value]);
    if identifier.chain([&new.approval_ref]).any(|text| text.chars().any(char::is_control)) {
        return Err(ApiError::Invalid("control characters are not accepted"));
    }
    Ok(())
}
