//! Every route, on one screen. The port for tokens and the port for certificates offer the same.

use audit::Trail;
use auth::TokenVerifier;
use axum::Router;
use axum::extract::FromRef;
use service_kit::in_flight::at_most;
use service_kit::openapi::described;
use service_kit::request_log::observed;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::national::National;

pub use readers::Readers;

mod readers;
mod sources;
mod table;

/// What the handlers work with.
#[derive(Clone, FromRef)]
pub struct State {
    /// The national table.
    pub national: National,
    /// Whose tokens are accepted.
    pub tokens: TokenVerifier,
    /// Whose certificates are accepted, and how often anyone may ask.
    pub readers: Readers,
}

#[derive(OpenApi)]
#[openapi(info(
    title = "federator",
    description = "The national table of immunization doses: every province's release, side by side. Bearer tokens with aggregate.read, or a reader's client certificate; problem+json errors."
))]
struct Documentation;

/// Builds the API, at most so many requests at once, each with its row of the audit trail.
pub fn router(state: State, concurrency: usize, trail: Trail) -> Router {
    observed(at_most(routes(), concurrency), trail).with_state(state)
}

/// The API as it is, without what surrounds it.
pub fn routes() -> Router<State> {
    let api = OpenApiRouter::with_openapi(Documentation::openapi());
    described(api.routes(routes!(table::table)).routes(routes!(sources::sources)))
}
