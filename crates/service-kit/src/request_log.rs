//! The outermost layer of every API: a request id and a trace, a row of the audit trail that is durable before the
//! answer leaves, or is left where the caller has gone before that, one log line, and no panic let out.

use std::any::Any;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use audit::{AuditEvent, AuditOutcome, Place, Trail, TrailDown};
use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use chrono::Utc;
use contracts::ProblemCode;
use contracts::headers::{IDEMPOTENCY_KEY, X_REQUEST_ID};
use domain::{Jurisdiction, TransferId};
use mtls::PeerIdentity;
use serde_json::json;
use tower_http::catch_panic::CatchPanicLayer;
use uuid::Uuid;

use crate::problem::{AnsweredCode, ProblemResponse, answer_problem};
use crate::spans::{Span, SpanKind};
use crate::trace::{TRACEPARENT, TraceContext};

/// The id of a request: the caller's own when it is usable, else a new one.
#[derive(Debug, Clone)]
pub struct RequestId(pub String);

/// Who has called, as far as an extractor has found out; for the audit trail.
#[derive(Debug, Clone, Default)]
pub struct Caller(Arc<Known>);

#[derive(Debug, Default)]
struct Known {
    actor: OnceLock<String>,
    peer: OnceLock<Jurisdiction>,
}

impl Caller {
    /// Notes a token's subject or a peer's identity.
    pub fn is_actor(&self, actor: &str) {
        let _ = self.0.actor.set(actor.to_owned());
    }

    /// Notes the jurisdiction that the caller belongs to.
    pub fn is_peer(&self, peer: &Jurisdiction) {
        let _ = self.0.peer.set(peer.clone());
    }
}

/// Wraps an API: fallbacks in our format, panics answered as problems, ids, the trail and the log.
pub fn observed<S: Clone + Send + Sync + 'static>(router: Router<S>, trail: Trail) -> Router<S> {
    router
        .fallback(|| answer_problem(ProblemCode::NotFound))
        .method_not_allowed_fallback(|| answer_problem(ProblemCode::MethodNotAllowed))
        .layer(CatchPanicLayer::custom(answer_panic))
        .layer(middleware::from_fn(move |request: Request, next: Next| observe(trail.clone(), request, next)))
}

fn answer_panic(_: Box<dyn Any + Send>) -> Response {
    tracing::error!("a handler panicked");
    ProblemResponse::new(ProblemCode::Internal).into_response()
}

async fn observe(trail: Trail, request: Request, next: Next) -> Response {
    let trace =
        request.headers().get(TRACEPARENT).and_then(|value| TraceContext::parse(value.to_str().ok()?));
    let trace = trace.map_or_else(TraceContext::begin, |caller| caller.child());
    trace.clone().scope(answer(trail, trace, request, next)).await
}

async fn answer(trail: Trail, trace: TraceContext, mut request: Request, next: Next) -> Response {
    let id = request.headers().get(X_REQUEST_ID).and_then(|value| value.to_str().ok());
    let id = id.filter(|id| is_usable(id)).map_or_else(|| Uuid::now_v7().to_string(), str::to_owned);
    let caller = Caller::default();
    if let Some(identity) = request.extensions().get::<PeerIdentity>() {
        caller.is_actor(identity.spiffe_id().as_str());
    }
    request.extensions_mut().insert(RequestId(id.clone()));
    request.extensions_mut().insert(caller.clone());
    let observed = Observed {
        place: trail.place().ok(),
        started: Instant::now(),
        method: request.method().clone(),
        route: request.extensions().get::<MatchedPath>().map_or("unknown", MatchedPath::as_str).to_owned(),
        transfer_id: transfer_of(request.uri().path(), request.headers()),
        trace,
        caller,
        id: id.clone(),
    };
    let mut span =
        Span::begin(&observed.trace, SpanKind::Server, format!("{} {}", observed.method, observed.route));
    span.note("http.request.method", observed.method.to_string());
    span.note("http.route", observed.route.clone());
    let mut response = if observed.place.is_some() {
        tokio::select! {
            biased;
            response = next.run(request) => response,
            () = trail.silence() => unavailable("the database does not answer; ask again"),
        }
    } else {
        unavailable("too many requests wait for the audit trail; ask again")
    };
    let code = response.extensions().get::<AnsweredCode>().map(|code| code.0.clone());
    if observed.write(response.status().as_u16(), code.clone()).await.is_err() {
        // Whatever was done is done; asked again, the caller hears of it.
        response = unavailable("the audit trail cannot be written; ask again");
    }
    let status = response.status().as_u16();
    span.note("http.response.status_code", i64::from(status));
    if status >= 500 {
        span.fails(code.unwrap_or_default());
    }
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(HeaderName::from_static(X_REQUEST_ID), value);
    }
    response
}

fn unavailable(what: &str) -> Response {
    ProblemResponse::new(ProblemCode::StoreUnavailable)
        .detail(what)
        .retry_after(Duration::from_secs(5))
        .into_response()
}

/// A request, until its row is written. Dropped before that, its caller has gone, and the row says so.
struct Observed {
    /// Where its row goes; taken once it is there.
    place: Option<Place>,
    started: Instant,
    method: Method,
    route: String,
    transfer_id: Option<TransferId>,
    trace: TraceContext,
    caller: Caller,
    id: String,
}

impl Observed {
    /// Writes the row, then the line of the log.
    async fn write(mut self, mut status: u16, code: Option<String>) -> Result<(), TrailDown> {
        let event = self.event(Some(status), code.as_deref());
        let written = match self.place.take() {
            Some(place) => place.write(event).await,
            None => Err(TrailDown),
        };
        if written.is_err() {
            status = 503;
        }
        let duration_ms = millis(self.started);
        tracing::info!(method = %self.method, route = self.route, status, duration_ms, request.id = self.id, "request");
        self.measure(status.to_string());
        written
    }

    fn event(&self, status: Option<u16>, code: Option<&str>) -> AuditEvent {
        AuditEvent {
            #[expect(clippy::disallowed_methods, reason = "the trail tells the computer's own time")]
            at: Utc::now(),
            action: "request",
            outcome: match status {
                Some(0..400) => AuditOutcome::Success,
                Some(400..500) => AuditOutcome::Refused,
                _ => AuditOutcome::Failed,
            },
            forensic: false,
            actor: self.caller.0.actor.get().cloned().unwrap_or_else(|| "unknown".to_owned()),
            transfer_id: self.transfer_id,
            peer: self.caller.0.peer.get().cloned(),
            detail: json!({
                "method": self.method.as_str(), "route": self.route, "status": status, "code": code,
                "request_id": self.id, "trace_id": self.trace.trace_id(), "duration_ms": millis(self.started),
                "caller_gone": status.is_none(),
            }),
        }
    }

    fn measure(&self, status: String) {
        metrics::histogram!("http_request_duration_seconds", "route" => self.route.clone(), "status" => status)
            .record(self.started.elapsed().as_secs_f64());
    }
}

impl Drop for Observed {
    fn drop(&mut self) {
        let Some(place) = self.place.take() else { return };
        place.leave(self.event(None, None));
        let duration_ms = millis(self.started);
        tracing::info!(method = %self.method, route = self.route, duration_ms, request.id = self.id,
            "a caller has gone before its answer");
        self.measure("caller-gone".to_owned());
    }
}

fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// Finds the transfer that a request names, in its path or as the key it is to have.
fn transfer_of(path: &str, headers: &HeaderMap) -> Option<TransferId> {
    let named = path.split('/').find_map(|segment| TransferId::parse(segment).ok());
    let key = headers.get(IDEMPOTENCY_KEY).and_then(|value| value.to_str().ok());
    named.or_else(|| key.and_then(|key| TransferId::parse(key.trim_matches('"')).ok()))
}

fn is_usable(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}
