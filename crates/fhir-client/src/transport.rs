//! How a request gets to a FHIR server and its answer back, whatever the two mean.

use std::fmt;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::TryStreamExt;
use futures::future::BoxFuture;
use reqwest::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};
use reqwest::{Method, StatusCode, Url};

use crate::error::FhirError;

pub(crate) const FHIR_JSON: &str = "application/fhir+json";
pub(crate) const FORM: &str = "application/x-www-form-urlencoded";

/// What is asked of a FHIR server.
#[derive(Debug, Clone)]
pub struct FhirRequest {
    /// The method.
    pub method: Method,
    /// The path below the base, with the query, without a slash before it: `Patient/_search`, `metadata`,
    /// `?_getpages=…` for a page, empty for a Bundle.
    pub path: String,
    /// What the body is.
    pub content_type: Option<&'static str>,
    /// How fresh the answer must be.
    pub cache_control: Option<String>,
    /// The body, empty for none.
    pub body: Bytes,
}

impl FhirRequest {
    pub(crate) fn get(path: impl Into<String>) -> Self {
        let path = path.into();
        Self { method: Method::GET, path, content_type: None, cache_control: None, body: Bytes::new() }
    }

    pub(crate) fn post(path: impl Into<String>, content_type: &'static str, body: Bytes) -> Self {
        let content_type = Some(content_type);
        Self { method: Method::POST, path: path.into(), content_type, cache_control: None, body }
    }
}

/// An answer, whatever it says.
#[derive(Debug, Clone)]
pub struct FhirResponse {
    /// The HTTP status.
    pub status: StatusCode,
    /// The body.
    pub body: Bytes,
}

/// A call on its way.
pub type Calling<'a> = BoxFuture<'a, Result<FhirResponse, FhirError>>;

/// Carries requests to a FHIR server.
pub trait FhirTransport: fmt::Debug + Send + Sync + 'static {
    /// Asks, and returns the answer as it came.
    fn call(&self, request: FhirRequest) -> Calling<'_>;
}

/// HTTP, to a configured base and nowhere else.
#[derive(Debug)]
pub(crate) struct HttpTransport {
    base: Url,
    http: reqwest::Client,
    max_answer_bytes: usize,
}

impl HttpTransport {
    pub(crate) fn new(base: &str, timeout: Duration, max_answer_bytes: usize) -> Result<Self, FhirError> {
        let base = Url::parse(base.trim_end_matches('/'))
            .map_err(|_| FhirError::Unreadable { what: "the base is no URL" })?;
        let http = reqwest::Client::builder()
            .timeout(timeout)
            .connect_timeout(Duration::from_secs(3))
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(FhirError::connection)?;
        Ok(Self { base, http, max_answer_bytes })
    }

    fn url(&self, path: &str) -> Result<Url, FhirError> {
        let mut url = self.base.clone();
        let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
        if !path.is_empty() {
            let mut segments = url.path_segments_mut().map_err(|()| unusable())?;
            segments.pop_if_empty().extend(path.split('/'));
        }
        url.set_query(query);
        Ok(url)
    }

    async fn exchange(&self, asked: FhirRequest) -> Result<FhirResponse, FhirError> {
        let mut request = self.http.request(asked.method, self.url(&asked.path)?).header(ACCEPT, FHIR_JSON);
        if let Some(content_type) = asked.content_type {
            request = request.header(CONTENT_TYPE, content_type).body(asked.body);
        }
        if let Some(freshness) = asked.cache_control {
            request = request.header(CACHE_CONTROL, freshness);
        }
        let answer = request.send().await.map_err(FhirError::connection)?;
        let status = answer.status();
        let mut body = BytesMut::new();
        let mut stream = answer.bytes_stream();
        while let Some(chunk) = stream.try_next().await.map_err(FhirError::connection)? {
            if body.len() + chunk.len() > self.max_answer_bytes {
                return Err(FhirError::Unreadable { what: "an answer larger than allowed" });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(FhirResponse { status, body: body.freeze() })
    }
}

fn unusable() -> FhirError {
    FhirError::Unreadable { what: "the base cannot be extended" }
}

impl FhirTransport for HttpTransport {
    fn call(&self, request: FhirRequest) -> Calling<'_> {
        Box::pin(self.exchange(request))
    }
}

/// Gives any transport the client's time limit; HTTP keeps its own.
#[derive(Debug)]
pub(crate) struct Limited<T> {
    pub(crate) transport: T,
    pub(crate) timeout: Duration,
}

impl<T: FhirTransport> FhirTransport for Limited<T> {
    fn call(&self, request: FhirRequest) -> Calling<'_> {
        Box::pin(async move {
            let answer = tokio::time::timeout(self.timeout, self.transport.call(request)).await;
            answer.unwrap_or(Err(FhirError::Unavailable { source: None }))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_request_stays_on_the_base() {
        let at = |base: &str| HttpTransport::new(base, Duration::from_secs(1), 1).unwrap();
        for base in ["http://127.0.0.1:8080/fhir", "http://127.0.0.1:8080/fhir/"] {
            let url = |path: &str| at(base).url(path).unwrap().to_string();
            assert_eq!(url(""), "http://127.0.0.1:8080/fhir");
            assert_eq!(url("Patient/_search"), "http://127.0.0.1:8080/fhir/Patient/_search");
            assert_eq!(url("?_getpages=1"), "http://127.0.0.1:8080/fhir?_getpages=1");
            assert_eq!(url("metadata?_summary=true"), "http://127.0.0.1:8080/fhir/metadata?_summary=true");
        }
    }
}
