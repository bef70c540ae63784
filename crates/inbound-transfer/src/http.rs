//! Every route of the gateway port, on one screen.

use axum::extract::DefaultBodyLimit;
use axum::routing::get;
use axum::{Json, Router};
use peers::Directory;
use service_kit::request_log::observed;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::intake::Intake;

mod peer;
mod transfers;

/// What the handlers work with.
#[derive(Clone)]
pub struct GatewayState {
    /// Takes packages in.
    pub intake: Intake,
    /// Who the peers are.
    pub directory: Directory,
    /// How many packages are worked on at once.
    pub slots: Arc<Semaphore>,
    /// An intake goes on when its caller has gone.
    pub tasks: TaskTracker,
}

#[derive(OpenApi)]
#[openapi(info(
    title = "inbound-transfer",
    description = "Receives persons' immunization records from other provinces. Mutual TLS 1.3; problem+json errors."
))]
struct Documentation;

/// Builds the gateway's API.
pub fn router(state: GatewayState) -> Router {
    let (api, openapi) = OpenApiRouter::with_openapi(Documentation::openapi())
        .routes(routes!(transfers::put, transfers::find))
        .split_for_parts();
    let api = api
        .route("/openapi.json", get(move || async move { Json(openapi) }))
        .layer(DefaultBodyLimit::disable()); // the handler bounds the body by the peer's own limit
    observed(api).with_state(state)
}
