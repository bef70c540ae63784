//! Every route of the gateway port, on one screen.

use audit::Trail;
use auth::TokenVerifier;
use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRef};
use peers::{Directory, JurisdictionEntry};
use service_kit::in_flight::at_most;
use service_kit::openapi::described;
use service_kit::request_log::observed;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::intake::Intake;
use crate::store::Store;

pub use per_peer::PerPeer;
pub use rate::Rates;

mod arrivals;
mod peer;
mod per_peer;
mod rate;
mod transfers;

/// Requests of the local API at once; more only wait for a connection to the database.
const MAX_IN_FLIGHT: usize = 64;

/// What the handlers of the gateway work with.
#[derive(Clone)]
pub struct GatewayState {
    /// Takes packages in.
    pub intake: Intake,
    /// Who the peers are.
    pub directory: Directory,
    /// How many packages are worked on at once.
    pub slots: Arc<Semaphore>,
    /// How many packages each peer may send in a minute.
    pub rates: Rates,
    /// How many of each peer's packages are worked on at once, as its entry allows.
    pub peer_slots: PerPeer<Semaphore>,
    /// Where requests leave their audit rows.
    pub trail: Trail,
    /// An intake goes on when its caller has gone.
    pub tasks: TaskTracker,
}

impl GatewayState {
    /// Returns a peer's slots.
    fn slots_of(&self, peer: &JurisdictionEntry) -> Arc<Semaphore> {
        let allowed = peer.limits.concurrent;
        let slots = || Semaphore::new(usize::try_from(allowed).unwrap_or(1));
        self.peer_slots.of(&peer.code, allowed, slots)
    }
}

#[derive(OpenApi)]
#[openapi(info(
    title = "inbound-transfer",
    description = "Receives persons' immunization records from other provinces. Mutual TLS 1.3; problem+json errors."
))]
struct Documentation;

/// Builds the gateway's API.
pub fn router(state: GatewayState) -> Router {
    let api = OpenApiRouter::with_openapi(Documentation::openapi())
        .routes(routes!(transfers::put, transfers::find))
        .routes(routes!(transfers::dry_run));
    // The handler bounds the body by the peer's own limit.
    observed(described(api).layer(DefaultBodyLimit::disable()), state.trail.clone()).with_state(state)
}

/// What the handlers of the local API work with.
#[derive(Clone, FromRef)]
pub struct LocalState {
    /// The ledger.
    pub store: Store,
    /// Who may call.
    pub tokens: TokenVerifier,
    /// Where requests leave their audit rows.
    pub trail: Trail,
}

#[derive(OpenApi)]
#[openapi(info(
    title = "inbound-transfer",
    description = "What arrived from other provinces, for the province's own systems. Bearer tokens; problem+json errors."
))]
struct LocalDocumentation;

/// Builds the local API.
pub fn local_router(state: LocalState) -> Router {
    let api = OpenApiRouter::with_openapi(LocalDocumentation::openapi())
        .routes(routes!(arrivals::list))
        .routes(routes!(arrivals::find));
    observed(at_most(described(api), MAX_IN_FLIGHT), state.trail.clone()).with_state(state)
}
