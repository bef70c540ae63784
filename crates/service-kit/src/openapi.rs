//! `/openapi.json`: written once, so that a handler which is cloned for each request clones no document.

use axum::http::header::CONTENT_TYPE;
use axum::routing::{MethodRouter, get};
use serde::Serialize;

/// Serves a document that does not change.
pub fn document<S: Clone + Send + Sync + 'static>(openapi: &impl Serialize) -> MethodRouter<S> {
    let json = axum::body::Bytes::from(serde_json::to_vec(openapi).unwrap_or_default());
    get(move || async move { ([(CONTENT_TYPE, "application/json")], json) })
}
