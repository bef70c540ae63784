//! What mutual TLS costs: connections and requests a second, beside the same server without it.
//!
//! Client and server are in this process and share its cores, so the figures are for both together.

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use mtls::pki::{IssuedCertificate, LocalCa};
use mtls::{Credentials, ListenerOptions, TlsFiles};
use rustls::client::Resumption;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;

const SERVER: &str = "spiffe://iidi.test/pt/bc/inbound-transfer";
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
const BODY: &[u8] = b"here";
const CLIENT: &str = "spiffe://iidi.test/pt/on/outbound-transfer";
/// Callers at once.
const CALLERS: usize = 8;
const WARM_UP: Duration = Duration::from_millis(500);
const MEASURED: Duration = Duration::from_secs(3);

#[tokio::main]
async fn main() {
    // `cargo test` runs benchmarks too; there they only have to build.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    mtls::install_crypto_provider();
    let folder = tempfile::tempdir().expect("a folder");
    let ca = LocalCa::create(&folder.path().join("ca")).expect("an authority");
    let credentials = |name: &str, leaf: &IssuedCertificate| {
        let file = |suffix: &str| folder.path().join(format!("{name}.{suffix}"));
        let files = TlsFiles {
            certificate: file("crt"),
            key: file("key"),
            roots: file("roots"),
            crl: Some(file("crl")),
        };
        leaf.write(&files.certificate, &files.key).expect("a certificate");
        std::fs::write(&files.roots, ca.roots_pem()).expect("the roots");
        std::fs::write(file("crl"), ca.crl(&[]).expect("a list")).expect("the list");
        Credentials::load(&files).expect("credentials")
    };
    let server = credentials(
        "server",
        &ca.issue(SERVER, &["localhost"], &[Ipv4Addr::LOCALHOST.into()]).expect("a certificate"),
    );
    let config = client_config(&ca, &ca.issue(CLIENT, &[], &[]).expect("a certificate"));
    let router = Router::new().route("/", get(async || "here"));

    let stop = CancellationToken::new();
    let tls = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let plain = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let (tls_at, plain_at) = (address(&tls), address(&plain));
    tokio::spawn(mtls::serve(tls, server, router.clone(), ListenerOptions::default(), stop.clone()));
    tokio::spawn(async move { axum::serve(plain, router).await });

    let connector = TlsConnector::from(Arc::new(config));
    let by_tls = measure(move || {
        let connector = connector.clone();
        async move {
            let name = ServerName::try_from("localhost").expect("a name");
            connector.connect(name, plain_connection(tls_at).await).await.expect("a handshake")
        }
    });
    let mut table = vec![("mutual TLS 1.3", by_tls.await)];
    table.push(("plain HTTP", measure(move || plain_connection(plain_at)).await));
    stop.cancel();

    say("| listener | connections/s, each with a request | requests/s on open connections |");
    say("|---|---|---|");
    for (name, (connections, requests)) in &table {
        say(&format!("| {name} | {connections:.0} | {requests:.0} |"));
    }
    let share = |of: fn(&(f64, f64)) -> f64| of(&table[0].1) / of(&table[1].1) * 100.0;
    say(&format!("| mutual TLS of plain | {:.0} % | {:.0} % |", share(|row| row.0), share(|row| row.1)));
}

fn address(listener: &TcpListener) -> SocketAddr {
    listener.local_addr().expect("an address")
}

async fn plain_connection(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).await.expect("a connection");
    stream.set_nodelay(true).expect("a socket");
    stream
}

/// A client without resumption: every connection is a full handshake.
fn client_config(ca: &LocalCa, leaf: &IssuedCertificate) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    let root = CertificateDer::from_pem_slice(ca.roots_pem().as_bytes()).expect("a root");
    roots.add(root).expect("a usable root");
    let certificate = CertificateDer::from_pem_slice(leaf.cert_pem.as_bytes()).expect("a certificate");
    let key = PrivateKeyDer::from_pem_slice(leaf.key_pem.as_bytes()).expect("a key");
    let mut config = ClientConfig::builder_with_protocol_versions(&[&rustls::version::TLS13])
        .with_root_certificates(roots)
        .with_client_auth_cert(vec![certificate], key)
        .expect("a usable certificate");
    config.resumption = Resumption::disabled();
    config
}

/// Returns connections a second, each with one request, and requests a second on connections that stay open.
async fn measure<S, F>(connect: impl Fn() -> F + Clone + Send + 'static) -> (f64, f64)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: Future<Output = S> + Send,
{
    let anew = connect.clone();
    let connections = per_second(
        async || (),
        move |()| {
            let stream = anew();
            async move { ask(&mut stream.await).await }
        },
    );
    let connections = connections.await;
    let requests = per_second(connect, |mut stream| async move {
        ask(&mut stream).await;
        stream
    });
    (connections, requests.await)
}

async fn ask(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) {
    stream.write_all(REQUEST).await.expect("a request");
    let mut answer = Vec::with_capacity(512);
    while !answer.ends_with(BODY) {
        let read = stream.read_buf(&mut answer).await.expect("an answer");
        assert!(read > 0, "the connection ended");
    }
}

/// Does something from several tasks for a while and returns how often a second; each passes on what it works with.
async fn per_second<S: Send + 'static, B: Future<Output = S> + Send, F: Future<Output = S> + Send>(
    prepare: impl Fn() -> B + Clone + Send + 'static,
    task: impl Fn(S) -> F + Clone + Send + 'static,
) -> f64 {
    let done = Arc::new(AtomicU64::new(0));
    let begun = Instant::now();
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let (prepare, task, done) = (prepare.clone(), task.clone(), Arc::clone(&done));
        callers.spawn(async move {
            let mut with = prepare().await;
            while begun.elapsed() < WARM_UP + MEASURED {
                with = task(with).await;
                if begun.elapsed() >= WARM_UP {
                    done.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
    }
    callers.join_all().await;
    let measured = begun.elapsed().saturating_sub(WARM_UP);
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    let count = done.load(Ordering::Relaxed) as f64;
    count / measured.as_secs_f64()
}

#[expect(clippy::print_stdout, reason = "a benchmark's output is its report")]
fn say(line: &str) {
    println!("{line}");
}
