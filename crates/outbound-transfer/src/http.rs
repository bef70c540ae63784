//! Every route of the API, on one screen.

use audit::Trail;
use auth::TokenVerifier;
use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRef};
use service_kit::in_flight::at_most;
use service_kit::openapi::described;
use service_kit::request_log::observed;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::requests::Requests;
use crate::worker::Worker;

mod operations;
mod transfers;

/// The largest body of a request, in bytes.
const MAX_BODY: usize = 64 << 10;

/// Requests at once; more only wait for a connection to the database.
const MAX_IN_FLIGHT: usize = 256;

/// What the handlers work with.
#[derive(Clone, FromRef)]
pub struct ApiState {
    /// The use cases.
    pub requests: Requests,
    /// What a dry run reads with.
    pub worker: Worker,
    /// Who may call.
    pub tokens: TokenVerifier,
    /// Where requests leave their audit rows.
    pub trail: Trail,
}

#[derive(OpenApi)]
#[openapi(info(
    title = "outbound-transfer",
    description = "Hands a person's immunization record to another province. Bearer tokens; problem+json errors."
))]
struct Documentation;

/// Builds the API.
pub fn router(state: ApiState) -> Router {
    let api = OpenApiRouter::with_openapi(Documentation::openapi())
        .routes(routes!(transfers::create, transfers::list))
        .routes(routes!(transfers::search))
        .routes(routes!(transfers::find))
        .routes(routes!(transfers::events))
        .routes(routes!(transfers::dry_run))
        .routes(routes!(operations::retry))
        .routes(routes!(operations::cancel))
        .routes(routes!(operations::purge))
        .routes(routes!(operations::peers))
        .routes(routes!(operations::pause))
        .routes(routes!(operations::resume));
    let api = described(api).layer(DefaultBodyLimit::max(MAX_BODY));
    observed(at_most(api, MAX_IN_FLIGHT), state.trail.clone()).with_state(state)
}
