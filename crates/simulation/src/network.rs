//! The network between the provinces: it loses calls and answers, delivers twice, and some peers lie.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use auth::sign_receipt;
use axum::Router;
use axum::body::Body;
use contracts::Receipt;
use contracts::headers::{CONTENT_DIGEST, FHIR_JSON};
use contracts::receipt::ReceiptDocument;
use domain::Jurisdiction;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt;
use mtls::{Credentials, Fault, PeerIdentity, SpiffeId};
use outbound_transfer::peer_transport::{
    Address, Calling, PeerRequest, PeerResponse, PeerTransport, TransportError,
};
use tower::ServiceExt;

use crate::mix::{self, CallFault};
use crate::sabotage::Sabotage;
use crate::shared::Shared;

/// A peer that answers with another receipt than the one it owes.
const LIES: f64 = 0.001;

/// Where a province is reached.
#[derive(Clone)]
pub struct Gateway {
    /// Its replicas.
    pub replicas: Vec<Router>,
    /// Who answers there.
    pub identity: SpiffeId,
    /// What it signs with; for lies only.
    pub credentials: Credentials,
}

/// A delivery that the network may bring once more.
#[derive(Clone)]
pub struct Seen {
    from: Jurisdiction,
    base: String,
    request: PeerRequest,
}

/// All provinces' gateways. Cheap to clone.
#[derive(Clone)]
pub struct Network {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Shared,
    gateways: Mutex<BTreeMap<String, Gateway>>,
    identities: Mutex<BTreeMap<Jurisdiction, Credentials>>,
    away: Mutex<Option<String>>,
    seen: Mutex<Vec<Seen>>,
    last_receipt: Mutex<BTreeMap<String, Vec<u8>>>,
}

impl Network {
    /// Makes a network without anybody.
    pub fn new(shared: Shared) -> Self {
        let inner = Inner {
            shared,
            gateways: Mutex::default(),
            identities: Mutex::default(),
            away: Mutex::default(),
            seen: Mutex::default(),
            last_receipt: Mutex::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Connects a province: what it calls with, and where it is reached.
    pub fn connect(&self, code: &Jurisdiction, calls_with: Credentials, base: &str, gateway: Gateway) {
        lock(&self.inner.identities).insert(code.clone(), calls_with);
        lock(&self.inner.gateways).insert(base.to_owned(), gateway);
    }

    /// Returns the way out of a province.
    pub fn way_out_of(&self, code: &Jurisdiction) -> WayOut {
        WayOut { network: self.clone(), from: code.clone() }
    }

    /// Lets the province at this address reject everything, or nobody.
    pub fn set_away(&self, base: Option<String>) {
        *lock(&self.inner.away) = base;
    }

    /// Brings one of the deliveries of the past once more, to nobody's surprise.
    pub async fn bring_again(&self) {
        let seen = {
            let seen = lock(&self.inner.seen);
            if seen.is_empty() {
                return;
            }
            seen[self.inner.shared.draw_below(seen.len())].clone()
        };
        self.inner.shared.count("deliveries that the network brought again");
        self.handle(&seen.from, &seen.base, seen.request).await;
    }

    /// Lets a replica handle a request; `None` where its process died of it.
    async fn handle(&self, from: &Jurisdiction, base: &str, request: PeerRequest) -> Option<PeerResponse> {
        let gateway = lock(&self.inner.gateways).get(base).cloned()?;
        let credentials = lock(&self.inner.identities).get(from).cloned()?;
        let leaf = credentials.chain_der().into_iter().next()?;
        let identity = PeerIdentity::from_leaf(&leaf).ok()?;
        let replica = gateway.replicas[self.inner.shared.draw_below(gateway.replicas.len())].clone();
        let mut asked = match request {
            PeerRequest::Put { id, digest, package } => Request::builder()
                .method(Method::PUT)
                .uri(format!("/inbound-transfer/{id}"))
                .header(CONTENT_TYPE, FHIR_JSON)
                .header(CONTENT_DIGEST, digest.to_header())
                .body(Body::from(package)),
            PeerRequest::Receipt { id } => {
                Request::builder().uri(format!("/inbound-transfer/{id}")).body(Body::empty())
            }
        }
        .ok()?;
        asked.extensions_mut().insert(identity);
        let answer = replica.oneshot(asked).await.ok()?;
        let status = answer.status();
        let retry_after =
            answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        let retry_after = retry_after.map(Duration::from_secs);
        let body = answer.into_body().collect().await.ok()?.to_bytes().to_vec();
        if status == StatusCode::INTERNAL_SERVER_ERROR {
            self.inner.shared.count("gateways that answered 500 or died");
            return None; // from outside, a process that dies hangs up
        }
        Some(PeerResponse { status, retry_after, body })
    }

    /// Brings a request to its gateway and the answer back, or what the network makes of them.
    async fn carry(
        &self,
        from: &Jurisdiction,
        address: &Address,
        request: PeerRequest,
    ) -> Result<PeerResponse, TransportError> {
        let shared = &self.inner.shared;
        let fault = |fault| Err(TransportError::Fault(fault));
        let base = address.base.clone();
        shared.count("calls between provinces");
        let (PeerRequest::Put { id, .. } | PeerRequest::Receipt { id }) = &request;
        let id = *id;
        let expected = lock(&self.inner.gateways).get(&base).map(|gateway| gateway.identity.clone());
        if expected.as_ref() != Some(&address.identity) {
            return fault(Fault::Tls);
        }
        let is_away = lock(&self.inner.away).as_deref() == Some(base.as_str());
        if is_away && !shared.is_calm() {
            shared.count("calls to a province that was away");
            shared.strike(Some(id));
            return fault(Fault::Connect);
        }
        if shared.is_sabotaged(Sabotage::RefusesAll) && matches!(request, PeerRequest::Put { .. }) {
            return Ok(status_alone(422));
        }
        if let PeerRequest::Put { id, .. } = &request
            && shared.is_sabotaged(Sabotage::ReceiptWithoutCommit)
            && id.to_string().ends_with('7')
        {
            return self.lie(&base, &request).ok_or(TransportError::Fault(Fault::Other));
        }
        if matches!(request, PeerRequest::Put { .. }) {
            let seen = Seen { from: from.clone(), base: base.clone(), request: request.clone() };
            let mut all = lock(&self.inner.seen);
            if all.len() < 500 {
                all.push(seen);
            }
        }
        let drawn = if shared.is_calm() { None } else { mix::fault_of_call(shared.mix(), shared.draw()) };
        if let Some((name, _)) = drawn {
            shared.count(name);
            shared.strike(Some(id));
        }
        let takes = mix::response_seconds(shared.draw());
        if !shared.is_calm() {
            shared.stand(takes / 2.0).await;
        }
        match drawn.map(|(_, fault)| fault) {
            Some(CallFault::Before(kind)) => return fault(kind),
            Some(CallFault::Status(status)) => return Ok(status_alone(status)),
            Some(CallFault::TimedOut) => {
                let (network, from) = (self.clone(), from.clone());
                shared.let_go_on(Box::pin(async move {
                    network.handle(&from, &base, request).await;
                }));
                return fault(Fault::Timeout);
            }
            Some(CallFault::After(_) | CallFault::Garbage) | None => {}
        }
        let is_lie = !shared.is_calm() && shared.happens(LIES);
        let answer = self.handle(from, &base, request.clone()).await;
        if !shared.is_calm() {
            shared.stand(takes / 2.0).await;
        }
        let Some(answer) = answer else {
            shared.strike(Some(id));
            return fault(Fault::Connect);
        };
        if answer.status.is_server_error() {
            // Its own FHIR server or its neighbours were struck.
            shared.strike(Some(id));
        }
        match drawn.map(|(_, fault)| fault) {
            Some(CallFault::After(kind)) => return fault(kind),
            Some(CallFault::Garbage) => {
                return Ok(PeerResponse { body: b"\x00\x1b<html>".to_vec(), ..answer });
            }
            _ => {}
        }
        if answer.status.is_success() && answer.status != StatusCode::ACCEPTED {
            let before = lock(&self.inner.last_receipt).insert(base.clone(), answer.body.clone());
            if is_lie {
                let lie = match shared.draw_below(3) {
                    0 => before.map(|body| PeerResponse { body, ..answer.clone() }),
                    1 => self.miscount(&base, &answer),
                    _ => self.lie(&base, &request),
                };
                if let Some(lie) = lie {
                    shared.count("receipts that lied");
                    shared.strike(Some(id));
                    return Ok(lie);
                }
            }
        }
        Ok(answer)
    }

    /// Signs, as the destination, that everything was created, though nothing was.
    fn lie(&self, base: &str, request: &PeerRequest) -> Option<PeerResponse> {
        let (PeerRequest::Put { id, .. } | PeerRequest::Receipt { id }) = request;
        let gateway = lock(&self.inner.gateways).get(base).cloned()?;
        let last = lock(&self.inner.last_receipt).get(base).cloned()?;
        let mut receipt = payload(&last)?;
        receipt.jti = *id;
        if let PeerRequest::Put { digest, package, .. } = request
            && self.inner.shared.is_sabotaged(Sabotage::ReceiptWithoutCommit)
        {
            receipt.digest = digest.to_string();
            receipt.counts = counts_of(package)?;
        }
        signed(&receipt, &gateway.credentials)
    }

    /// Signs the receipt with another count.
    fn miscount(&self, base: &str, answer: &PeerResponse) -> Option<PeerResponse> {
        let gateway = lock(&self.inner.gateways).get(base).cloned()?;
        let mut receipt = payload(&answer.body)?;
        receipt.counts.values_mut().next()?.created += 1;
        signed(&receipt, &gateway.credentials)
    }
}

/// The way from one province to all others.
pub struct WayOut {
    network: Network,
    from: Jurisdiction,
}

impl PeerTransport for WayOut {
    fn call<'a>(&'a self, address: &'a Address, request: PeerRequest) -> Calling<'a> {
        Box::pin(async move {
            let shared = &self.network.inner.shared;
            shared.boundary("processes killed before a call to a peer").await;
            let answer = self.network.carry(&self.from, address, request).await;
            shared.boundary("processes killed after a call to a peer").await;
            answer
        })
    }
}

fn status_alone(status: u16) -> PeerResponse {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    let is_busy = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
    PeerResponse { status, retry_after: is_busy.then_some(Duration::from_secs(30)), body: Vec::new() }
}

fn payload(document: &[u8]) -> Option<Receipt> {
    use base64::Engine;
    let document: ReceiptDocument = serde_json::from_slice(document).ok()?;
    let payload = document.receipt.split('.').nth(1)?.to_owned();
    let payload = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).ok()?;
    serde_json::from_slice(&payload).ok()
}

fn signed(receipt: &Receipt, credentials: &Credentials) -> Option<PeerResponse> {
    let receipt = sign_receipt(receipt, credentials).ok()?;
    let body = serde_json::to_vec(&ReceiptDocument { receipt }).ok()?;
    Some(PeerResponse { status: StatusCode::CREATED, retry_after: None, body })
}

fn counts_of(package: &[u8]) -> Option<BTreeMap<String, contracts::receipt::OutcomeCounts>> {
    let bundle: serde_json::Value = serde_json::from_slice(package).ok()?;
    let mut counts = BTreeMap::<String, contracts::receipt::OutcomeCounts>::new();
    for entry in bundle["entry"].as_array()? {
        let resource_type = entry["resource"]["resourceType"].as_str()?;
        if resource_type != "Provenance" {
            counts.entry(resource_type.to_owned()).or_default().created += 1;
        }
    }
    Some(counts)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
