//! What the steps of a transfer work with.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use domain::{Clock, Jurisdiction};
use fhir_client::FhirServer;
use peers::Directory;
use service_kit::PackageKeys;

use crate::config::CloseSource;
use crate::peer_client::PeerClients;
use crate::store::Store;

/// Everything that a step needs. Cheap to clone.
#[derive(Clone)]
pub struct Worker {
    /// The province that this service belongs to.
    pub here: Jurisdiction,
    /// The ledger.
    pub store: Store,
    /// The province's FHIR server.
    pub fhir: FhirServer,
    /// Who the peers are.
    pub directory: Directory,
    /// How they are reached.
    pub peers: PeerClients,
    /// The keys of packages at rest.
    pub keys: PackageKeys,
    /// Whether a delivered record is closed.
    pub close_source: CloseSource,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl Worker {
    /// Returns the present instant.
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }
}
