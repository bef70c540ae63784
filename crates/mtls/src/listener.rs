//! The accept loop: TLS 1.3, a client certificate from everyone, and trust checked again on each request.
//!
//! A handler takes its caller as `axum::Extension<PeerIdentity>`; no header can set it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::chain::ChainFault;
use crate::credentials::Credentials;
use crate::identity::PeerIdentity;

mod connection;
mod refusal;
mod tls;

pub use refusal::{HandshakeRefused, ListenerEvents, RefusalReason};

/// Pause after a failed accept, which mostly means that file descriptors have run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Bounds of the listener.
#[derive(Clone, Debug)]
pub struct ListenerOptions {
    /// Longest TLS handshake.
    pub handshake_timeout: Duration,
    /// Longest wait for a request's headers, and for the first request of a connection.
    pub header_timeout: Duration,
    /// Open connections, handshakes included; more wait in the kernel's queue.
    pub max_connections: usize,
    /// Requests at once on one HTTP/2 connection.
    pub max_concurrent_streams: u32,
    /// How long requests in flight may go on after the stop.
    pub drain_timeout: Duration,
    /// Who is told about refused handshakes.
    pub events: ListenerEvents,
}

impl Default for ListenerOptions {
    fn default() -> Self {
        Self {
            handshake_timeout: Duration::from_secs(5),
            header_timeout: Duration::from_secs(10),
            max_connections: 1024,
            max_concurrent_streams: 128,
            drain_timeout: Duration::from_secs(30),
            events: ListenerEvents::default(),
        }
    }
}

/// Serves the router on a bound socket until told to stop, then lets requests in flight finish.
///
/// # Errors
/// Only when TLS cannot be set up; a failing connection never ends the loop.
pub async fn serve(
    tcp: TcpListener,
    credentials: Credentials,
    router: Router,
    options: ListenerOptions,
    stop: CancellationToken,
) -> io::Result<()> {
    let listener = Arc::new(Listener {
        acceptor: TlsAcceptor::from(Arc::new(tls::server_config(&credentials).map_err(io::Error::other)?)),
        credentials,
        router,
        options,
        stop,
    });
    // There from the start, so that the first one is a rise.
    for fault in [ChainFault::Revoked, ChainFault::Expired] {
        metrics::counter!("tls_requests_refused_total", "reason" => fault.as_str()).increment(0);
    }
    let connections = TaskTracker::new();
    let permits = Arc::new(Semaphore::new(listener.options.max_connections));
    while let Some((stream, permit)) = listener.next(&tcp, &permits).await {
        connections.spawn(listener.clone().run(stream, permit));
    }
    drop(tcp);
    connections.close();
    connections.wait().await;
    Ok(())
}

struct Listener {
    acceptor: TlsAcceptor,
    credentials: Credentials,
    router: Router,
    options: ListenerOptions,
    stop: CancellationToken,
}

impl Listener {
    /// Waits for room and then for a connection; nothing once the stop has come.
    async fn next(
        &self,
        tcp: &TcpListener,
        permits: &Arc<Semaphore>,
    ) -> Option<(TcpStream, OwnedSemaphorePermit)> {
        let permit = self.stop.run_until_cancelled(permits.clone().acquire_owned()).await?.ok()?;
        loop {
            match self.stop.run_until_cancelled(tcp.accept()).await? {
                Ok((stream, _)) => return Some((stream, permit)),
                Err(error) => {
                    tracing::warn!(error = %error, "a connection could not be accepted");
                    self.stop.run_until_cancelled(tokio::time::sleep(ACCEPT_PAUSE)).await?;
                }
            }
        }
    }

    /// One connection from handshake to end, in its own task.
    async fn run(self: Arc<Self>, stream: TcpStream, _permit: OwnedSemaphorePermit) {
        // Without it small answers wait for acknowledgements; failing to set it breaks nothing.
        let _ = stream.set_nodelay(true);
        // Read before the handshake: a change of trust during it is then noticed on the first request.
        let version = self.credentials.trust_version();
        let handshake = timeout(self.options.handshake_timeout, self.acceptor.accept(stream));
        let outcome = match self.stop.run_until_cancelled(handshake).await {
            None => return,
            Some(Err(_)) => Err(RefusalReason::Timeout),
            Some(Ok(Err(error))) => Err(RefusalReason::of(&error)),
            Some(Ok(Ok(stream))) => peer(&stream).map(|found| (found, stream)),
        };
        match outcome {
            Ok(((identity, chain), stream)) => {
                let peer = connection::Peer::new(identity, chain, version, self.credentials.clone());
                connection::serve(stream, peer, self.router.clone(), &self.options, &self.stop).await;
            }
            Err(reason) => self.options.events.refused(reason),
        }
    }
}

type TlsStream = tokio_rustls::server::TlsStream<TcpStream>;

/// Reads whom the handshake has proved, and the chain it was proved with.
fn peer(stream: &TlsStream) -> Result<(PeerIdentity, Vec<Vec<u8>>), RefusalReason> {
    let chain = stream.get_ref().1.peer_certificates().ok_or(RefusalReason::NoCertificate)?;
    let leaf = chain.first().ok_or(RefusalReason::NoCertificate)?;
    let identity = PeerIdentity::from_leaf(leaf).map_err(|error| RefusalReason::Chain(error.into()))?;
    Ok((identity, chain.iter().map(|part| part.to_vec()).collect()))
}
