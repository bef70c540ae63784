//! What is answered when there is nothing to show: refusals with the server's own codes, and broken answers.

use bytes::Bytes;
use fhir::Issue;
use fhir::gate::{self, Limits};
use reqwest::StatusCode;
use serde_json::json;

use crate::error::FhirError;
use crate::transport::FhirResponse;

/// A refusal, with the code by which clients tell its reason.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) status: StatusCode,
    pub(super) diagnostics: String,
}

impl Refused {
    pub(super) fn new(status: StatusCode, diagnostics: impl Into<String>) -> Self {
        Self { status, diagnostics: diagnostics.into() }
    }

    pub(super) fn bad_request(diagnostics: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, diagnostics)
    }

    pub(super) fn unknown(what: &str) -> Self {
        Self::bad_request(format!("HAPI-0302: {what}"))
    }

    /// Somebody else was faster; the server wraps every conflict in 0550.
    pub(super) fn conflict(diagnostics: &str) -> Self {
        Self::new(StatusCode::CONFLICT, format!("HAPI-0550: {diagnostics}"))
    }

    pub(super) fn body(&self) -> Bytes {
        let issue = json!({"severity": "error", "code": "processing", "diagnostics": self.diagnostics});
        Bytes::from(json!({"resourceType": "OperationOutcome", "issue": [issue]}).to_string())
    }

    pub(super) fn response(&self) -> FhirResponse {
        FhirResponse { status: self.status, body: self.body() }
    }

    pub(super) fn error(&self) -> FhirError {
        FhirError::from_answer(self.status, &self.body())
    }
}

pub(super) fn ok(body: impl Into<Bytes>) -> FhirResponse {
    FhirResponse { status: StatusCode::OK, body: body.into() }
}

pub(super) fn capabilities() -> FhirResponse {
    let statement = json!({"resourceType": "CapabilityStatement", "status": "active", "kind": "instance",
        "fhirVersion": "4.0.1", "format": ["json"]});
    ok(statement.to_string())
}

/// What `$validate` answers: the judgement of our own gate.
pub(super) fn validated(body: &[u8]) -> FhirResponse {
    let issues = match gate::parse(body, &Limits::default()) {
        Ok(resource) => gate::check_resource(&resource),
        Err(refusal) => refusal.issues,
    };
    let issue =
        |issue: &Issue| json!({"severity": issue.severity, "code": issue.code, "diagnostics": issue.text});
    let listed = match issues.as_slice() {
        [] => vec![json!({"severity": "information", "code": "informational"})],
        some => some.iter().map(issue).collect(),
    };
    ok(json!({"resourceType": "OperationOutcome", "issue": listed}).to_string())
}

/// An answer of this status that says nothing; a 409 is one of two writers that have met.
pub(super) fn faulty(status: StatusCode) -> FhirResponse {
    let refused = if status == StatusCode::CONFLICT {
        Refused::conflict("HAPI-0823: scripted collision")
    } else {
        Refused::new(status, "scripted fault")
    };
    refused.response()
}

/// What a gateway says that knows no FHIR.
pub(super) fn garbage() -> FhirResponse {
    ok("<html><body>It works!</body></html>")
}
