//! What peers are told when a package is not taken.

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use contracts::ProblemCode;
use fhir_client::FhirError;
use service_kit::{Chain, ProblemResponse};

use crate::refusal::Refusal;
use crate::store::StoreError;

/// Why a call is not answered with a receipt.
#[derive(Debug)]
pub enum ApiError {
    /// Something about the request, before its content is looked at.
    Request(ProblemResponse),
    /// The intake.
    Intake(Refusal),
}

impl ApiError {
    /// Refuses with a code of the catalogue.
    pub fn request(code: ProblemCode, detail: impl Into<String>) -> Self {
        Self::Request(ProblemResponse::new(code).detail(detail))
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        Self::Intake(refusal)
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        Self::Intake(Refusal::Store(error))
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let soon = Duration::from_secs(2);
        let problem = match self {
            Self::Request(problem) => problem,
            Self::Intake(Refusal::Content(problem)) => problem.into(),
            Self::Intake(Refusal::PersonBusy) => ProblemResponse::new(ProblemCode::Busy)
                .detail("another package about the same person is in progress")
                .retry_after(soon),
            Self::Intake(Refusal::PlanOutdated) => ProblemResponse::new(ProblemCode::Busy)
                .detail("the record changed while it was being received; send the package again")
                .retry_after(Duration::from_secs(1)),
            Self::Intake(Refusal::Fhir(error @ FhirError::Refused { .. })) => {
                tracing::error!(%error, "the FHIR server refused");
                ProblemResponse::new(ProblemCode::FhirServerRefused)
            }
            Self::Intake(Refusal::Fhir(error)) => {
                tracing::error!(error = %Chain(&error), "the FHIR server failed");
                ProblemResponse::new(ProblemCode::FhirServerUnavailable).retry_after(Duration::from_secs(5))
            }
            Self::Intake(Refusal::Store(StoreError::LeaseLost)) => {
                ProblemResponse::new(ProblemCode::Busy).retry_after(soon)
            }
            Self::Intake(Refusal::Store(error @ StoreError::Unavailable { .. })) => {
                tracing::error!(error = %Chain(&error), "the ledger does not answer");
                ProblemResponse::new(ProblemCode::StoreUnavailable).retry_after(Duration::from_secs(5))
            }
            Self::Intake(Refusal::Store(error @ StoreError::Unreadable(_))) => {
                tracing::error!(error = %Chain(&error), "the ledger cannot be read");
                ProblemResponse::new(ProblemCode::Internal)
            }
            Self::Intake(Refusal::Internal(error)) => {
                tracing::error!(error, "a fault of ours");
                ProblemResponse::new(ProblemCode::Internal)
            }
        };
        problem.into_response()
    }
}
