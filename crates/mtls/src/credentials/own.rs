//! What we prove ourselves with: a chain and the key of its leaf.

use std::sync::Arc;

use rustls::SignatureScheme;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};

use super::CredentialError;
use super::pem::sections;
use crate::es256;
use crate::identity::PeerIdentity;

/// A chain whose key fits, as read at one moment.
pub(crate) struct Own {
    pub(crate) certified: Arc<CertifiedKey>,
    pub(crate) identity: PeerIdentity,
    digest: [u8; 32],
}

impl Own {
    /// Reads chain and key and refuses a pair that does not belong together.
    pub(super) fn read(certificate: &[u8], key: &[u8]) -> Result<Self, CredentialError> {
        let chain = sections::<CertificateDer<'static>>(certificate)
            .into_iter()
            .collect::<Option<Vec<_>>>()
            .ok_or(CredentialError::Invalid { what: "certificate file cannot be read" })?;
        let leaf =
            chain.first().ok_or(CredentialError::Invalid { what: "certificate file has no certificate" })?;
        let identity = PeerIdentity::from_leaf(leaf)
            .map_err(|_| CredentialError::Invalid { what: "own certificate does not name one service" })?;
        let key = PrivateKeyDer::from_pem_slice(key)
            .map_err(|_| CredentialError::Invalid { what: "key file has no private key" })?;
        let signing = crate::provider()
            .key_provider
            .load_private_key(key)
            .map_err(|_| CredentialError::Invalid { what: "private key cannot be used" })?;
        let certified = CertifiedKey::new(chain, signing);
        certified
            .keys_match()
            .map_err(|_| CredentialError::Invalid { what: "private key does not fit the certificate" })?;
        let mut digest = Sha256::new();
        for part in &certified.cert {
            digest.update(part.as_ref());
        }
        Ok(Self { certified: Arc::new(certified), identity, digest: digest.finalize().into() })
    }

    /// Tells this chain from another one. The key follows from the leaf, which carries its public half.
    pub(super) fn digest(&self) -> [u8; 32] {
        self.digest
    }
}

/// A chain and its key taken together, so that a renewal between two calls cannot mix them.
#[derive(Clone)]
pub struct Signer {
    certified: Arc<CertifiedKey>,
    identity: PeerIdentity,
}

impl Signer {
    pub(super) fn new(own: &Own) -> Self {
        Self { certified: own.certified.clone(), identity: own.identity.clone() }
    }

    /// Returns the chain, leaf first, each certificate as DER.
    pub fn chain_der(&self) -> Vec<Vec<u8>> {
        self.certified.cert.iter().map(|part| part.to_vec()).collect()
    }

    /// Returns whom the leaf names.
    pub fn identity(&self) -> &PeerIdentity {
        &self.identity
    }

    /// Signs with ECDSA on P-256 and SHA-256; returns `r` and `s`, 32 bytes each, as JOSE's ES256 wants them.
    ///
    /// # Errors
    /// [`CredentialError::Invalid`] when the key is of another kind.
    pub fn sign_es256(&self, message: &[u8]) -> Result<[u8; 64], CredentialError> {
        let unfit = CredentialError::Invalid { what: "own key is not ECDSA on P-256" };
        let Some(signer) = self.certified.key.choose_scheme(&[SignatureScheme::ECDSA_NISTP256_SHA256]) else {
            return Err(unfit);
        };
        let der =
            signer.sign(message).map_err(|_| CredentialError::Invalid { what: "own key failed to sign" })?;
        es256::fixed_width(&der).ok_or(unfit)
    }
}
