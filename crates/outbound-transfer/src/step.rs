//! How a step fails: who has to act, and whether it is tried again.

use std::time::Duration;

use contracts::{Problem, ProblemCode};
use domain::PatientId;
use fhir_client::FhirError;

use crate::store::StoreError;

/// The four classes of faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultClass {
    /// It passes by itself: tried again.
    Transient,
    /// The peer, or the trust between the two: tried again, somebody is told.
    PeerOrTrust,
    /// The content is refused: the transfer ends as `rejected`.
    Content,
    /// A fault of ours: tried again, somebody is told, `dead` after the horizon.
    Ours,
}

impl FaultClass {
    /// Returns the word used in logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Transient => "transient",
            Self::PeerOrTrust => "peer-or-trust",
            Self::Content => "content",
            Self::Ours => "ours",
        }
    }
}

/// Why a step did not get further.
#[derive(Debug)]
pub enum StepError {
    /// The step failed and is to be written down.
    Failed(Box<Failure>),
    /// The ledger could not be read or written, or the lease is lost: nothing can be written down.
    Store(StoreError),
}

/// A failed step.
#[derive(Debug)]
pub struct Failure {
    /// Who has to act.
    pub class: FaultClass,
    /// What callers see.
    pub problem: Problem,
    /// When the peer wants to be asked again.
    pub retry_after: Option<Duration>,
    /// Whether the peer is at work on it, so that asking again soon is right.
    pub is_progress: bool,
    /// The live record, when the one asked for was merged into it.
    pub live_patient_id: Option<PatientId>,
}

impl StepError {
    /// Fails with a problem of the catalogue.
    pub fn failed(class: FaultClass, code: ProblemCode, detail: impl Into<String>) -> Self {
        Self::problem(class, Problem::new(code).detail(detail))
    }

    /// Fails with this problem.
    pub fn problem(class: FaultClass, problem: Problem) -> Self {
        Self::Failed(Box::new(Failure {
            class,
            problem,
            retry_after: None,
            is_progress: false,
            live_patient_id: None,
        }))
    }
}

impl From<StoreError> for StepError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<FhirError> for StepError {
    fn from(error: FhirError) -> Self {
        let code = match error {
            FhirError::Refused { .. } => ProblemCode::FhirServerRefused,
            _ => ProblemCode::FhirServerUnavailable,
        };
        let class = if error.is_retryable() || matches!(error, FhirError::Stale) {
            FaultClass::Transient
        } else {
            FaultClass::Ours
        };
        Self::failed(class, code, error.to_string())
    }
}
