//! One connection after its handshake: requests served, trust kept under review, an end in good order.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{Request, StatusCode};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::{ListenerOptions, TlsStream};
use crate::chain::{ChainFault, Purpose};
use crate::credentials::Credentials;
use crate::identity::PeerIdentity;

/// A silent HTTP/2 peer is asked for a sign of life this often, and given as long again to answer.
const PING: Duration = Duration::from_secs(20);
/// Largest header list of one request, in bytes.
const HEADERS: u32 = 16 * 1024;
/// A chain is judged again at least this often, since lists and validity end without any file changing.
const REVIEW_SECONDS: u64 = 60;

/// The holder of a connection and when its chain was last found good.
pub(super) struct Peer {
    identity: PeerIdentity,
    chain: Vec<Vec<u8>>,
    credentials: Credentials,
    judged_version: AtomicU64,
    judged_at: AtomicU64,
}

impl Peer {
    /// `version` is that of the trust before the handshake, which has just judged the chain.
    pub(super) fn new(
        identity: PeerIdentity,
        chain: Vec<Vec<u8>>,
        version: u64,
        credentials: Credentials,
    ) -> Arc<Self> {
        let judged_at = AtomicU64::new(crate::now_unix());
        Arc::new(Self { identity, chain, credentials, judged_version: AtomicU64::new(version), judged_at })
    }

    /// Judges the chain again where anything may have changed since the last time.
    fn review(&self) -> Result<(), ChainFault> {
        let (now, version) = (crate::now_unix(), self.credentials.trust_version());
        if now > self.identity.not_after {
            return Err(ChainFault::Expired);
        }
        let is_recent = now.abs_diff(self.judged_at.load(Ordering::Relaxed)) < REVIEW_SECONDS;
        if is_recent && self.judged_version.load(Ordering::Relaxed) == version {
            return Ok(());
        }
        self.credentials.verify_chain(&self.chain, now, Purpose::Client)?;
        self.judged_at.store(now, Ordering::Relaxed);
        self.judged_version.store(version, Ordering::Relaxed);
        Ok(())
    }
}

/// Serves the connection until either side ends it, its certificate expires, or the stop comes.
pub(super) async fn serve(
    stream: TlsStream,
    peer: Arc<Peer>,
    router: Router,
    options: &ListenerOptions,
    stop: &CancellationToken,
) {
    let not_after = peer.identity.not_after;
    let distrusted = CancellationToken::new();
    let has_asked = Arc::new(AtomicBool::new(false));
    let (asked, refuse) = (has_asked.clone(), distrusted.clone());
    let service = service_fn(move |request: Request<Incoming>| {
        asked.store(true, Ordering::Relaxed);
        answer(peer.clone(), router.clone(), refuse.clone(), request)
    });
    let builder = builder(options);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));

    let mut first_request = pin!(sleep(options.header_timeout));
    let mut expiry = pin!(sleep(Duration::from_secs(not_after.saturating_sub(crate::now_unix()) + 1)));
    let mut hard_end = pin!(sleep_until(Instant::now() + options.drain_timeout));
    let (mut is_first, mut is_ending) = (true, false);
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(error = %error, "a connection ended early");
                }
                return;
            }
            () = first_request.as_mut(), if is_first => {
                if !has_asked.load(Ordering::Relaxed) {
                    tracing::debug!("a connection without a request was closed");
                    return;
                }
                is_first = false;
                continue;
            }
            () = hard_end.as_mut(), if is_ending => {
                tracing::warn!("a connection was cut off while draining");
                return;
            }
            () = expiry.as_mut(), if !is_ending => {}
            () = stop.cancelled(), if !is_ending => {}
            () = distrusted.cancelled(), if !is_ending => {}
        }
        is_ending = true;
        hard_end.as_mut().reset(Instant::now() + options.drain_timeout);
        connection.as_mut().graceful_shutdown();
    }
}

fn builder(options: &ListenerOptions) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(options.header_timeout);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING)
        .max_concurrent_streams(options.max_concurrent_streams)
        .max_header_list_size(HEADERS);
    builder
}

/// Answers one request, or refuses it and lets the connection end once its holder is no longer trusted.
async fn answer(
    peer: Arc<Peer>,
    router: Router,
    refuse: CancellationToken,
    request: Request<Incoming>,
) -> Result<Response, Infallible> {
    if let Err(fault) = peer.review() {
        metrics::counter!("tls_requests_refused_total", "reason" => fault.as_str()).increment(1);
        tracing::warn!(
            reason = fault.as_str(), peer = %peer.identity.spiffe_id(),
            "a request on an open connection was refused"
        );
        refuse.cancel();
        return Ok(StatusCode::FORBIDDEN.into_response());
    }
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(peer.identity.clone());
    router.oneshot(request).await
}
