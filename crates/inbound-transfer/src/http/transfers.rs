//! `/inbound-transfer/{id}`.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequestParts, State};
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use contracts::arrival::ArrivalDryRun;
use contracts::headers::{CONTENT_DIGEST, FHIR_JSON};
use contracts::receipt::ReceiptDocument;
use contracts::{ContentDigest, Problem, ProblemCode};
use domain::TransferId;
use futures::StreamExt;
use serde_json::json;
use service_kit::{ProblemResponse, trace};
use tokio::sync::OwnedSemaphorePermit;

use super::GatewayState;
use super::peer::Peer;
use crate::error::ApiError;
use crate::intake::{Arrival, Taken};
use crate::receipt;
use crate::refusal::Refusal;

/// How long a delivery waits for a free slot.
const SLOT_WAIT: Duration = Duration::from_secs(2);
/// The longest that a body may take.
const BODY_TIME: Duration = Duration::from_mins(1);

/// The `{id}` of a path.
pub struct IdInPath(TransferId);

impl<S: Send + Sync> FromRequestParts<S> for IdInPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = axum::extract::Path::<String>::from_request_parts(parts, state).await;
        let id = path.ok().and_then(|axum::extract::Path(text)| TransferId::parse(&text).ok());
        id.map(Self).ok_or_else(|| ApiError::request(ProblemCode::InvalidRequest, "a transfer id is a UUID"))
    }
}

/// Takes a package in and answers with the signed receipt of its commit.
#[utoipa::path(put, path = "/inbound-transfer/{id}",
    params(("id" = String, Path), ("Content-Digest" = String, Header, description = "sha-256=:…: (RFC 9530)")),
    request_body(content = String, content_type = "application/fhir+json"),
    responses((status = 201, body = ReceiptDocument), (status = 200, body = ReceiptDocument), (status = 202),
        (status = 400, body = Problem), (status = 409, body = Problem), (status = 413, body = Problem),
        (status = 422, body = Problem), (status = 503, body = Problem)))]
pub async fn put(
    State(state): State<GatewayState>,
    peer: Peer,
    IdInPath(id): IdInPath,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let (slot, body, digest) = receive(&state, &peer, &headers, body).await?;
    let arrival = Arrival { sender: peer.entry.code.clone(), actor: peer.spiffe_id, id, digest, body };
    let (intake, silence) = (state.intake.clone(), state.trail.silence());
    // On a task of its own: a caller that hangs up does not stop what has begun.
    let working = state.tasks.spawn(trace::carried(async move {
        let taken = tokio::select! {
            biased;
            taken = intake.take(arrival) => taken,
            // As if the process had died: its lease runs out, and the next delivery goes on.
            () = silence => Err(Refusal::Internal("the database fell silent under an intake".to_owned())),
        };
        drop(slot);
        taken
    }));
    let taken =
        working.await.map_err(|_| ApiError::Intake(Refusal::Internal("an intake panicked".to_owned())))??;
    Ok(match taken {
        Taken::Committed(receipt) => (StatusCode::CREATED, axum::Json(ReceiptDocument { receipt })).into_response(),
        Taken::Before(receipt) => (StatusCode::OK, axum::Json(ReceiptDocument { receipt })).into_response(),
        Taken::InProgress => in_progress(),
        Taken::OtherBytes => ProblemResponse::new(ProblemCode::DigestConflict)
            .detail("this transfer id was used before with other bytes; ask for the receipt of the first delivery")
            .into_response(),
    })
}

/// Tries a package: what would become of it, as things stand. Nothing is stored, and nothing is written.
#[utoipa::path(post, path = "/inbound-transfer/dry-run",
    params(("Content-Digest" = String, Header, description = "sha-256=:…: (RFC 9530)")),
    request_body(content = String, content_type = "application/fhir+json"),
    responses((status = 200, body = ArrivalDryRun), (status = 400, body = Problem), (status = 413, body = Problem),
        (status = 422, body = Problem), (status = 429, body = Problem), (status = 503, body = Problem)))]
pub async fn dry_run(
    State(state): State<GatewayState>,
    peer: Peer,
    headers: HeaderMap,
    body: Body,
) -> Result<axum::Json<ArrivalDryRun>, ApiError> {
    let (_slot, body, _) = receive(&state, &peer, &headers, body).await?;
    let (plan, is_matched) = Box::pin(state.intake.try_out(&peer.entry.code, body)).await?;
    Ok(axum::Json(ArrivalDryRun {
        patient: if is_matched { "matched" } else { "new" }.to_owned(),
        counts: plan.counts,
        conflicts: plan.conflicts.len() as u64,
    }))
}

/// A peer's own slot and one of all.
type Slot = (OwnedSemaphorePermit, OwnedSemaphorePermit);

/// Reads a package, within what its sender may send: how many in a minute, how many at once, how large.
async fn receive(
    state: &GatewayState,
    peer: &Peer,
    headers: &HeaderMap,
    body: Body,
) -> Result<(Slot, Bytes, ContentDigest), ApiError> {
    let stated = check_headers(headers)?;
    if let Err(wait) = state.rates.admit(&peer.entry) {
        let problem = ProblemResponse::new(ProblemCode::RateLimited)
            .detail("more packages in a minute than the directory allows")
            .retry_after(wait + Duration::from_secs(1));
        return Err(ApiError::Request(problem));
    }
    let limit = state
        .intake
        .limits
        .max_bytes
        .min(usize::try_from(peer.entry.limits.bytes_per_package).unwrap_or(usize::MAX));
    let own = state.slots_of(&peer.entry);
    let slots =
        async { Some((own.acquire_owned().await.ok()?, state.slots.clone().acquire_owned().await.ok()?)) };
    let Ok(Some(slot)) = tokio::time::timeout(SLOT_WAIT, slots).await else {
        return Err(busy("too many packages at once"));
    };
    let reading = tokio::time::timeout(BODY_TIME, read(headers, body, limit)).await;
    let body = reading.map_err(|_| busy("the body came too slowly"))??;
    let digest = ContentDigest::of(&body);
    if digest != stated {
        return Err(ApiError::request(
            ProblemCode::DigestMismatch,
            "the body is not what Content-Digest says",
        ));
    }
    Ok((slot, body, digest))
}

/// Returns the receipt of a transfer that the caller has sent, or how far it is.
#[utoipa::path(get, path = "/inbound-transfer/{id}", params(("id" = String, Path)),
    responses((status = 200, body = ReceiptDocument), (status = 202), (status = 404, body = Problem),
        (status = 422, body = Problem)))]
pub async fn find(
    State(state): State<GatewayState>,
    peer: Peer,
    IdInPath(id): IdInPath,
) -> Result<Response, ApiError> {
    let (intake, sender) = (&state.intake, &peer.entry.code);
    if let Some(stored) = intake.store.receipt(sender, id).await? {
        let receipt = receipt::current(intake, sender, id, stored).await?;
        return Ok(axum::Json(ReceiptDocument { receipt }).into_response());
    }
    match intake.store.state(sender, id, intake.clock.now()).await? {
        None => {
            Err(ApiError::request(ProblemCode::NotFound, "this jurisdiction has sent no transfer of this id"))
        }
        Some((_, Some(problem))) => Err(ApiError::Request(problem.into())),
        Some((true, None)) => Ok(in_progress()),
        Some((false, None)) => Err(busy("it was not taken in yet; send it again")),
    }
}

/// Nothing is wrong with the package as far as it was seen: it is to be sent again.
fn busy(what: &str) -> ApiError {
    ApiError::Request(
        ProblemResponse::new(ProblemCode::Busy).detail(what).retry_after(Duration::from_secs(2)),
    )
}

fn in_progress() -> Response {
    (StatusCode::ACCEPTED, [(RETRY_AFTER, "1")], axum::Json(json!({"state": "in-progress"}))).into_response()
}

fn check_headers(headers: &HeaderMap) -> Result<ContentDigest, ApiError> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let media_type = text(CONTENT_TYPE.as_str()).unwrap_or_default();
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case(FHIR_JSON) {
        return Err(ApiError::request(
            ProblemCode::UnsupportedMediaType,
            "send Content-Type: application/fhir+json",
        ));
    }
    if text(CONTENT_ENCODING.as_str()).is_some_and(|encoding| !encoding.eq_ignore_ascii_case("identity")) {
        return Err(ApiError::request(
            ProblemCode::UnsupportedMediaType,
            "send the body without Content-Encoding",
        ));
    }
    let digest = text(CONTENT_DIGEST).and_then(|value| ContentDigest::parse_header(value).ok());
    digest.ok_or_else(|| {
        ApiError::request(ProblemCode::InvalidRequest, "send Content-Digest: sha-256=:<base64>: (RFC 9530)")
    })
}

async fn read(headers: &HeaderMap, body: Body, limit: usize) -> Result<Bytes, ApiError> {
    let too_large =
        || ApiError::request(ProblemCode::TooLarge, format!("a package may have at most {limit} bytes"));
    let length = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if length.is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    let mut read = BytesMut::new();
    let mut stream = body.into_data_stream();
    loop {
        match stream.next().await {
            None => return Ok(read.freeze()),
            Some(Err(_)) => return Err(busy("the body broke off")),
            Some(Ok(chunk)) if read.len() + chunk.len() > limit => return Err(too_large()),
            Some(Ok(chunk)) => read.extend_from_slice(&chunk),
        }
    }
}
