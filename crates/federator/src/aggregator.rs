//! The client of provinces' aggregators: what is asked, and what each answer means.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use contracts::{Problem, ProblemCode};
use mtls::{ClientOptions, Credentials, Fault, SpiffeId};
use peers::JurisdictionEntry;
use reqwest::header::{ACCEPT, IF_NONE_MATCH};
use reqwest::{Client, Response, StatusCode};

/// The way to all aggregators.
pub struct Aggregators {
    credentials: Credentials,
    connect_timeout: Duration,
    patience: Duration,
    max_bytes: usize,
    /// A client, with its open connections, for each identity.
    clients: Mutex<HashMap<String, Client>>,
}

/// What an aggregator answered.
#[derive(Debug)]
pub enum Answer {
    /// The release of that `ETag` is its current one.
    Unchanged,
    /// Its current release, not yet checked.
    Release(Bytes),
}

impl Aggregators {
    /// Reaches them by mutual TLS on this service's own credentials; no answer is waited for longer than `patience`.
    pub fn new(
        credentials: Credentials,
        connect_timeout: Duration,
        patience: Duration,
        max_bytes: usize,
    ) -> Self {
        Self { credentials, connect_timeout, patience, max_bytes, clients: Mutex::default() }
    }

    /// Asks a province for its current release, unless it is still the one of this `ETag`.
    pub async fn ask(&self, entry: &JurisdictionEntry, etag: Option<&str>) -> Result<Answer, Problem> {
        let incomplete = || {
            Problem::new(ProblemCode::PeerUnreachable)
                .detail("the directory names no aggregator and identity for it")
        };
        let base = entry.gateway.aggregator.as_deref().ok_or_else(incomplete)?;
        let identity = entry.identities.aggregator.as_deref().ok_or_else(incomplete)?;
        let client = self.client(identity)?;
        let mut request = client
            .get(format!("{}/aggregated-data", base.trim_end_matches('/')))
            .header(ACCEPT, "application/json");
        if let Some(etag) = etag {
            request = request.header(IF_NONE_MATCH, etag);
        }
        let response = request.send().await.map_err(|error| sorted(&error))?;
        match response.status() {
            StatusCode::NOT_MODIFIED if etag.is_some() => Ok(Answer::Unchanged),
            StatusCode::OK => self.body(response).await.map(Answer::Release),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(Problem::new(ProblemCode::PeerUntrusted)
                .detail("its aggregator does not let this service in")),
            StatusCode::NOT_FOUND | StatusCode::SERVICE_UNAVAILABLE => {
                Err(Problem::new(ProblemCode::PeerUnreachable)
                    .detail("its aggregator has no release to give at present"))
            }
            status => Err(Problem::new(ProblemCode::PeerFault)
                .detail(format!("its aggregator answered with status {}", status.as_u16()))),
        }
    }

    /// Reads a body to its end, unpacked; not one byte more than allowed.
    async fn body(&self, mut response: Response) -> Result<Bytes, Problem> {
        let mut body = BytesMut::new();
        while let Some(part) = response.chunk().await.map_err(|error| sorted(&error))? {
            if body.len() + part.len() > self.max_bytes {
                return Err(Problem::new(ProblemCode::ReleaseInvalid)
                    .detail(format!("its release is larger than {} bytes", self.max_bytes)));
            }
            body.extend_from_slice(&part);
        }
        Ok(body.freeze())
    }

    fn client(&self, identity: &str) -> Result<Client, Problem> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(identity) {
            return Ok(client.clone());
        }
        let untrusted = || Problem::new(ProblemCode::PeerUntrusted).detail("its identity cannot be used");
        let expected = SpiffeId::parse(identity).map_err(|_| untrusted())?;
        let options = ClientOptions { connect_timeout: self.connect_timeout, request_timeout: self.patience };
        let client = mtls::client(&self.credentials, &expected, options).map_err(|_| untrusted())?;
        clients.insert(identity.to_owned(), client.clone());
        Ok(client)
    }
}

/// Sorts a call without an answer. The error's own text stays inside: it names addresses.
fn sorted(error: &reqwest::Error) -> Problem {
    let (code, what) = match mtls::fault(error) {
        Fault::Timeout => (ProblemCode::SourceTimeout, "its aggregator did not answer in time"),
        Fault::Tls => (
            ProblemCode::PeerUntrusted,
            "its aggregator and this service do not accept each other's certificates",
        ),
        Fault::Connect => (ProblemCode::PeerUnreachable, "its aggregator could not be reached"),
        Fault::Body => (ProblemCode::PeerFault, "its aggregator's answer broke off or could not be read"),
        Fault::Other => (ProblemCode::PeerFault, "its aggregator could not be asked"),
    };
    Problem::new(code).detail(what)
}
