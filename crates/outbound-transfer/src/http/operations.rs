//! What operators may do: `/transfer-request/{id}/retry`, `/cancel`, `/purge`, and the lanes under `/peers`.

use axum::extract::{FromRequestParts, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use contracts::Problem;
use contracts::peer::{PeerList, PeerView};
use contracts::transfer::{OperatorReason, TransferView};
use domain::Jurisdiction;
use service_kit::extract::{Bearer, Json, Scope};

use super::transfers::{IdInPath, Read};
use crate::error::ApiError;
use crate::operations::Operation;
use crate::requests::Requests;

/// The scope that operating needs.
pub struct Operate;
impl Scope for Operate {
    const NAME: &'static str = "transfer.operate";
}

/// The `{code}` of a path.
pub struct PeerInPath(Jurisdiction);

impl<S: Send + Sync> FromRequestParts<S> for PeerInPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = axum::extract::Path::<String>::from_request_parts(parts, state).await;
        let code = path.ok().and_then(|axum::extract::Path(text)| Jurisdiction::parse(&text).ok());
        code.map(Self).ok_or(ApiError::UnknownPeer)
    }
}

type Operated = Result<(StatusCode, axum::Json<TransferView>), ApiError>;

async fn operate(
    requests: &Requests,
    operation: Operation,
    bearer: &Bearer<Operate>,
    IdInPath(id): IdInPath,
    reason: &OperatorReason,
) -> Operated {
    let transfer = requests.operate(operation, id, &bearer.caller.subject, &reason.reason).await?;
    Ok((StatusCode::ACCEPTED, axum::Json(transfer)))
}

/// Tries a waiting transfer now, or wakes a dead one.
#[utoipa::path(post, path = "/transfer-request/{id}/retry", params(("id" = String, Path)),
    request_body = OperatorReason,
    responses((status = 202, body = TransferView), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub async fn retry(
    State(requests): State<Requests>,
    bearer: Bearer<Operate>,
    id: IdInPath,
    Json(reason): Json<OperatorReason>,
) -> Operated {
    operate(&requests, Operation::Retry, &bearer, id, &reason).await
}

/// Calls a transfer off whose package has not left.
#[utoipa::path(post, path = "/transfer-request/{id}/cancel", params(("id" = String, Path)),
    request_body = OperatorReason,
    responses((status = 202, body = TransferView), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub async fn cancel(
    State(requests): State<Requests>,
    bearer: Bearer<Operate>,
    id: IdInPath,
    Json(reason): Json<OperatorReason>,
) -> Operated {
    operate(&requests, Operation::Cancel, &bearer, id, &reason).await
}

/// Deletes the package of a transfer that has ended; a dead one can then not be retried.
#[utoipa::path(post, path = "/transfer-request/{id}/purge", params(("id" = String, Path)),
    request_body = OperatorReason,
    responses((status = 202, body = TransferView), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub async fn purge(
    State(requests): State<Requests>,
    bearer: Bearer<Operate>,
    id: IdInPath,
    Json(reason): Json<OperatorReason>,
) -> Operated {
    operate(&requests, Operation::Purge, &bearer, id, &reason).await
}

/// Lists the peers: their lanes, what waits and since when.
#[utoipa::path(get, path = "/peers", responses((status = 200, body = PeerList)))]
pub async fn peers(
    State(requests): State<Requests>,
    _: Bearer<Read>,
) -> Result<axum::Json<PeerList>, ApiError> {
    Ok(axum::Json(requests.peers().await?))
}

/// Holds a peer's lane back until it is resumed.
#[utoipa::path(post, path = "/peers/{code}/pause", params(("code" = String, Path)), request_body = OperatorReason,
    responses((status = 200, body = PeerView), (status = 404, body = Problem)))]
pub async fn pause(
    State(requests): State<Requests>,
    bearer: Bearer<Operate>,
    PeerInPath(code): PeerInPath,
    Json(reason): Json<OperatorReason>,
) -> Result<axum::Json<PeerView>, ApiError> {
    Ok(axum::Json(requests.set_paused(&code, true, &bearer.caller.subject, &reason.reason).await?))
}

/// Takes a pause back.
#[utoipa::path(post, path = "/peers/{code}/resume", params(("code" = String, Path)), request_body = OperatorReason,
    responses((status = 200, body = PeerView), (status = 404, body = Problem)))]
pub async fn resume(
    State(requests): State<Requests>,
    bearer: Bearer<Operate>,
    PeerInPath(code): PeerInPath,
    Json(reason): Json<OperatorReason>,
) -> Result<axum::Json<PeerView>, ApiError> {
    Ok(axum::Json(requests.set_paused(&code, false, &bearer.caller.subject, &reason.reason).await?))
}
