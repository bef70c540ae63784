//! An aggregator that does what it is told.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::{ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use bytes::Bytes;
use contracts::release::ReleaseDocument;
use mtls::PeerIdentity;
use tokio::sync::Semaphore;

/// What it answers.
#[derive(Clone)]
pub enum Script {
    /// A release, or 304 to whoever has it.
    Release(Box<ReleaseDocument>),
    /// Whatever these bytes are.
    Bytes(Vec<u8>),
    /// Half of what was announced, then the connection ends.
    Half(Vec<u8>),
    /// So many bytes of white space.
    Huge(usize),
    /// A status without a body.
    Status(u16),
    /// Nothing, for a minute.
    Hang,
    /// A release, once there is a permit.
    Gated(Arc<Semaphore>, Box<ReleaseDocument>),
}

impl Script {
    pub fn release(document: ReleaseDocument) -> Self {
        Self::Release(Box::new(document))
    }
}

/// What it was asked: by whom, and for what else than this tag.
pub type Asked = (String, Option<String>);

#[derive(Clone)]
pub struct Fake {
    script: Arc<Mutex<Script>>,
    waiting: Arc<AtomicUsize>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Fake {
    pub fn new(script: Script) -> Self {
        Self { script: Arc::new(Mutex::new(script)), waiting: Arc::default(), asked: Arc::default() }
    }

    pub fn does(&self, script: Script) {
        *self.script.lock().unwrap_or_else(PoisonError::into_inner) = script;
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// Returns how many requests wait for their answer.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::SeqCst)
    }

    pub fn router(&self) -> Router {
        Router::new().route("/aggregated-data", get(answer)).with_state(self.clone())
    }
}

/// A request that waits, until it is answered or given up.
struct Waits(Arc<AtomicUsize>);

impl Waits {
    fn new(waiting: &Arc<AtomicUsize>) -> Self {
        waiting.fetch_add(1, Ordering::SeqCst);
        Self(waiting.clone())
    }
}

impl Drop for Waits {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn answer(
    State(fake): State<Fake>,
    Extension(peer): Extension<PeerIdentity>,
    headers: HeaderMap,
) -> Response {
    let tag = headers.get(IF_NONE_MATCH).map(|tag| tag.to_str().unwrap().to_owned());
    fake.asked.lock().unwrap().push((peer.spiffe_id().as_str().to_owned(), tag.clone()));
    let script = fake.script.lock().unwrap().clone();
    let _waits = Waits::new(&fake.waiting);
    match script {
        Script::Release(release) if tag.as_ref() == Some(&release.etag()) => {
            StatusCode::NOT_MODIFIED.into_response()
        }
        Script::Release(release) => ([(ETAG, release.etag())], release.to_bytes()).into_response(),
        Script::Bytes(bytes) => bytes.into_response(),
        Script::Half(bytes) => {
            let half = Bytes::from(bytes[..bytes.len() / 2].to_vec());
            let broken = Err(std::io::Error::other("the connection ends"));
            Body::from_stream(futures::stream::iter([Ok(half), broken])).into_response()
        }
        Script::Huge(bytes) => {
            let part = Bytes::from(vec![b' '; 1 << 20]);
            let parts = std::iter::repeat_n(part, bytes >> 20).map(Ok::<_, std::io::Error>);
            Body::from_stream(futures::stream::iter(parts)).into_response()
        }
        Script::Status(status) => StatusCode::from_u16(status).unwrap().into_response(),
        Script::Gated(gate, release) => {
            gate.acquire().await.unwrap().forget();
            release.to_bytes().into_response()
        }
        Script::Hang => {
            tokio::time::sleep(Duration::from_mins(1)).await;
            StatusCode::OK.into_response()
        }
    }
}
