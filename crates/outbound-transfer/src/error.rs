//! What the API refuses, and how it says so.

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use contracts::ProblemCode;
use domain::TransferId;
use service_kit::{Chain, ProblemResponse};

use crate::store::StoreError;

/// Why a call is not answered with what was asked for.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// Something about the request is wrong.
    #[error("{0}")]
    Invalid(&'static str),
    /// The destination is not one of the directory.
    #[error("unknown destination")]
    UnknownDestination,
    /// The key was used with another body.
    #[error("the key was used before")]
    IdempotencyConflict,
    /// Another transfer of the patient is unfinished.
    #[error("unfinished transfer")]
    Unfinished(TransferId),
    /// No such transfer.
    #[error("no such transfer")]
    NotFound,
    /// The ledger failed.
    #[error("the ledger failed")]
    Store(#[from] StoreError),
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let problem = match self {
            Self::Invalid(detail) => ProblemResponse::new(ProblemCode::InvalidRequest).detail(detail),
            Self::UnknownDestination => ProblemResponse::new(ProblemCode::UnknownDestination)
                .detail("transfer_to must be an active province or territory other than this one"),
            Self::IdempotencyConflict => ProblemResponse::new(ProblemCode::IdempotencyConflict)
                .detail("use a new Idempotency-Key for another transfer"),
            Self::Unfinished(id) => ProblemResponse::new(ProblemCode::TransferUnfinished)
                .detail(format!("follow /transfer-request/{id}, or wait until it has ended")),
            Self::NotFound => ProblemResponse::new(ProblemCode::NotFound).detail("no transfer of this id"),
            Self::Store(StoreError::LeaseLost) => {
                ProblemResponse::new(ProblemCode::Busy).retry_after(Duration::from_secs(1))
            }
            Self::Store(error @ StoreError::Unavailable { .. }) => {
                tracing::error!(error = %Chain(&error), "the ledger does not answer");
                ProblemResponse::new(ProblemCode::StoreUnavailable).retry_after(Duration::from_secs(5))
            }
            Self::Store(error @ StoreError::Unreadable(_)) => {
                tracing::error!(error = %Chain(&error), "the ledger cannot be read");
                ProblemResponse::new(ProblemCode::Internal)
            }
        };
        problem.into_response()
    }
}
