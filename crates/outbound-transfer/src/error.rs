//! What the API refuses, and how it says so.

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use contracts::ProblemCode;
use domain::{TransferId, TransferState};
use service_kit::{Chain, ProblemResponse};

use crate::operations::Operation;
use crate::step::StepError;
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
    /// No such peer.
    #[error("no such peer")]
    UnknownPeer,
    /// Where the transfer stands, this cannot be done.
    #[error("not in this state")]
    NotNow(Operation, TransferState),
    /// The record could not be read.
    #[error("the record could not be read")]
    Step(StepError),
    /// A fault of this service.
    #[error("{0}")]
    Internal(&'static str),
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
            Self::UnknownPeer => ProblemResponse::new(ProblemCode::NotFound).detail(
                "no province or territory of this code in the directory, and nothing on its way there",
            ),
            Self::NotNow(operation, state) => not_now(operation, state),
            Self::Step(StepError::Failed(failure)) => ProblemResponse::from(failure.problem),
            Self::Step(StepError::Store(error)) => return Self::Store(error).into_response(),
            Self::Internal(error) => {
                tracing::error!(error, "a fault of ours");
                ProblemResponse::new(ProblemCode::Internal)
            }
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

fn not_now(operation: Operation, state: TransferState) -> ProblemResponse {
    let (code, what) = match operation {
        Operation::Cancel => (ProblemCode::TransferNotCancellable, "its package has left, or it has ended"),
        Operation::Retry => (ProblemCode::TransferNotRetryable, "request a new transfer instead"),
        Operation::Purge => (ProblemCode::PackageNotPurgeable, "cancel it, or wait until it has ended"),
    };
    ProblemResponse::new(code).detail(format!("the transfer is {state}: {what}"))
}
