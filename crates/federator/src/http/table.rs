//! `/aggregated-data`: the national table.

use std::time::Duration;

use axum::extract::State as Has;
use axum::http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, VARY};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use contracts::federated::NationalTable;
use contracts::release::CSV;
use contracts::{Problem, ProblemCode};
use serde::Deserialize;
use service_kit::ProblemResponse;
use service_kit::extract::Query;

use super::readers::Reader;
use crate::national::National;
use service_kit::negotiation::{accepts_gzip, already_has, prefers_csv};

/// How it stands with the sources, in one line: a table as text has no other place for it.
const SOURCES: HeaderName = HeaderName::from_static("x-iidi-sources");
const AGAIN: Duration = Duration::from_secs(15);

/// What a reader insists on.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub struct TableQuery {
    /// `all`: answer 503 unless every source is `ok`.
    require: Option<Require>,
}

/// What must be there.
#[derive(Debug, Clone, Copy, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Require {
    /// Every source.
    All,
}

/// Returns the national table: the rows of every source that has data, and how it stands with each.
#[utoipa::path(get, path = "/aggregated-data", params(TableQuery),
    responses(
        (status = 200, content((NationalTable = "application/json"), (String = "text/csv")),
            description = "At least one source has data, an earlier release included. `X-IIDI-Sources` names each source's status."),
        (status = 304, description = "What `If-None-Match` names is still the answer, but for the passing of time."),
        (status = 503, body = Problem, description = "No source has data, or not all are `ok` and `require=all`.")))]
pub async fn table(
    Has(national): Has<National>,
    _: Reader,
    Query(query): Query<TableQuery>,
    headers: HeaderMap,
) -> Result<Response, ProblemResponse> {
    let written = national.current().await.ok_or_else(|| ProblemResponse::new(ProblemCode::Internal))?;
    let refused = match query.require {
        _ if !written.has_data() => Some(ProblemCode::NoSource),
        Some(Require::All) if !written.is_complete() => Some(ProblemCode::SourcesMissing),
        _ => None,
    };
    if let Some(code) = refused {
        let mut problem = ProblemResponse::new(code).retry_after(AGAIN);
        if !written.errors.is_empty() {
            problem = problem.detail(written.errors.join(" | "));
        }
        return Err(problem);
    }
    let (kind, body, tag) = if prefers_csv(&headers) {
        (CSV, &written.csv, format!("W/\"{}-csv\"", written.tag))
    } else {
        ("application/json", &written.json, format!("W/\"{}\"", written.tag))
    };
    let about = [
        (ETAG, tag.clone()),
        (VARY, "accept, accept-encoding, authorization".to_owned()),
        (CACHE_CONTROL, "private, no-cache".to_owned()),
        (SOURCES, written.summary()),
    ];
    if already_has(&headers, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, about).into_response());
    }
    let answer = if accepts_gzip(&headers) {
        ([(CONTENT_TYPE, kind), (CONTENT_ENCODING, "gzip")], body.gzip.clone()).into_response()
    } else {
        ([(CONTENT_TYPE, kind)], body.plain.clone()).into_response()
    };
    Ok((about, answer).into_response())
}
