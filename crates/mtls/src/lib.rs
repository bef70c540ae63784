//! Mutual TLS between services: who we are, who the peer is, the accept loop and the client.
//!
//! An identity is one `spiffe://` URI in the leaf certificate, compared byte for byte. Credentials are
//! files that are read again while the service runs: what is wrong is refused and the last good set stays.
//! Trust is checked at the handshake and again on each request, so a revocation reaches open connections.
//!
//! What this crate refuses to do: it knows no provinces and no directory (which identity may call what is
//! decided elsewhere), takes no identity from a header, resumes no session, speaks nothing below TLS 1.3,
//! and never hands out the private key. It is the only crate that knows rustls.

pub mod client;
pub mod credentials;
pub mod identity;
pub mod listener;
#[cfg(feature = "test-pki")]
pub mod pki;

mod chain;
mod es256;

pub use chain::{ChainFault, Purpose};
pub use client::{ClientOptions, Fault, chain_fault, client, fault};
pub use credentials::{CredentialError, Credentials, Signer, TlsFiles};
pub use es256::verify_es256;
pub use identity::{IdentityError, PeerIdentity, SpiffeId};
pub use listener::{HandshakeRefused, ListenerEvents, ListenerOptions, RefusalReason, serve};

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};

/// Makes aws-lc-rs the process-wide provider of cryptography.
///
/// Called first in `main`. A second call does nothing.
pub fn install_crypto_provider() {
    // The error only says that a provider is already there, and this workspace links no other.
    let _ = aws_lc_rs::default_provider().install_default();
}

/// The provider our own configurations name explicitly, so none depends on the order of start-up.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// Seconds since 1970, from the system clock: certificates are judged by it, not by a test's clock.
pub(crate) fn now_unix() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
