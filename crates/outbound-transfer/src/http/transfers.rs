//! `/transfer-request`.

use axum::extract::{FromRequestParts, State};
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::http::request::Parts;
use axum::response::IntoResponse;
use chrono::{DateTime, Utc};
use contracts::Problem;
use contracts::headers::IDEMPOTENCY_KEY;
use contracts::transfer::{
    NewTransfer, TransferDryRun, TransferEvents, TransferPage, TransferSearch, TransferView,
};
use domain::{Jurisdiction, TransferId, TransferState};
use serde::Deserialize;
use service_kit::extract::{Bearer, Json, Query, Scope};
use service_kit::page::{MAX_PAGE, is_storable};

use crate::error::ApiError;
use crate::requests::Requests;
use crate::store::ListFilter;
use crate::worker::Worker;

/// The scope that asking for a transfer needs.
pub struct Request;
impl Scope for Request {
    const NAME: &'static str = "transfer.request";
}

/// The scope that reading needs.
pub struct Read;
impl Scope for Read {
    const NAME: &'static str = "transfer.read";
}

/// The header `Idempotency-Key`, which becomes the transfer's id.
pub struct IdempotencyKey(TransferId);

impl<S: Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let header = parts.headers.get(IDEMPOTENCY_KEY).and_then(|value| value.to_str().ok());
        let id = header.and_then(|text| TransferId::parse(text.trim_matches('"')).ok());
        id.map(Self).ok_or(ApiError::Invalid(
            "send Idempotency-Key: <a UUID of your choice>; it becomes the transfer's id",
        ))
    }
}

/// The `{id}` of a path.
pub struct IdInPath(pub(super) TransferId);

impl<S: Send + Sync> FromRequestParts<S> for IdInPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = axum::extract::Path::<String>::from_request_parts(parts, state).await;
        let id = path.ok().and_then(|axum::extract::Path(text)| TransferId::parse(&text).ok());
        id.map(Self).ok_or(ApiError::NotFound)
    }
}

/// Accepts a transfer request and queues it; the caller follows `Location`.
#[utoipa::path(post, path = "/transfer-request", request_body = NewTransfer,
    params(("Idempotency-Key" = String, Header, description = "a UUID; it becomes the transfer's id")),
    responses((status = 202, body = TransferView), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub async fn create(
    State(requests): State<Requests>,
    bearer: Bearer<Request>,
    IdempotencyKey(id): IdempotencyKey,
    Json(new): Json<NewTransfer>,
) -> Result<impl IntoResponse, ApiError> {
    let transfer = requests.accept(id, new, &bearer.caller.subject).await?;
    let location = [(LOCATION, format!("/transfer-request/{id}"))];
    Ok((StatusCode::ACCEPTED, location, axum::Json(transfer)))
}

/// Finds out what a transfer would send, without storing or sending anything.
#[utoipa::path(post, path = "/transfer-request/dry-run", request_body = NewTransfer,
    responses((status = 200, body = TransferDryRun), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub async fn dry_run(
    State(requests): State<Requests>,
    State(worker): State<Worker>,
    _: Bearer<Request>,
    Json(new): Json<NewTransfer>,
) -> Result<axum::Json<TransferDryRun>, ApiError> {
    requests.check(&new)?;
    Ok(axum::Json(crate::dry_run::dry_run(&worker, &new).await?))
}

/// What a list shows.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub struct ListQuery {
    /// Only these states, separated by commas.
    state: Option<String>,
    /// Only those that wait for another attempt, or only the others.
    retrying: Option<bool>,
    /// Only to this destination.
    #[param(value_type = Option<String>)]
    transfer_to: Option<Jurisdiction>,
    /// Only those requested at or after this time.
    since: Option<DateTime<Utc>>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// How many; at most 500.
    limit: Option<i64>,
}

/// Lists transfers, newest first.
#[utoipa::path(get, path = "/transfer-request", params(ListQuery), responses((status = 200, body = TransferPage)))]
pub async fn list(
    State(requests): State<Requests>,
    _: Bearer<Read>,
    Query(query): Query<ListQuery>,
) -> Result<axum::Json<TransferPage>, ApiError> {
    if query.since.is_some_and(|since| !is_storable(&since)) {
        return Err(ApiError::Invalid("since must be a time of the years 1 to 9999"));
    }
    let after = query.cursor.as_deref().map(parse_cursor).transpose()?;
    let states = query.state.as_deref().map(parse_states).transpose()?.unwrap_or_default();
    let filter = ListFilter {
        states,
        is_retrying: query.retrying,
        transfer_to: query.transfer_to,
        since: query.since,
        patient_id: None,
        after,
    };
    Ok(axum::Json(requests.list(filter, query.limit.unwrap_or(MAX_PAGE)).await?))
}

fn parse_states(text: &str) -> Result<Vec<TransferState>, ApiError> {
    let unknown = |_| ApiError::Invalid("state must be one or more states, separated by commas");
    text.split(',').map(|state| state.trim().parse().map_err(unknown)).collect()
}

fn parse_cursor(cursor: &str) -> Result<(DateTime<Utc>, TransferId), ApiError> {
    let parse = || {
        let (micros, id) = cursor.split_once('_')?;
        let at = DateTime::from_timestamp_micros(micros.parse().ok()?).filter(is_storable)?;
        Some((at, TransferId::parse(id).ok()?))
    };
    parse().ok_or(ApiError::Invalid("cursor is not one that a page has named"))
}

/// Lists the transfers of a patient; the id travels in the body, so that no URL holds it.
#[utoipa::path(post, path = "/transfer-request/search", request_body = TransferSearch,
    responses((status = 200, body = TransferPage)))]
pub async fn search(
    State(requests): State<Requests>,
    _: Bearer<Read>,
    Json(search): Json<TransferSearch>,
) -> Result<axum::Json<TransferPage>, ApiError> {
    Ok(axum::Json(requests.search(search.patient_id).await?))
}

/// Returns a transfer as it stands.
#[utoipa::path(get, path = "/transfer-request/{id}", params(("id" = String, Path)),
    responses((status = 200, body = TransferView), (status = 404, body = Problem)))]
pub async fn find(
    State(requests): State<Requests>,
    _: Bearer<Read>,
    IdInPath(id): IdInPath,
) -> Result<axum::Json<TransferView>, ApiError> {
    Ok(axum::Json(requests.find(id).await?))
}

/// Returns a transfer's timeline.
#[utoipa::path(get, path = "/transfer-request/{id}/events", params(("id" = String, Path)),
    responses((status = 200, body = TransferEvents), (status = 404, body = Problem)))]
pub async fn events(
    State(requests): State<Requests>,
    _: Bearer<Read>,
    IdInPath(id): IdInPath,
) -> Result<axum::Json<TransferEvents>, ApiError> {
    Ok(axum::Json(requests.events(id).await?))
}
