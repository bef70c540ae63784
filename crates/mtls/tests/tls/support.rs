//! A server with its own authority, and clients good and bad.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::routing::get;
use axum::{Extension, Router};
use mtls::pki::{IssuedCertificate, LeafRequest, LocalCa};
use mtls::{
    ClientOptions, Credentials, HandshakeRefused, ListenerEvents, ListenerOptions, PeerIdentity,
    RefusalReason, SpiffeId, TlsFiles, client, serve,
};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::mpsc::Receiver;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

pub const SERVER: &str = "spiffe://iidi.test/pt/bc/inbound-transfer";
pub const CLIENT: &str = "spiffe://iidi.test/pt/on/outbound-transfer";
pub const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// Longest wait for something that must happen.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// A server in its own task, with everything it was made of.
pub struct World {
    pub dir: TempDir,
    pub ca: LocalCa,
    pub files: TlsFiles,
    pub server: Credentials,
    pub address: SocketAddr,
    pub stop: CancellationToken,
    pub task: JoinHandle<std::io::Result<()>>,
    refusals: Receiver<HandshakeRefused>,
}

impl World {
    pub async fn start() -> Self {
        Self::start_with(ListenerOptions::default(), who()).await
    }

    pub async fn start_with(mut options: ListenerOptions, router: Router) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let ca = LocalCa::create(&dir.path().join("ca")).unwrap();
        let server_leaf = ca.issue(SERVER, &["localhost"], &[LOOPBACK]).unwrap();
        let files = write_files(dir.path(), "server", &server_leaf, &ca);
        let server = Credentials::load(&files).unwrap();
        let tcp = TcpListener::bind((LOOPBACK, 0)).await.unwrap();
        let address = tcp.local_addr().unwrap();
        let stop = CancellationToken::new();
        let (events, refusals) = ListenerEvents::channel(64);
        options.events = events;
        let task = tokio::spawn(serve(tcp, server.clone(), router, options, stop.clone()));
        Self { dir, ca, files, server, address, stop, task, refusals }
    }

    /// Credentials of a good client, in files of their own.
    pub fn client_credentials(&self) -> Credentials {
        Credentials::load(&self.client_files(&self.ca.issue(CLIENT, &[], &[]).unwrap())).unwrap()
    }

    pub fn client_files(&self, leaf: &IssuedCertificate) -> TlsFiles {
        write_files(self.dir.path(), "client", leaf, &self.ca)
    }

    pub fn good_client(&self) -> reqwest::Client {
        client(&self.client_credentials(), &id(SERVER), ClientOptions::default()).unwrap()
    }

    /// A client that does not judge what it shows, as a stranger would not.
    pub fn raw_client(&self, leaf: Option<&IssuedCertificate>) -> reqwest::Client {
        raw_client(self.raw_config(leaf, &rustls::version::TLS13))
    }

    pub fn raw_config(
        &self,
        leaf: Option<&IssuedCertificate>,
        version: &'static SupportedProtocolVersion,
    ) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.ca.roots_pem().as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots);
        match leaf {
            None => builder.with_no_client_auth(),
            Some(leaf) => builder
                .with_client_auth_cert(
                    vec![CertificateDer::from_pem_slice(leaf.cert_pem.as_bytes()).unwrap()],
                    PrivateKeyDer::from_pem_slice(leaf.key_pem.as_bytes()).unwrap(),
                )
                .unwrap(),
        }
    }

    pub fn url(&self) -> String {
        format!("https://{}/who", self.address)
    }

    /// Waits for the server to say why it refused a handshake.
    pub async fn refusal(&mut self) -> RefusalReason {
        timeout(PATIENCE, self.refusals.recv()).await.expect("a handshake is refused").unwrap().reason
    }

    /// Expects that a client gets nowhere, and returns the server's reason.
    pub async fn refuses(&mut self, client: reqwest::Client) -> RefusalReason {
        let outcome = client.get(self.url()).send().await;
        assert!(outcome.is_err(), "got in: {outcome:?}");
        self.refusal().await
    }

    pub fn write_crl(&self, pem: &str) {
        fs::write(self.files.crl.as_ref().unwrap(), pem).unwrap();
    }
}

/// Answers with the caller's name, certificate and HTTP version.
pub fn who() -> Router {
    Router::new().route(
        "/who",
        get(|Extension(peer): Extension<PeerIdentity>, version: axum::http::Version| async move {
            format!("{} {} {version:?}", peer.spiffe_id(), peer.serial_hex)
        }),
    )
}

pub fn raw_client(config: ClientConfig) -> reqwest::Client {
    reqwest::Client::builder().tls_backend_preconfigured(config).timeout(PATIENCE).build().unwrap()
}

pub fn id(text: &str) -> SpiffeId {
    SpiffeId::parse(text).unwrap()
}

pub fn write_files(dir: &Path, name: &str, leaf: &IssuedCertificate, ca: &LocalCa) -> TlsFiles {
    let file = |suffix: &str| -> PathBuf { dir.join(format!("{name}.{suffix}")) };
    let files =
        TlsFiles { certificate: file("crt"), key: file("key"), roots: file("roots"), crl: Some(file("crl")) };
    leaf.write(&files.certificate, &files.key).unwrap();
    fs::write(&files.roots, ca.roots_pem()).unwrap();
    fs::write(files.crl.as_ref().unwrap(), ca.crl(&[]).unwrap()).unwrap();
    files
}

/// A leaf that no real authority would issue to this client.
pub fn leaf(ca: &LocalCa, change: impl FnOnce(&mut LeafRequest)) -> IssuedCertificate {
    let mut request = LeafRequest::new(CLIENT, &[], &[]);
    change(&mut request);
    ca.issue_with(&request).unwrap()
}
