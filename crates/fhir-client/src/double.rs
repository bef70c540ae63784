//! A FHIR server in memory that does what our services rely on, and fails on demand.
//!
//! It stands where the real server will not do: for faults that the real one does not produce when told to, for
//! simulations of more transfers than it could write, and for benchmarks that shall measure us and not it. What it
//! does is what `tests/integration/fhir_contract.rs` asks of it and of the real server alike. What it does not know
//! (a search parameter, a conditional create, a patch) it refuses; it never guesses.
//!
//! The same [`FhirDouble`] answers in process ([`FhirServer::over`](crate::FhirServer::over)) and over HTTP
//! ([`serve::DoubleServer`]). Its times come from a clock and its draws from a seed: the same requests in the same
//! order get the same answers, byte by byte.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::{Clock, SystemClock};
use reqwest::Method;
use serde_json::Value;

use crate::error::FhirError;
use crate::transport::{Calling, FhirRequest, FhirResponse, FhirTransport};

mod bundle;
mod change;
mod facts;
mod faults;
mod outcome;
mod search;
pub mod serve;
mod store;

pub use faults::{Answer, Fault, FaultRule};

use faults::Faults;
use outcome::Refused;
use store::Store;

/// How a double behaves.
#[derive(Clone)]
pub struct DoubleOptions {
    /// What the time of every write comes from.
    pub clock: Arc<dyn Clock>,
    /// What the draws of faults come from.
    pub seed: u64,
}

impl Default for DoubleOptions {
    fn default() -> Self {
        Self { clock: Arc::new(SystemClock), seed: 0 }
    }
}

impl fmt::Debug for DoubleOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DoubleOptions").field("seed", &self.seed).finish_non_exhaustive()
    }
}

/// A FHIR server in memory. Cheap to clone; all clones are the same server.
#[derive(Clone)]
pub struct FhirDouble {
    inner: Arc<Inner>,
}

struct Inner {
    store: Mutex<Store>,
    faults: Mutex<Faults>,
    clock: Arc<dyn Clock>,
    requests: AtomicU64,
}

impl fmt::Debug for FhirDouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FhirDouble").field("requests", &self.requests()).finish_non_exhaustive()
    }
}

impl Default for FhirDouble {
    fn default() -> Self {
        Self::new(DoubleOptions::default())
    }
}

impl FhirDouble {
    /// Makes an empty server.
    pub fn new(options: DoubleOptions) -> Self {
        let inner = Inner {
            store: Mutex::new(Store::default()),
            faults: Mutex::new(Faults::new(options.seed)),
            clock: options.clock,
            requests: AtomicU64::new(0),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Answers a request as a server does that has no faults.
    pub fn handle(&self, request: &FhirRequest) -> FhirResponse {
        self.inner.requests.fetch_add(1, Ordering::Relaxed);
        let now = self.inner.clock.now();
        let mut store = self.store();
        let answer = route(&mut store, request, now);
        drop(store);
        answer.unwrap_or_else(|refused| refused.response())
    }

    /// Answers a request with whatever fault the script has for it.
    pub(crate) async fn answer(&self, request: &FhirRequest) -> Answered {
        let fault = self.faults().draw(request);
        let Some(fault) = fault else { return Answered::Whole(self.handle(request)) };
        let real = fault.is_applied.then(|| self.handle(request));
        match fault.answer {
            Answer::Status(status) => Answered::Whole(outcome::faulty(status)),
            Answer::Garbage => Answered::Whole(outcome::garbage()),
            Answer::HalfABody => Answered::Half(real.unwrap_or_else(outcome::garbage)),
            Answer::HangUp => Answered::Nothing,
            Answer::Silence => std::future::pending().await,
            Answer::Late(delay) => {
                tokio::time::sleep(delay).await;
                Answered::Whole(real.unwrap_or_else(|| self.handle(request)))
            }
        }
    }

    /// Adds a fault; the first rule that fits a request and whose chance is drawn breaks its answer.
    pub fn inject(&self, rule: FaultRule) {
        self.faults().add(rule);
    }

    /// Takes all faults away.
    pub fn heal(&self) {
        self.faults().clear();
    }

    /// Returns how many requests were carried out.
    pub fn requests(&self) -> u64 {
        self.inner.requests.load(Ordering::Relaxed)
    }

    /// Writes resources under their own ids, all or none, without any fault.
    ///
    /// # Errors
    /// The refusal, as the server would answer it.
    pub fn put_all(&self, resources: &[Value]) -> Result<(), FhirError> {
        let now = self.inner.clock.now();
        let written = change::put_all(&mut self.store(), resources, now);
        written.map_err(|refused| refused.error())
    }

    /// Deletes a resource without any fault; whether something still refers to it is not asked.
    pub fn delete(&self, resource_type: &str, id: &str) {
        let now = self.inner.clock.now();
        self.store().delete(&store::key(resource_type, id), now);
    }

    /// Removes a resource as if it never was, also its deletion: so that a long simulation stays small.
    pub fn forget(&self, resource_type: &str, id: &str) {
        self.store().forget(&store::key(resource_type, id));
    }

    /// Returns a resource as a read would, `None` where there is none.
    pub fn read(&self, resource_type: &str, id: &str) -> Option<Value> {
        let store = self.store();
        let stored = store.get(&store::key(resource_type, id)).filter(|stored| !stored.is_deleted)?;
        serde_json::from_slice(&stored.text).ok()
    }

    /// Returns all resources of a type, oldest first.
    pub fn all(&self, resource_type: &str) -> Vec<Value> {
        let store = self.store();
        store.live(resource_type).filter_map(|stored| serde_json::from_slice(&stored.text).ok()).collect()
    }

    /// Returns all resources of a type that refer to another one by what the server indexes, oldest first.
    pub fn referring(&self, resource_type: &str, to_type: &str, to_id: &str) -> Vec<Value> {
        let store = self.store();
        let target = store::key(to_type, to_id);
        let found = store.referring(&target);
        let of_type = found.filter(|stored| stored.resource_type() == resource_type);
        of_type.filter_map(|stored| serde_json::from_slice(&stored.text).ok()).collect()
    }

    /// Returns how many resources of a type there are.
    pub fn count(&self, resource_type: &str) -> usize {
        self.store().live_count(resource_type)
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        self.inner.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn faults(&self) -> MutexGuard<'_, Faults> {
        self.inner.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What comes back of a request.
pub(crate) enum Answered {
    /// The answer, right or wrong.
    Whole(FhirResponse),
    /// Its first half, then the connection ends.
    Half(FhirResponse),
    /// The connection ends.
    Nothing,
}

impl FhirTransport for FhirDouble {
    fn call(&self, request: FhirRequest) -> Calling<'_> {
        Box::pin(async move {
            match self.answer(&request).await {
                Answered::Whole(answer) => Ok(answer),
                Answered::Half(_) | Answered::Nothing => Err(FhirError::Unavailable { source: None }),
            }
        })
    }
}

type Time = chrono::DateTime<chrono::Utc>;

/// Every request that is known, on one screen.
fn route(store: &mut Store, request: &FhirRequest, now: Time) -> Result<FhirResponse, Refused> {
    let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let form = || std::str::from_utf8(&request.body).unwrap_or_default();
    let cache = request.cache_control.as_deref().unwrap_or_default();
    let method = &request.method;
    match segments.as_slice() {
        [] if method == Method::POST => bundle::post(store, &request.body, cache, now),
        [] if method == Method::GET => search::page(store, query, now),
        ["metadata"] if method == Method::GET => Ok(outcome::capabilities()),
        [resource_type, "_search"] if method == Method::POST => {
            search::search(store, resource_type, form(), cache, now)
        }
        [_, "$validate"] if method == Method::POST => Ok(outcome::validated(&request.body)),
        [resource_type] if method == Method::GET => search::search(store, resource_type, query, cache, now),
        [resource_type, "_history"] if method == Method::GET => search::history(store, resource_type, query),
        [resource_type] if method == Method::POST => {
            change::one(store, change::Method::Post, resource_type, None, &request.body, now)
        }
        [resource_type, id] if method == Method::GET => bundle::read(store, resource_type, id),
        [resource_type, id] if method == Method::PUT => {
            change::one(store, change::Method::Put, resource_type, Some(id), &request.body, now)
        }
        [resource_type, id] if method == Method::DELETE => {
            change::one(store, change::Method::Delete, resource_type, Some(id), &request.body, now)
        }
        _ => Err(Refused::unknown("the double does not know this request")),
    }
}

#[cfg(test)]
mod tests;
