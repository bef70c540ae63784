//! `/inbound-transfer` on the local API: what arrived, from whom, with what outcome.

use axum::extract::{Path, State};
use chrono::{DateTime, Utc};
use contracts::arrival::{ArrivalPage, ArrivalView};
use contracts::{Problem, ProblemCode};
use domain::{Jurisdiction, TransferId};
use serde::Deserialize;
use service_kit::extract::{Bearer, Query, Scope};
use service_kit::page::{self, MAX_PAGE, is_storable};

use super::LocalState;
use crate::error::ApiError;
use crate::store::ArrivalFilter;

const STATES: [&str; 4] = ["received", "planned", "committed", "refused"];

/// The scope that reading needs.
pub struct Read;
impl Scope for Read {
    const NAME: &'static str = "transfer.read";
}

/// What a list shows.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub struct ListQuery {
    /// Only from this jurisdiction.
    #[param(value_type = Option<String>)]
    sender: Option<Jurisdiction>,
    /// Only these states, separated by commas: `received`, `planned`, `committed`, `refused`.
    state: Option<String>,
    /// Only those that first came at or after this time.
    since: Option<DateTime<Utc>>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// How many; at most 500.
    limit: Option<i64>,
}

/// Lists arrivals, newest first.
#[utoipa::path(get, path = "/inbound-transfer", params(ListQuery), responses((status = 200, body = ArrivalPage)))]
pub async fn list(
    State(state): State<LocalState>,
    _: Bearer<Read>,
    Query(query): Query<ListQuery>,
) -> Result<axum::Json<ArrivalPage>, ApiError> {
    if query.since.is_some_and(|since| !is_storable(&since)) {
        return Err(invalid("since must be a time of the years 1 to 9999"));
    }
    let states: Vec<String> =
        query.state.iter().flat_map(|text| text.split(',')).map(|text| text.trim().to_owned()).collect();
    if states.iter().any(|state| !STATES.contains(&state.as_str())) {
        return Err(invalid("state must be one or more of received, planned, committed, refused"));
    }
    let after = query.cursor.as_deref().map(parse_cursor).transpose()?;
    let filter = ArrivalFilter { sender: query.sender, states, since: query.since, after };
    let limit = query.limit.unwrap_or(MAX_PAGE).clamp(1, MAX_PAGE);
    let rows = state.store.arrivals(&filter, limit + 1).await?;
    let cursor =
        |last: &ArrivalView| format!("{}_{}_{}", last.received_at.timestamp_micros(), last.sender, last.id);
    let (transfers, next_cursor) = page::cut(rows, limit, cursor);
    Ok(axum::Json(ArrivalPage { transfers, next_cursor }))
}

/// Returns one arrival.
#[utoipa::path(get, path = "/inbound-transfer/{sender}/{id}",
    params(("sender" = String, Path), ("id" = String, Path)),
    responses((status = 200, body = ArrivalView), (status = 404, body = Problem)))]
pub async fn find(
    State(state): State<LocalState>,
    _: Bearer<Read>,
    Path((sender, id)): Path<(String, String)>,
) -> Result<axum::Json<ArrivalView>, ApiError> {
    let unknown =
        || ApiError::request(ProblemCode::NotFound, "this jurisdiction has sent no transfer of this id");
    let sender = Jurisdiction::parse(&sender).map_err(|_| unknown())?;
    let id = TransferId::parse(&id).map_err(|_| unknown())?;
    let found = state.store.arrival(&sender, id).await?;
    found.map(axum::Json).ok_or_else(unknown)
}

fn parse_cursor(cursor: &str) -> Result<(DateTime<Utc>, String, TransferId), ApiError> {
    let parse = || {
        let mut parts = cursor.split('_');
        let at = DateTime::from_timestamp_micros(parts.next()?.parse().ok()?).filter(is_storable)?;
        let sender = Jurisdiction::parse(parts.next()?).ok()?;
        Some((at, sender.as_str().to_owned(), TransferId::parse(parts.next()?).ok()?))
    };
    parse().ok_or_else(|| invalid("cursor is not one that a page has named"))
}

fn invalid(what: &str) -> ApiError {
    ApiError::request(ProblemCode::InvalidRequest, what)
}
