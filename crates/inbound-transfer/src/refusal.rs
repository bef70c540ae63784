//! Why a package is not taken.

use contracts::{Issue, Problem, ProblemCode};
use fhir_client::FhirError;
use service_kit::package_keys::KeyError;

use crate::store::StoreError;

/// Why an intake did not end with a receipt.
#[derive(Debug)]
pub enum Refusal {
    /// The content is refused: written down, told to the sender, nothing written to the FHIR server.
    Content(Problem),
    /// The FHIR server failed; the same delivery may work later.
    Fhir(FhirError),
    /// The ledger failed, or another worker has taken over.
    Store(StoreError),
    /// Another package of the same person is in progress.
    PersonBusy,
    /// The stored plan no longer fits what is stored; the next delivery makes a new one.
    PlanOutdated,
    /// Something of ours is broken.
    Internal(String),
}

impl Refusal {
    /// Refuses the content with a code of the catalogue and one issue.
    pub fn content(code: ProblemCode, issue: Issue) -> Self {
        Self::Content(Problem::new(code).issues(vec![issue]))
    }
}

impl From<FhirError> for Refusal {
    fn from(error: FhirError) -> Self {
        Self::Fhir(error)
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<KeyError> for Refusal {
    fn from(error: KeyError) -> Self {
        Self::Internal(error.to_string())
    }
}
