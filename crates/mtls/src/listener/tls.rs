//! The server's half of TLS: version, certificate and the judgement of clients, always as of now.

use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{DigitallySignedStruct, DistinguishedName, PeerIncompatible, ServerConfig, SignatureScheme};
use rustls_pki_types::{CertificateDer, UnixTime};

use crate::chain::{ChainFault, Purpose};
use crate::credentials::Credentials;

/// Builds the configuration. Certificate and trust are looked up at each handshake, so it never goes stale.
pub(super) fn server_config(credentials: &Credentials) -> Result<ServerConfig, rustls::Error> {
    let provider = crate::provider();
    let algorithms = provider.signature_verification_algorithms;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(Arc::new(NamedClients { credentials: credentials.clone(), algorithms }))
        .with_cert_resolver(Arc::new(CurrentCertificate(credentials.clone())));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    // A resumed session would keep the identity of a certificate that has since been replaced or revoked.
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(config)
}

#[derive(Debug)]
struct CurrentCertificate(Credentials);

impl ResolvesServerCert for CurrentCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.own().certified.clone())
    }
}

/// Accepts every client that a trusted authority has given exactly one name.
#[derive(Debug)]
struct NamedClients {
    credentials: Credentials,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ClientCertVerifier for NamedClients {
    /// None: the names could not follow a reload, and our clients have one certificate to choose from.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.credentials
            .trust()
            .verify(end_entity, intermediates, None, Purpose::Client, now.as_secs())
            .map(|_| ClientCertVerified::assertion())
            .map_err(ChainFault::into_rustls)
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(PeerIncompatible::Tls12NotOfferedOrEnabled.into())
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
