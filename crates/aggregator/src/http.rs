//! Every route of the two ports, on one screen.

use audit::Trail;
use auth::TokenVerifier;
use axum::Router;
use axum::extract::FromRef;
use peers::Directory;
use service_kit::in_flight::at_most;
use service_kit::openapi::described;
use service_kit::request_log::observed;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::publish::Publisher;

mod readers;
mod releases;

/// Requests at once; a release of megabytes is sent from memory.
const MAX_IN_FLIGHT: usize = 256;

/// What the handlers work with.
#[derive(Clone, FromRef)]
pub struct ApiState {
    /// Releases.
    pub publisher: Publisher,
    /// Who the federator is.
    pub directory: Directory,
    /// Whose tokens are accepted.
    pub tokens: TokenVerifier,
}

#[derive(OpenApi)]
#[openapi(info(
    title = "aggregator",
    description = "A province's protected table of immunization doses. Bearer tokens with aggregate.read, or the federator's client certificate; problem+json errors."
))]
struct Documentation;

/// Builds the API for tokens, which also publishes, and lists who has published why.
pub fn local_router(state: ApiState, trail: Trail) -> Router {
    let api = reading().routes(routes!(releases::publish)).routes(routes!(releases::list));
    finish(api, state, trail)
}

/// Builds the gateway's API, for the federator's certificate: releases, and nothing else of the province.
pub fn gateway_router(state: ApiState, trail: Trail) -> Router {
    finish(reading(), state, trail)
}

fn reading() -> OpenApiRouter<ApiState> {
    OpenApiRouter::with_openapi(Documentation::openapi())
        .routes(routes!(releases::newest))
        .routes(routes!(releases::find))
}

fn finish(api: OpenApiRouter<ApiState>, state: ApiState, trail: Trail) -> Router {
    observed(at_most(described(api), MAX_IN_FLIGHT), trail).with_state(state)
}
