//! The client that calls one named service: its chain, its host name and its exact SPIFFE id must agree.

use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, Resumption};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, DigitallySignedStruct, PeerIncompatible, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use crate::chain::{ChainFault, Purpose};
use crate::credentials::{CredentialError, Credentials};
use crate::identity::SpiffeId;

/// Idle connections are closed after this long, so that a renewed certificate soon replaces an old one.
const IDLE: Duration = Duration::from_mins(1);

/// Bounds of a call.
#[derive(Clone, Copy, Debug)]
pub struct ClientOptions {
    /// For connecting, TLS included.
    pub connect_timeout: Duration,
    /// For the whole call, body included.
    pub request_timeout: Duration,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self { connect_timeout: Duration::from_secs(5), request_timeout: Duration::from_mins(1) }
    }
}

/// Why a call got no usable answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nobody answered, or the connection was lost before an answer.
    Connect,
    /// It took longer than the options allow.
    Timeout,
    /// One side did not trust the other, or they found no common TLS.
    Tls,
    /// The answer broke off, or could not be read.
    Body,
    /// Anything else, such as a request that could not be built.
    Other,
}

/// Builds the client for one service. It follows reloads of the credentials, certificate and trust alike.
///
/// It speaks `https` only, follows no redirect, uses no proxy and resumes no session.
///
/// # Errors
/// [`CredentialError::Configuration`] when TLS cannot be set up.
pub fn client(
    credentials: &Credentials,
    expected: &SpiffeId,
    options: ClientOptions,
) -> Result<reqwest::Client, CredentialError> {
    let provider = crate::provider();
    let algorithms = provider.signature_verification_algorithms;
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|source| CredentialError::Configuration { source: Box::new(source) })?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(ExactServer {
            credentials: credentials.clone(),
            expected: expected.clone(),
            algorithms,
        }))
        .with_client_cert_resolver(Arc::new(CurrentCertificate(credentials.clone())));
    config.resumption = Resumption::disabled();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    reqwest::Client::builder()
        .tls_backend_preconfigured(config)
        .https_only(true)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .gzip(true)
        .connect_timeout(options.connect_timeout)
        .timeout(options.request_timeout)
        .pool_idle_timeout(IDLE)
        .build()
        .map_err(|source| CredentialError::Configuration { source: Box::new(source) })
}

/// Sorts a failed call.
///
/// In TLS 1.3 a client believes the handshake done before the server has judged it. A refusal therefore
/// comes as [`Fault::Tls`] when its alert arrives, and as [`Fault::Connect`] when the connection is gone first.
pub fn fault(error: &reqwest::Error) -> Fault {
    if error.is_timeout() {
        return Fault::Timeout;
    }
    let mut lost = error.is_connect();
    for cause in causes(error) {
        if cause.is::<rustls::Error>() {
            return Fault::Tls;
        }
        lost |= cause.is::<std::io::Error>();
        if let Some(http) = cause.downcast_ref::<hyper::Error>() {
            lost |= http.is_closed() || http.is_incomplete_message() || http.is_canceled();
        }
    }
    if error.is_body() || error.is_decode() {
        Fault::Body
    } else if lost {
        Fault::Connect
    } else {
        Fault::Other
    }
}

/// Says why the other side's certificate was refused, where that is what failed.
pub fn chain_fault(error: &reqwest::Error) -> Option<ChainFault> {
    causes(error).find_map(|cause| match cause.downcast_ref::<rustls::Error>() {
        Some(rustls::Error::InvalidCertificate(reason)) => Some(ChainFault::of(reason)),
        _ => None,
    })
}

/// Walks from an error to its innermost cause.
fn causes(error: &reqwest::Error) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    let first: &(dyn std::error::Error + 'static) = error;
    std::iter::successors(Some(first), |current| {
        // What an I/O error wraps is not its source: that is already the source of what it wraps.
        match current.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
            Some(wrapped) => Some(wrapped),
            None => current.source(),
        }
    })
}

/// Presents the certificate in force at each handshake.
#[derive(Debug)]
struct CurrentCertificate(Credentials);

impl ResolvesClientCert for CurrentCertificate {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.0.own().certified.clone())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// Accepts one service only.
#[derive(Debug)]
struct ExactServer {
    credentials: Credentials,
    expected: SpiffeId,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for ExactServer {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let server = self
            .credentials
            .trust()
            .verify(end_entity, intermediates, Some(server_name), Purpose::Server, now.as_secs())
            .map_err(ChainFault::into_rustls)?;
        if *server.spiffe_id() == self.expected {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(ChainFault::WrongIdentity.into_rustls())
        }
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
