//! `/openapi.json`: written once, so that a handler which is cloned for each request clones no document.

use axum::Router;
use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use utoipa_axum::router::OpenApiRouter;

/// Serves an API together with its own description.
pub fn described<S: Clone + Send + Sync + 'static>(api: OpenApiRouter<S>) -> Router<S> {
    let (api, description) = api.split_for_parts();
    let json = Bytes::from(serde_json::to_vec(&description).unwrap_or_default());
    let answer = move || async move { ([(CONTENT_TYPE, "application/json")], json) };
    api.route("/openapi.json", get(answer))
}
