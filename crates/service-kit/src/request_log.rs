//! The outermost layer of every API: a request id on each answer, one log line, and no panic let out.

use std::any::Any;
use std::time::Instant;

use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use contracts::ProblemCode;
use contracts::headers::X_REQUEST_ID;
use tower_http::catch_panic::CatchPanicLayer;
use uuid::Uuid;

use crate::problem::{ProblemResponse, answer_problem};

/// The id of a request: the caller's own when it is usable, else a new one.
#[derive(Debug, Clone)]
pub struct RequestId(pub String);

/// Wraps an API: fallbacks in our format, panics answered as problems, ids and the log.
pub fn observed<S: Clone + Send + Sync + 'static>(router: Router<S>) -> Router<S> {
    router
        .fallback(|| answer_problem(ProblemCode::NotFound))
        .method_not_allowed_fallback(|| answer_problem(ProblemCode::MethodNotAllowed))
        .layer(CatchPanicLayer::custom(answer_panic))
        .layer(middleware::from_fn(log))
}

fn answer_panic(_: Box<dyn Any + Send>) -> Response {
    tracing::error!("a handler panicked");
    ProblemResponse::new(ProblemCode::Internal).into_response()
}

async fn log(mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = request.headers().get(X_REQUEST_ID).and_then(|value| value.to_str().ok());
    let id = id.filter(|id| is_usable(id)).map_or_else(|| Uuid::now_v7().to_string(), str::to_owned);
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map_or("unknown", MatchedPath::as_str).to_owned();
    request.extensions_mut().insert(RequestId(id.clone()));
    let mut response = next.run(request).await;
    let status = response.status().as_u16();
    let elapsed = started.elapsed();
    tracing::info!(%method, route, status, duration_ms = elapsed.as_millis(), request.id = %id, "request");
    metrics::histogram!("http_request_duration_seconds", "route" => route, "status" => status.to_string())
        .record(elapsed.as_secs_f64());
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(HeaderName::from_static(X_REQUEST_ID), value);
    }
    response
}

fn is_usable(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}
