//! The real FHIR server, seen through a proxy that remembers what was asked for, breaks an answer on demand, and lets a
//! transaction be carried out long after its client has gone.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use bytes::Bytes;
use fhir_client::{FhirServer, FhirServerOptions};
use futures::{StreamExt, stream};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// How an answer to a search is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The count is one too high.
    OneMoreIsCounted,
    /// The count is one too low.
    OneLessIsCounted,
    /// The first page misses its last entry.
    APageIsLost,
    /// The connection ends in the middle of the answer.
    HalfAnAnswer,
    /// The same, once the proxy is told to let go.
    HalfAnAnswerHeld,
}

impl Fault {
    fn is_for(self, search: &str) -> bool {
        search.contains("_summary=count") == matches!(self, Self::OneMoreIsCounted | Self::OneLessIsCounted)
    }
}

/// A transaction whose client is told that the server is away.
#[derive(Default)]
struct Withheld {
    /// The next that holds this text.
    wanted: Option<String>,
    /// This one: it shall be carried out late.
    waiting: Option<Bytes>,
    /// Whether the server is away for all other transactions as well.
    is_away: bool,
}

/// The proxy, until it is dropped.
pub struct Proxy {
    base: String,
    behind: Behind,
    task: JoinHandle<()>,
}

#[derive(Clone)]
struct Behind {
    base: String,
    http: reqwest::Client,
    broken: Arc<Mutex<VecDeque<(String, Fault)>>>,
    asked: Arc<Mutex<Vec<String>>>,
    withheld: Arc<Mutex<Withheld>>,
    let_go: Arc<Notify>,
    holds_half: Arc<AtomicBool>,
}

impl Proxy {
    /// Starts a proxy before the FHIR server at `base`.
    ///
    /// # Panics
    /// When it cannot listen.
    pub async fn start(base: String) -> Self {
        let tcp = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = tcp.local_addr().expect("an address");
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        let behind = Behind {
            base: base.trim_end_matches('/').to_owned(),
            http,
            broken: Arc::default(),
            asked: Arc::default(),
            withheld: Arc::default(),
            let_go: Arc::default(),
            holds_half: Arc::default(),
        };
        let app = Router::new().fallback(forward).with_state(behind.clone());
        let task = tokio::spawn(async move { axum::serve(tcp, app).await.expect("a proxy") });
        Self { base: format!("http://{address}/fhir"), behind, task }
    }

    /// Withholds the next transaction that holds this text: its client hears that the server is away.
    ///
    /// # Panics
    /// After a panic of the proxy.
    pub fn withhold_next(&self, text: &str) {
        self.behind.withheld.lock().expect("a script").wanted = Some(text.to_owned());
    }

    /// Lets transactions through again: from one that is withheld on, none is.
    ///
    /// # Panics
    /// After a panic of the proxy.
    pub fn let_through(&self) {
        self.behind.withheld.lock().expect("a script").is_away = false;
    }

    /// Tells whether a transaction is withheld.
    ///
    /// # Panics
    /// After a panic of the proxy.
    pub fn withholds(&self) -> bool {
        self.behind.withheld.lock().expect("a script").waiting.is_some()
    }

    /// Has the server carry out what was withheld; returns the status that nobody waits for any more.
    ///
    /// # Panics
    /// When nothing was withheld, or the server does not answer.
    pub async fn carry_out_late(&self) -> StatusCode {
        let body =
            self.behind.withheld.lock().expect("a script").waiting.take().expect("one that is withheld");
        let request =
            self.behind.http.post(&self.behind.base).header("content-type", "application/fhir+json");
        request.body(body).send().await.expect("the real server answers").status()
    }

    /// Returns what was asked for so far: method, path and query, as a server would log them.
    ///
    /// # Panics
    /// After a panic of the proxy.
    pub fn asked(&self) -> String {
        self.behind.asked.lock().expect("a list").join("\n")
    }

    /// Breaks the next answer to a search of a type that the fault fits.
    ///
    /// # Panics
    /// After a panic of the proxy.
    pub fn break_next(&self, resource_type: &str, fault: Fault) {
        self.behind.broken.lock().expect("a script").push_back((resource_type.to_owned(), fault));
    }

    /// Returns how many faults of the script are still to come.
    ///
    /// # Panics
    /// After a panic of the proxy.
    pub fn still_to_break(&self) -> usize {
        self.behind.broken.lock().expect("a script").len()
    }

    /// Tells whether an answer is held in its middle, the server's own part of it done.
    pub fn holds_half(&self) -> bool {
        self.behind.holds_half.load(Ordering::Relaxed)
    }

    /// Ends the connection of an answer that is held in its middle.
    pub fn let_go(&self) {
        self.behind.let_go.notify_one();
    }

    /// Returns the base URL.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Returns a client.
    ///
    /// # Panics
    /// Never.
    pub fn server(&self) -> FhirServer {
        FhirServer::new(&self.base, FhirServerOptions::default()).expect("a client")
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn forward(State(behind): State<Behind>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.expect("a body");
    let path = parts.uri.path_and_query().expect("a path").as_str();
    let path = path.strip_prefix("/fhir").expect("a path below the base");
    behind.asked.lock().expect("a list").push(format!("{} {path}", parts.method));
    if is_withheld(&behind, &body) {
        let away = Response::builder().status(StatusCode::GATEWAY_TIMEOUT);
        return away.body(Body::empty()).expect("an answer");
    }
    let fault = next_fault(&behind, path, &body);
    let mut headers = parts.headers;
    for of_this_hop in ["host", "content-length", "accept-encoding"] {
        headers.remove(of_this_hop);
    }
    let url = format!("{}{path}", behind.base);
    let answer = behind.http.request(parts.method, url).headers(headers).body(body).send().await;
    let gone = || Response::builder().status(StatusCode::BAD_GATEWAY).body(Body::empty()).expect("an answer");
    let Ok(answer) = answer else { return gone() };
    let mut response = Response::builder().status(answer.status());
    if let Some(content_type) = answer.headers().get("content-type") {
        response = response.header("content-type", content_type);
    }
    let Ok(bytes) = answer.bytes().await else { return gone() };
    let body = match fault {
        None => Body::from(bytes),
        Some((_, fault @ (Fault::HalfAnAnswer | Fault::HalfAnAnswerHeld))) => {
            let half = bytes.slice(..bytes.len() / 2);
            behind.holds_half.store(fault == Fault::HalfAnAnswerHeld, Ordering::Relaxed);
            let end = async move {
                if fault == Fault::HalfAnAnswerHeld {
                    behind.let_go.notified().await;
                }
                Err(std::io::Error::other("cut off"))
            };
            Body::from_stream(stream::iter([Ok(half)]).chain(stream::once(end)))
        }
        Some((at, fault)) => {
            let mut batch: Value = serde_json::from_slice(&bytes).expect("a Bundle");
            break_bundle(&mut batch["entry"][at]["resource"], fault);
            Body::from(batch.to_string())
        }
    };
    response.body(body).expect("an answer")
}

fn is_withheld(behind: &Behind, body: &Bytes) -> bool {
    let mut withheld = behind.withheld.lock().expect("a script");
    let body_text = String::from_utf8_lossy(body);
    if withheld.wanted.as_ref().is_some_and(|text| body_text.contains(text)) {
        *withheld = Withheld { wanted: None, waiting: Some(body.clone()), is_away: true };
        return true;
    }
    withheld.is_away && body_text.contains("\"transaction\"")
}

/// Returns the fault whose turn it is, and which search of this batch it is for. A page of changes is no batch; only
/// its connection can be broken.
fn next_fault(behind: &Behind, path: &str, body: &[u8]) -> Option<(usize, Fault)> {
    let mut broken = behind.broken.lock().expect("a script");
    let (resource_type, fault) = broken.front()?;
    let is_page = path.trim_start_matches('/') == format!("{resource_type}/_search")
        && String::from_utf8_lossy(body).contains("_sort=_lastUpdated");
    if is_page && matches!(fault, Fault::HalfAnAnswer | Fault::HalfAnAnswerHeld) {
        return broken.pop_front().map(|(_, fault)| (0, fault));
    }
    let batch: Value = serde_json::from_slice(body).ok()?;
    let searched = format!("{resource_type}?");
    let is_meant = |entry: &Value| {
        let url = entry["request"]["url"].as_str().unwrap_or_default();
        url.starts_with(&searched) && fault.is_for(url)
    };
    let at = batch["entry"].as_array()?.iter().position(is_meant)?;
    broken.pop_front().map(|(_, fault)| (at, fault))
}

fn break_bundle(bundle: &mut Value, fault: Fault) {
    let total = bundle["total"].as_u64();
    match fault {
        Fault::OneMoreIsCounted => bundle["total"] = json!(total.expect("a count") + 1),
        Fault::OneLessIsCounted => bundle["total"] = json!(total.expect("a count") - 1),
        Fault::APageIsLost | Fault::HalfAnAnswer | Fault::HalfAnAnswerHeld => {
            bundle["entry"].as_array_mut().expect("entries").pop();
        }
    }
}
