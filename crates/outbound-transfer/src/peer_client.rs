//! The client of a province's inbound service: what is asked, and what each answer means.

use std::sync::Arc;
use std::time::Duration;

use contracts::receipt::ReceiptDocument;
use contracts::{ContentDigest, Issue, Problem, ProblemCode};
use domain::TransferId;
use http::StatusCode;
use mtls::{Credentials, Fault, SpiffeId};
use peers::JurisdictionEntry;

use crate::peer_transport::{Address, HttpTransport, PeerRequest, PeerTransport, TransportError};
use crate::step::{Failure, FaultClass, StepError};

/// How much of a peer's issues is kept.
const MAX_ISSUES: usize = 20;
const MAX_ISSUE_CHARS: usize = 200;

/// The way to all peers. Cheap to clone.
#[derive(Clone)]
pub struct PeerClients {
    credentials: Credentials,
    transport: Arc<dyn PeerTransport>,
}

/// What the destination answered.
#[derive(Debug)]
pub enum PeerAnswer {
    /// It has committed; here is its signed receipt, not yet verified.
    Receipt(String),
    /// It has not heard of this transfer.
    Unknown,
    /// It knows this transfer with other bytes.
    OtherBytes,
}

/// The inbound service of one peer.
pub struct Peer {
    transport: Arc<dyn PeerTransport>,
    address: Address,
}

impl PeerClients {
    /// Reaches peers by mutual TLS on this service's own credentials.
    pub fn new(credentials: Credentials, request_timeout: Duration) -> Self {
        let transport = Arc::new(HttpTransport::new(credentials.clone(), request_timeout));
        Self::over(credentials, transport)
    }

    /// Reaches peers another way: where the network itself is part of a test.
    pub fn over(credentials: Credentials, transport: Arc<dyn PeerTransport>) -> Self {
        Self { credentials, transport }
    }

    /// Returns the credentials, for verifying receipts.
    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// Returns the inbound service of a peer, as the directory describes it now.
    pub fn inbound(&self, entry: &JurisdictionEntry) -> Result<Peer, StepError> {
        let incomplete = || {
            StepError::failed(
                FaultClass::PeerOrTrust,
                ProblemCode::PeerUnreachable,
                format!("the directory names no inbound-transfer gateway or identity for {}", entry.code),
            )
        };
        let base = entry.gateway.inbound_transfer.as_deref().ok_or_else(incomplete)?;
        let name = entry.identities.inbound_transfer.as_deref().ok_or_else(incomplete)?;
        let identity = SpiffeId::parse(name).map_err(|_| incomplete())?;
        let address = Address { base: base.trim_end_matches('/').to_owned(), identity };
        Ok(Peer { transport: self.transport.clone(), address })
    }
}

impl Peer {
    /// Returns the identity that its receipts are signed with.
    pub fn identity(&self) -> &SpiffeId {
        &self.address.identity
    }

    /// Hands the sealed package over.
    pub async fn put(
        &self,
        id: TransferId,
        digest: ContentDigest,
        package: Vec<u8>,
    ) -> Result<PeerAnswer, StepError> {
        self.ask(PeerRequest::Put { id, digest, package }).await
    }

    /// Asks for the receipt of an earlier delivery.
    pub async fn receipt(&self, id: TransferId) -> Result<PeerAnswer, StepError> {
        self.ask(PeerRequest::Receipt { id }).await
    }

    async fn ask(&self, request: PeerRequest) -> Result<PeerAnswer, StepError> {
        let response = self.transport.call(&self.address, request).await.map_err(|error| sorted(&error))?;
        let (status, retry_after, body) = (response.status, response.retry_after, response.body);
        match status {
            StatusCode::OK | StatusCode::CREATED => {
                let document: ReceiptDocument = serde_json::from_slice(&body)
                    .map_err(|_| peer_fault(format!("it answered {status} without a receipt")))?;
                Ok(PeerAnswer::Receipt(document.receipt))
            }
            StatusCode::ACCEPTED => Err(in_progress(retry_after)),
            StatusCode::NOT_FOUND => Ok(PeerAnswer::Unknown),
            StatusCode::CONFLICT => Ok(PeerAnswer::OtherBytes),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(not_let_in(status, &body)),
            _ => Err(later(refusal(status, &body), retry_after)),
        }
    }
}

/// The destination does not let this service in; a code of the catalogue says more than the status.
fn not_let_in(status: StatusCode, body: &[u8]) -> StepError {
    let problem: Option<Problem> = serde_json::from_slice(body).ok();
    match problem.as_ref().and_then(Problem::known_code) {
        Some(ProblemCode::PeerSuspended) => StepError::failed(
            FaultClass::PeerOrTrust,
            ProblemCode::PeerSuspended,
            "the destination's directory has this province suspended",
        ),
        _ => StepError::failed(
            FaultClass::PeerOrTrust,
            ProblemCode::PeerUntrusted,
            format!("the destination answered {status}: it does not let this service in"),
        ),
    }
}

/// Sorts an answer that is neither receipt nor trust: does the sender repeat it?
fn refusal(status: StatusCode, body: &[u8]) -> StepError {
    let problem: Option<Problem> = serde_json::from_slice(body).ok();
    let known = problem.as_ref().and_then(Problem::known_code);
    let is_content = match known {
        Some(code) => code.status() == status && !code.is_retried() && status.is_client_error(),
        None => matches!(status.as_u16(), 400 | 413 | 415 | 422),
    };
    match (is_content, problem) {
        (true, Some(problem)) => StepError::problem(FaultClass::Content, repeated(&problem)),
        (true, None) => StepError::failed(
            FaultClass::Content,
            ProblemCode::PackageInvalid,
            format!("the destination refused the package with status {status}"),
        ),
        (false, Some(problem)) if known.is_some() => {
            StepError::problem(FaultClass::Transient, repeated(&problem))
        }
        (false, _) => peer_fault(format!("it answered with status {status}")),
    }
}

/// Repeats a peer's problem in our own words: its code and its issues, cut short; free text stays outside.
fn repeated(problem: &Problem) -> Problem {
    let plain =
        |text: &str| text.chars().filter(|c| !c.is_control()).take(MAX_ISSUE_CHARS).collect::<String>();
    let issues = problem.issues.iter().take(MAX_ISSUES).map(|issue| Issue {
        severity: issue.severity,
        code: issue.code,
        expression: plain(&issue.expression),
        text: plain(&issue.text),
    });
    let code = problem.known_code().unwrap_or(ProblemCode::PackageInvalid);
    Problem::new(code).issues(issues.collect())
}

fn in_progress(retry_after: Option<Duration>) -> StepError {
    let problem = Problem::new(ProblemCode::Busy).detail("the destination is still working on it");
    StepError::Failed(Box::new(Failure {
        class: FaultClass::Transient,
        problem,
        retry_after,
        is_progress: true,
        live_patient_id: None,
    }))
}

fn later(error: StepError, retry_after: Option<Duration>) -> StepError {
    match error {
        StepError::Failed(failure) => StepError::Failed(Box::new(Failure { retry_after, ..*failure })),
        store @ StepError::Store(_) => store,
    }
}

fn peer_fault(what: String) -> StepError {
    StepError::failed(FaultClass::Transient, ProblemCode::PeerFault, what)
}

/// Sorts a call without an answer. In TLS 1.3 a refused client may only see the connection end, so that a lost
/// connection can also mean lost trust.
fn sorted(error: &TransportError) -> StepError {
    let (class, code, what) = match error {
        TransportError::Fault(Fault::Tls) => (
            FaultClass::PeerOrTrust,
            ProblemCode::PeerUntrusted,
            "the gateways do not accept each other's certificates",
        ),
        TransportError::Fault(Fault::Timeout) => {
            (FaultClass::Transient, ProblemCode::PeerUnreachable, "the destination did not answer in time")
        }
        TransportError::Fault(Fault::Connect) => {
            (FaultClass::Transient, ProblemCode::PeerUnreachable, "no connection, or it was lost")
        }
        TransportError::Fault(Fault::Body) => {
            (FaultClass::Transient, ProblemCode::PeerFault, "the answer broke off")
        }
        TransportError::Fault(Fault::Other) => {
            (FaultClass::Transient, ProblemCode::PeerFault, "the call failed")
        }
        TransportError::TooLong => {
            (FaultClass::Transient, ProblemCode::PeerFault, "the answer is longer than any receipt")
        }
        TransportError::Unusable(what) => {
            return StepError::failed(FaultClass::Ours, ProblemCode::Internal, what);
        }
    };
    StepError::failed(class, code, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(status: u16, body: &str) -> FaultClass {
        match refusal(StatusCode::from_u16(status).unwrap(), body.as_bytes()) {
            StepError::Failed(failure) => failure.class,
            StepError::Store(_) => unreachable!("a refusal is no store error"),
        }
    }

    #[test]
    fn only_a_refusal_of_the_content_ends_a_transfer() {
        let problem = |code| serde_json::to_string(&Problem::new(code)).unwrap();
        assert_eq!(class(422, &problem(ProblemCode::PackageInvalid)), FaultClass::Content);
        assert_eq!(class(422, "garbage"), FaultClass::Content);
        assert_eq!(class(413, ""), FaultClass::Content);
        assert_eq!(class(400, &problem(ProblemCode::DigestMismatch)), FaultClass::Transient);
        assert_eq!(class(503, &problem(ProblemCode::Busy)), FaultClass::Transient);
        assert_eq!(class(500, "<html>"), FaultClass::Transient);
        assert_eq!(class(302, ""), FaultClass::Transient);
        // A code that does not fit its status proves nothing.
        assert_eq!(class(503, &problem(ProblemCode::PackageInvalid)), FaultClass::Transient);
    }
}
