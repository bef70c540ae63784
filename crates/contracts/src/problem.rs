//! Errors as `application/problem+json` (RFC 9457), and the one catalogue of their codes.

use fhir::Issue;
use http::StatusCode;
use serde::{Deserialize, Serialize};

/// The media type of a problem.
pub const PROBLEM_JSON: &str = "application/problem+json";
const TYPE_BASE: &str = "https://iidi.phac-aspc.gc.ca/problems/";

/// Who has to act on a problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    /// Whoever sent the request.
    Sender,
    /// Operators of the service that answered.
    Operator,
    /// Nobody: it passes by itself.
    Nobody,
}

macro_rules! catalogue {
    ($($variant:ident, $code:literal, $status:ident, $actor:ident, $retry:literal, $meaning:literal;)+) => {
        /// The stable codes of all problems.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ProblemCode { $(#[doc = $meaning] $variant,)+ }

        impl ProblemCode {
            /// Every code of the catalogue.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Returns the stable word.
            pub fn as_str(self) -> &'static str { match self { $(Self::$variant => $code,)+ } }

            /// Returns the HTTP status it is answered with.
            pub fn status(self) -> StatusCode { match self { $(Self::$variant => StatusCode::$status,)+ } }

            /// Returns who has to act.
            pub fn actor(self) -> Actor { match self { $(Self::$variant => Actor::$actor,)+ } }

            /// Tells whether the sender repeats the same request later.
            pub fn is_retried(self) -> bool { match self { $(Self::$variant => $retry,)+ } }

            /// Returns the meaning in one sentence.
            pub fn meaning(self) -> &'static str { match self { $(Self::$variant => $meaning,)+ } }
        }
    };
}

catalogue! {
    // requests
    InvalidRequest, "invalid-request", BAD_REQUEST, Sender, false, "The request's syntax, a header or a parameter is wrong.";
    InvalidJson, "invalid-json", BAD_REQUEST, Sender, false, "The body is not well-formed JSON, or uses what FHIR forbids in JSON.";
    TooDeep, "too-deep", BAD_REQUEST, Sender, false, "The body is nested deeper than allowed.";
    DigestMismatch, "digest-mismatch", BAD_REQUEST, Sender, true, "The body's bytes do not have the digest that the header names.";
    TooLarge, "too-large", PAYLOAD_TOO_LARGE, Sender, false, "The body is larger than allowed.";
    UnsupportedMediaType, "unsupported-media-type", UNSUPPORTED_MEDIA_TYPE, Sender, false, "The body's media type is not accepted here.";
    NotFound, "not-found", NOT_FOUND, Sender, false, "There is no such thing here, or it is not yours.";
    MethodNotAllowed, "method-not-allowed", METHOD_NOT_ALLOWED, Sender, false, "The method is not offered on this path.";
    // callers
    Unauthenticated, "unauthenticated", UNAUTHORIZED, Sender, true, "There is no valid bearer token.";
    InsufficientScope, "insufficient-scope", FORBIDDEN, Sender, false, "The token lacks the scope that this call needs.";
    UnknownPeer, "unknown-peer", FORBIDDEN, Operator, true, "The client certificate belongs to no service that may call here.";
    PeerSuspended, "peer-suspended", FORBIDDEN, Operator, true, "The calling jurisdiction is suspended.";
    // transfers at the origin
    TransferUnfinished, "transfer-unfinished", CONFLICT, Sender, false, "An unfinished transfer of this patient exists.";
    IdempotencyConflict, "idempotency-conflict", CONFLICT, Sender, false, "The key was used before with another body.";
    UnknownDestination, "unknown-destination", UNPROCESSABLE_ENTITY, Sender, false, "The destination is not an active province or territory of the directory.";
    PatientNotFound, "patient-not-found", UNPROCESSABLE_ENTITY, Sender, false, "The FHIR server has no such patient.";
    PatientMerged, "patient-merged", UNPROCESSABLE_ENTITY, Sender, false, "The record was merged into another one; transfer that one.";
    SourceClosed, "source-closed", UNPROCESSABLE_ENTITY, Sender, false, "The record was closed by an earlier transfer and can only be sent where it points.";
    RecordIncomplete, "record-incomplete", SERVICE_UNAVAILABLE, Nobody, true, "What was read of the record does not agree with the server's counts.";
    ReceiptInvalid, "receipt-invalid", BAD_GATEWAY, Operator, true, "The destination's receipt could not be verified.";
    PeerUnreachable, "peer-unreachable", BAD_GATEWAY, Nobody, true, "The destination could not be reached.";
    PeerUntrusted, "peer-untrusted", BAD_GATEWAY, Operator, true, "The two gateways do not accept each other's certificates.";
    PeerFault, "peer-fault", BAD_GATEWAY, Operator, true, "The destination answered something that the contract does not allow.";
    TransferNotCancellable, "transfer-not-cancellable", CONFLICT, Sender, false, "Only a transfer whose package has not left yet can be cancelled.";
    TransferNotRetryable, "transfer-not-retryable", CONFLICT, Sender, false, "The transfer has ended in a way that no retry can change.";
    PackageNotPurgeable, "package-not-purgeable", CONFLICT, Sender, false, "The package of a transfer that has not ended is kept.";
    HorizonSpent, "horizon-spent", GATEWAY_TIMEOUT, Operator, false, "The transfer was tried for the whole retry horizon.";
    // packages at the destination
    DigestConflict, "digest-conflict", CONFLICT, Sender, false, "This transfer id was used before with other bytes.";
    PackageInvalid, "package-invalid", UNPROCESSABLE_ENTITY, Sender, false, "The package breaks FHIR R4 or a rule of the exchange.";
    MultipleMatches, "multiple-matches", UNPROCESSABLE_ENTITY, Operator, false, "More than one person, or a number with another birth date, was found.";
    ProbableMatch, "probable-match", UNPROCESSABLE_ENTITY, Operator, false, "A person of the same name and birth date exists without a shared number.";
    OriginNotProven, "origin-not-proven", UNPROCESSABLE_ENTITY, Sender, false, "A record is said to be ours, but no such original of this person exists.";
    DeletedHere, "deleted-here", UNPROCESSABLE_ENTITY, Operator, false, "A record of the package was received before and has been deleted here.";
    IdentifierConflict, "identifier-conflict", UNPROCESSABLE_ENTITY, Operator, false, "A business identifier is already used here for another event.";
    // the national table
    ReleaseInvalid, "release-invalid", BAD_GATEWAY, Operator, true, "A province's release breaks the contract and is not taken over.";
    ReleaseOutdated, "release-outdated", BAD_GATEWAY, Operator, true, "A province's release is older than it should be.";
    NewSeriesNeeded, "new-series-needed", CONFLICT, Operator, false, "The counting rules have changed: the next release begins a new series, on an operator's word.";
    SourceTimeout, "source-timeout", GATEWAY_TIMEOUT, Nobody, true, "A province did not answer in time.";
    SourceSuspended, "source-suspended", SERVICE_UNAVAILABLE, Operator, true, "A province is suspended; its data is left out.";
    SourcesMissing, "sources-missing", SERVICE_UNAVAILABLE, Nobody, true, "Not every province's current data is here, and only a complete table was asked for.";
    NoSource, "no-source", SERVICE_UNAVAILABLE, Nobody, true, "No province's data is here.";
    // the service itself
    RateLimited, "rate-limited", TOO_MANY_REQUESTS, Nobody, true, "More came in a minute than the caller may send; try again after the time named.";
    Busy, "busy", SERVICE_UNAVAILABLE, Nobody, true, "Too much is in progress; try again after the time named.";
    FhirServerUnavailable, "fhir-server-unavailable", SERVICE_UNAVAILABLE, Nobody, true, "The FHIR server does not answer or refuses to work.";
    FhirServerRefused, "fhir-server-refused", INTERNAL_SERVER_ERROR, Operator, true, "The FHIR server refused what was written to it.";
    StoreUnavailable, "store-unavailable", SERVICE_UNAVAILABLE, Nobody, true, "The service's database does not answer.";
    AuthorizationServerUnavailable, "authorization-server-unavailable", SERVICE_UNAVAILABLE, Nobody, true, "The keys that tokens are checked with cannot be had.";
    Internal, "internal", INTERNAL_SERVER_ERROR, Operator, true, "A fault of this service; its log has the request id.";
}

impl ProblemCode {
    /// Reads the stable word back.
    pub fn parse(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|known| known.as_str() == code)
    }

    /// Returns the problem's `type`.
    pub fn type_uri(self) -> String {
        format!("{TYPE_BASE}{}", self.as_str())
    }
}

/// A problem document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Problem {
    /// `https://iidi.phac-aspc.gc.ca/problems/{code}`.
    pub r#type: String,
    /// The code's meaning.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// The stable code.
    pub code: String,
    /// What happened this time and what to do; never personal data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// What is wrong with FHIR content, if that was at fault.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Object>)]
    pub issues: Vec<Issue>,
}

impl Problem {
    /// Makes a problem of the catalogue without detail.
    pub fn new(code: ProblemCode) -> Self {
        Self {
            r#type: code.type_uri(),
            title: code.meaning().to_owned(),
            status: code.status().as_u16(),
            code: code.as_str().to_owned(),
            detail: None,
            issues: Vec::new(),
        }
    }

    /// Adds what happened and what to do.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Adds what is wrong with the content.
    #[must_use]
    pub fn issues(mut self, issues: Vec<Issue>) -> Self {
        self.issues = issues;
        self
    }

    /// Returns the catalogue's code, `None` for one that this version does not know.
    pub fn known_code(&self) -> Option<ProblemCode> {
        ProblemCode::parse(&self.code)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_problem_is_read_back_from_its_document() {
        for &code in ProblemCode::ALL {
            let json = serde_json::to_vec(&Problem::new(code).detail("why")).unwrap();
            let read: Problem = serde_json::from_slice(&json).unwrap();
            assert_eq!(read.known_code(), Some(code));
            assert_eq!(read.r#type, code.type_uri());
        }
    }

    #[test]
    fn codes_are_unique() {
        let words: BTreeSet<_> = ProblemCode::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(words.len(), ProblemCode::ALL.len());
    }
}
