//! Problems as HTTP answers.

use std::time::Duration;

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use contracts::problem::PROBLEM_JSON;
use contracts::{Issue, Problem, ProblemCode};

/// The code of the problem that an answer holds; for the audit trail.
#[derive(Debug, Clone)]
pub(crate) struct AnsweredCode(pub(crate) String);

/// A problem on its way out.
#[derive(Debug, Clone)]
pub struct ProblemResponse {
    problem: Box<Problem>,
    retry_after: Option<Duration>,
}

impl ProblemResponse {
    /// Answers `code` without detail.
    pub fn new(code: ProblemCode) -> Self {
        Self { problem: Box::new(Problem::new(code)), retry_after: None }
    }

    /// Adds what happened and what to do.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        *self.problem = self.problem.detail(detail);
        self
    }

    /// Adds what is wrong with FHIR content.
    #[must_use]
    pub fn issues(mut self, issues: Vec<Issue>) -> Self {
        *self.problem = self.problem.issues(issues);
        self
    }

    /// Says when to try again, in whole seconds.
    #[must_use]
    pub fn retry_after(mut self, delay: Duration) -> Self {
        self.retry_after = Some(delay);
        self
    }

    /// Returns the document.
    pub fn problem(&self) -> &Problem {
        &self.problem
    }
}

impl From<Problem> for ProblemResponse {
    fn from(problem: Problem) -> Self {
        Self { problem: Box::new(problem), retry_after: None }
    }
}

impl IntoResponse for ProblemResponse {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self.problem).unwrap_or_default();
        let code = AnsweredCode(self.problem.code.clone());
        let mut response = (status, [(CONTENT_TYPE, PROBLEM_JSON)], body).into_response();
        response.extensions_mut().insert(code);
        if let Some(delay) = self.retry_after {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(delay.as_secs().max(1)));
        }
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// Answers `code` without detail: for fallbacks.
pub async fn answer_problem(code: ProblemCode) -> ProblemResponse {
    ProblemResponse::new(code)
}
