//! How a request gets to a peer's gateway and its answer back, whatever the two mean.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use contracts::ContentDigest;
use contracts::headers::{CONTENT_DIGEST, FHIR_JSON};
use domain::TransferId;
use http::StatusCode;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use mtls::{ClientOptions, Credentials, Fault, SpiffeId};
use reqwest::{Client, Response};
use service_kit::spans::{Span, SpanKind};
use service_kit::trace::{self, TRACEPARENT, TraceContext};

/// The longest answer that is read, in bytes.
const MAX_ANSWER: usize = 1 << 20;

/// Where a peer's service is, and who must answer there.
#[derive(Debug, Clone)]
pub struct Address {
    /// The base URL, without a slash at its end.
    pub base: String,
    /// The exact identity that is expected.
    pub identity: SpiffeId,
}

/// What is asked of a peer.
#[derive(Debug, Clone)]
pub enum PeerRequest {
    /// Take this package.
    Put {
        /// The transfer.
        id: TransferId,
        /// The digest of the bytes.
        digest: ContentDigest,
        /// The bytes.
        package: Vec<u8>,
    },
    /// What became of this transfer?
    Receipt {
        /// The transfer.
        id: TransferId,
    },
}

/// An answer, whatever it says.
#[derive(Debug, Clone)]
pub struct PeerResponse {
    /// The HTTP status.
    pub status: StatusCode,
    /// When the peer wants to be asked again.
    pub retry_after: Option<Duration>,
    /// The body.
    pub body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug, Clone)]
pub enum TransportError {
    /// The call failed on its way there or back.
    Fault(Fault),
    /// The answer is longer than any that the contract knows.
    TooLong,
    /// No client can be made.
    Unusable(String),
}

/// A call on its way.
pub type Calling<'a> = Pin<Box<dyn Future<Output = Result<PeerResponse, TransportError>> + Send + 'a>>;

/// Carries requests to peers.
pub trait PeerTransport: Send + Sync + 'static {
    /// Asks, and returns the answer as it came.
    fn call<'a>(&'a self, address: &'a Address, request: PeerRequest) -> Calling<'a>;
}

/// Mutual TLS; one client for each identity that is expected at the other end.
pub(crate) struct HttpTransport {
    credentials: Credentials,
    options: ClientOptions,
    by_identity: Mutex<HashMap<String, Client>>,
}

impl HttpTransport {
    pub(crate) fn new(credentials: Credentials, request_timeout: Duration) -> Self {
        let options = ClientOptions { request_timeout, ..ClientOptions::default() };
        Self { credentials, options, by_identity: Mutex::default() }
    }

    fn client(&self, identity: &SpiffeId) -> Result<Client, TransportError> {
        let mut clients = self.by_identity.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(identity.as_str()) {
            return Ok(client.clone());
        }
        let client = mtls::client(&self.credentials, identity, self.options)
            .map_err(|error| TransportError::Unusable(error.to_string()))?;
        clients.insert(identity.as_str().to_owned(), client.clone());
        Ok(client)
    }
}

impl PeerTransport for HttpTransport {
    fn call<'a>(&'a self, address: &'a Address, request: PeerRequest) -> Calling<'a> {
        Box::pin(async move {
            let client = self.client(&address.identity)?;
            let url = |id| format!("{}/inbound-transfer/{id}", address.base);
            let (request, name) = match request {
                PeerRequest::Put { id, digest, package } => {
                    let put = client
                        .put(url(id))
                        .header(CONTENT_TYPE, FHIR_JSON)
                        .header(CONTENT_DIGEST, digest.to_header())
                        .body(package);
                    (put, "PUT /inbound-transfer/{id}")
                }
                PeerRequest::Receipt { id } => (client.get(url(id)), "GET /inbound-transfer/{id}"),
            };
            let trace = trace::current().map_or_else(TraceContext::begin, |caller| caller.child());
            let mut span = Span::begin(&trace, SpanKind::Client, name);
            let sent = request.header(TRACEPARENT, trace.to_string()).send().await;
            let response = sent.map_err(|error| {
                span.fails("peer-unreachable");
                fault(&error)
            })?;
            let (status, retry_after) = (response.status(), retry_after(&response));
            span.note("http.response.status_code", i64::from(status.as_u16()));
            Ok(PeerResponse { status, retry_after, body: read(response).await? })
        })
    }
}

fn fault(error: &reqwest::Error) -> TransportError {
    TransportError::Fault(mtls::fault(error))
}

fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

async fn read(mut response: Response) -> Result<Vec<u8>, TransportError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| fault(&error))? {
        if body.len() + chunk.len() > MAX_ANSWER {
            return Err(TransportError::TooLong);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
