//! `/aggregated-data` and `/releases`.

use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, LAST_MODIFIED, LOCATION, VARY,
};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use contracts::release::{CSV, PublishRequest, ReleaseDocument, ReleaseHead, ReleaseList};
use contracts::{Problem, ProblemCode};
use service_kit::extract::{Bearer, Json};
use service_kit::negotiation::{accepts_gzip, already_has, prefers_csv};
use service_kit::{Chain, ProblemResponse};

use super::readers::{Operate, Reader};
use crate::answer::Answer;
use crate::publish::Publisher;
use crate::store::StoreError;

/// Returns the newest release.
#[utoipa::path(get, path = "/aggregated-data", responses(
    (status = 200, content((ReleaseDocument = "application/json"), (String = "text/csv"))),
    (status = 304), (status = 503, body = Problem, description = "There is no release yet.")))]
pub async fn newest(
    State(publisher): State<Publisher>,
    _: Reader,
    headers: HeaderMap,
) -> Result<Response, ProblemResponse> {
    let answer = publisher.newest.borrow().clone().ok_or_else(|| {
        ProblemResponse::new(ProblemCode::Busy)
            .detail("there is no release yet")
            .retry_after(Duration::from_mins(1))
    })?;
    Ok(send(&answer, &headers))
}

/// Lists releases, newest first.
#[utoipa::path(get, path = "/releases", responses((status = 200, body = ReleaseList)))]
pub async fn list(
    State(publisher): State<Publisher>,
    _: Reader,
) -> Result<axum::Json<ReleaseList>, ProblemResponse> {
    let releases = publisher.store.releases().await.map_err(|error| unavailable(&error))?;
    Ok(axum::Json(ReleaseList { releases }))
}

/// Returns a release.
#[utoipa::path(get, path = "/releases/{id}", params(("id" = u64, Path)), responses(
    (status = 200, content((ReleaseDocument = "application/json"), (String = "text/csv"))),
    (status = 304), (status = 404, body = Problem)))]
pub async fn find(
    State(publisher): State<Publisher>,
    _: Reader,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ProblemResponse> {
    let unknown = || ProblemResponse::new(ProblemCode::NotFound).detail("there is no release of this number");
    let id: u64 = id.parse().map_err(|_| unknown())?;
    let held = publisher.newest.borrow().clone().filter(|answer| answer.id == id);
    if let Some(answer) = held {
        return Ok(send(&answer, &headers));
    }
    let stored = publisher.store.release(id).await.map_err(|error| unavailable(&error))?;
    let answer = Answer::of(stored.ok_or_else(unknown)?).await.map_err(|error| unavailable(&error))?;
    Ok(send(&answer, &headers))
}

/// Publishes what the facts are now.
#[utoipa::path(post, path = "/releases", request_body = PublishRequest, responses(
    (status = 201, body = ReleaseHead), (status = 400, body = Problem),
    (status = 409, body = Problem, description = "The counting rules have changed: a new series is needed."),
    (status = 503, body = Problem, description = "Nothing was collected yet, or another release is being made.")))]
pub async fn publish(
    State(publisher): State<Publisher>,
    Bearer { caller, .. }: Bearer<Operate>,
    Json(request): Json<PublishRequest>,
) -> Result<Response, ProblemResponse> {
    let reason = request.reason.trim();
    if !(1..=200).contains(&reason.chars().count()) || reason.chars().any(char::is_control) {
        return Err(ProblemResponse::new(ProblemCode::InvalidRequest)
            .detail("reason must hold 1 to 200 characters, without control characters"));
    }
    let by = format!("{}: {reason}", caller.subject);
    let head = publisher.publish(&by, request.new_series, None).await.map_err(|error| match error {
        StoreError::NotCollected | StoreError::Behind | StoreError::AnotherRelease => {
            ProblemResponse::new(ProblemCode::Busy)
                .detail(error.to_string())
                .retry_after(Duration::from_secs(10))
        }
        StoreError::OtherRules => {
            ProblemResponse::new(ProblemCode::NewSeriesNeeded).detail(error.to_string())
        }
        StoreError::Unreadable(_) => {
            tracing::error!(error = %Chain(&error), "no release could be made; somebody must act");
            ProblemResponse::new(ProblemCode::Internal).detail(error.to_string())
        }
        error => unavailable(&error),
    })?;
    let location = [(LOCATION, format!("/releases/{}", head.id))];
    Ok((StatusCode::CREATED, location, axum::Json(head)).into_response())
}

fn send(answer: &Answer, headers: &HeaderMap) -> Response {
    let (kind, body, tag) = if prefers_csv(headers) {
        (CSV, &answer.csv, format!("{}-csv\"", answer.etag.trim_end_matches('"')))
    } else {
        ("application/json", &answer.json, answer.etag.clone())
    };
    let about = [
        (ETAG, tag.clone()),
        (LAST_MODIFIED, answer.last_modified.clone()),
        (VARY, "accept, accept-encoding, authorization".to_owned()),
        (CACHE_CONTROL, "private, no-cache".to_owned()),
    ];
    if already_has(headers, &tag) {
        return (StatusCode::NOT_MODIFIED, about).into_response();
    }
    if accepts_gzip(headers) {
        return (about, [(CONTENT_TYPE, kind), (CONTENT_ENCODING, "gzip")], body.gzip.clone())
            .into_response();
    }
    (about, [(CONTENT_TYPE, kind)], body.plain.clone()).into_response()
}

fn unavailable(error: &StoreError) -> ProblemResponse {
    tracing::error!(error = %Chain(error), "the releases cannot be read");
    ProblemResponse::new(ProblemCode::StoreUnavailable).retry_after(Duration::from_secs(5))
}
