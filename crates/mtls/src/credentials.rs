//! Our certificate, our key and whom we trust, read from files and read again while the service runs.
//!
//! What we prove ourselves with and whom we trust are judged apart: a bad renewal of the certificate does
//! not keep a new revocation list out. Whatever is wrong stays out, and the last good part stays in force.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls_pki_types::CertificateDer;
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use crate::chain::{ChainFault, Purpose};
use crate::identity::{PeerIdentity, SpiffeId};

mod expiry;
mod own;
mod pem;
mod trust;

pub(crate) use own::Own;
pub use own::Signer;
pub(crate) use trust::Trust;

/// Where the files are, all PEM. Mount the directory, so that a renewal can swap it as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsFiles {
    /// Our chain, leaf first.
    pub certificate: PathBuf,
    /// The leaf's private key.
    pub key: PathBuf,
    /// Trusted certificate authorities; an entry that is unusable or expired is left out.
    pub roots: PathBuf,
    /// Revocation lists, one per authority. Left away, revocation is not checked; given, a peer whose
    /// issuer has no current list is refused.
    #[serde(default)]
    pub crl: Option<PathBuf>,
}

/// Why credentials could not be read, or not be replaced.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// A file is not there or not readable; it may be in a moment.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// The content is wrong: someone must replace the file.
    #[error("{what}")]
    Invalid {
        /// What is wrong, without secrets.
        what: &'static str,
    },
    /// Our own chain does not lead to an authority we trust, or is out of its validity.
    #[error("own certificate is not valid by our own trust bundle")]
    NotTrusted {
        /// The reason.
        source: ChainFault,
    },
    /// The TLS library refused to build a configuration.
    #[error("TLS cannot be configured")]
    Configuration {
        /// What it says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Credentials in force. A clone is cheap and sees every reload.
#[derive(Clone)]
pub struct Credentials {
    inner: Arc<Inner>,
}

struct Inner {
    files: TlsFiles,
    own: ArcSwap<Own>,
    trust: ArcSwap<Trust>,
    /// Counts changes of trust, so that a connection knows when to judge its peer again.
    trust_version: AtomicU64,
    reloading: Mutex<()>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("spiffe_id", &self.spiffe_id()).finish_non_exhaustive()
    }
}

impl Credentials {
    /// Reads and judges all files.
    ///
    /// # Errors
    /// [`CredentialError`] when a file is missing or wrong, key and certificate do not belong together, or
    /// the chain is not valid by the bundle it comes with.
    pub fn load(files: &TlsFiles) -> Result<Self, CredentialError> {
        let now = crate::now_unix();
        let trust = read_trust(files, now)?;
        let own = read_own(files)?;
        trust
            .vouches_for(&own.certified.cert, now)
            .map_err(|source| CredentialError::NotTrusted { source })?;
        publish_expiry(&own);
        publish_lists_end(&trust);
        Ok(Self {
            inner: Arc::new(Inner {
                files: files.clone(),
                own: ArcSwap::from_pointee(own),
                trust: ArcSwap::from_pointee(trust),
                trust_version: AtomicU64::new(0),
                reloading: Mutex::new(()),
            }),
        })
    }

    /// Reads the files again and puts in force what changed and is good. Returns whether anything changed.
    ///
    /// # Errors
    /// [`CredentialError`] when a part was refused: that part stays as it was; the other may have changed.
    pub fn reload(&self) -> Result<bool, CredentialError> {
        let _one_at_a_time = self.inner.reloading.lock().unwrap_or_else(PoisonError::into_inner);
        let now = crate::now_unix();
        let (current_own, current_trust) = (self.inner.own.load_full(), self.inner.trust.load_full());
        let (new_own, new_trust) = (read_own(&self.inner.files), read_trust(&self.inner.files, now));

        // A new pair is judged by the bundle that came with it, else by the one in force.
        let judge = new_trust.as_ref().unwrap_or(&current_trust);
        let new_own = new_own.and_then(|own| {
            if own.digest() == current_own.digest() {
                return Ok(None);
            }
            judge
                .vouches_for(&own.certified.cert, now)
                .map_err(|source| CredentialError::NotTrusted { source })?;
            Ok(Some(own))
        });
        // A bundle that does not know the authority of the chain in force is taken for a wrong file.
        // Our own expiry is no reason to keep it out.
        let new_trust = new_trust.and_then(|trust| {
            if trust.digest() == current_trust.digest() {
                return Ok(None);
            }
            let in_force = match &new_own {
                Ok(Some(own)) => own,
                _ => &current_own,
            };
            trust
                .vouches_for(&in_force.certified.cert, now.min(in_force.identity.not_after))
                .map_err(|source| CredentialError::NotTrusted { source })?;
            Ok(Some(trust))
        });

        let mut changed = false;
        let refused_trust = match new_trust {
            Ok(Some(trust)) => {
                self.inner.trust.store(Arc::new(trust));
                self.inner.trust_version.fetch_add(1, Ordering::Release);
                changed = true;
                None
            }
            Ok(None) => None,
            Err(error) => Some(error),
        };
        let refused_own = match new_own {
            Ok(Some(own)) => {
                publish_expiry(&own);
                self.inner.own.store(Arc::new(own));
                changed = true;
                None
            }
            Ok(None) => None,
            Err(error) => Some(error),
        };
        refused_own.or(refused_trust).map_or(Ok(changed), Err)
    }

    /// Reloads at each interval until told to stop, and logs changes and refusals, a lasting one once.
    ///
    /// The content of the files is compared, since a volume swapped as a whole tells no file watcher.
    pub async fn watch(self, interval: Duration, stop: CancellationToken) {
        let mut last_refusal = String::new();
        let mut warned = expiry::Warned::default();
        warned.look(&self, crate::now_unix());
        while stop.run_until_cancelled(tokio::time::sleep(interval)).await.is_some() {
            let credentials = self.clone();
            let Ok(outcome) = tokio::task::spawn_blocking(move || credentials.reload()).await else {
                continue;
            };
            match outcome {
                Ok(true) => {
                    last_refusal.clear();
                    tracing::info!(
                        spiffe_id = %self.spiffe_id(), not_after = self.not_after(),
                        "TLS credentials were replaced"
                    );
                }
                Ok(false) => last_refusal.clear(),
                Err(error) => {
                    let refusal = with_sources(&error);
                    if refusal != last_refusal {
                        tracing::warn!(
                            error = refusal,
                            "new TLS credentials are refused, the last good stay"
                        );
                        last_refusal = refusal;
                    }
                }
            }
            publish_lists_end(&self.trust());
            warned.look(&self, crate::now_unix());
        }
    }

    /// Returns our own name.
    pub fn spiffe_id(&self) -> SpiffeId {
        self.inner.own.load().identity.spiffe_id().clone()
    }

    /// Returns our chain, leaf first, each certificate as DER.
    pub fn chain_der(&self) -> Vec<Vec<u8>> {
        self.signer().chain_der()
    }

    /// Returns the last second of our leaf's validity, in seconds since 1970.
    pub fn not_after(&self) -> u64 {
        self.inner.own.load().identity.not_after
    }

    /// Returns chain and key as of now, for signing statements. The key itself stays inside.
    pub fn signer(&self) -> Signer {
        Signer::new(&self.inner.own.load())
    }

    /// Says whether a current list of the certificate's issuer names it.
    pub fn is_revoked(&self, peer: &PeerIdentity) -> bool {
        self.inner.trust.load().is_revoked(peer)
    }

    /// Judges a chain (leaf first, DER) at a moment in seconds since 1970: authority, validity, revocation,
    /// use, and that the leaf names exactly one service, which is returned.
    ///
    /// # Errors
    /// [`ChainFault`], the first reason found.
    pub fn verify_chain(
        &self,
        chain_der: &[Vec<u8>],
        at: u64,
        purpose: Purpose,
    ) -> Result<PeerIdentity, ChainFault> {
        let chain: Vec<CertificateDer<'_>> =
            chain_der.iter().map(|der| CertificateDer::from(der.as_slice())).collect();
        let (leaf, intermediates) = chain.split_first().ok_or(ChainFault::Malformed)?;
        self.inner.trust.load().verify(leaf, intermediates, None, purpose, at)
    }

    pub(crate) fn own(&self) -> Arc<Own> {
        self.inner.own.load_full()
    }

    pub(crate) fn trust(&self) -> Arc<Trust> {
        self.inner.trust.load_full()
    }

    pub(crate) fn trust_version(&self) -> u64 {
        self.inner.trust_version.load(Ordering::Acquire)
    }
}

fn read_trust(files: &TlsFiles, now: u64) -> Result<Trust, CredentialError> {
    let crl = files.crl.as_deref().map(read).transpose()?;
    Trust::read(&read(&files.roots)?, crl.as_deref(), now)
}

fn read_own(files: &TlsFiles) -> Result<Own, CredentialError> {
    Own::read(&read(&files.certificate)?, &read(&files.key)?)
}

fn read(path: &Path) -> Result<Vec<u8>, CredentialError> {
    std::fs::read(path).map_err(|source| CredentialError::Unreadable { path: path.to_owned(), source })
}

/// Seconds since 1970 fit a gauge exactly for the next hundred million years.
#[expect(clippy::cast_precision_loss, reason = "a date is far below 2^52")]
fn publish_expiry(own: &Own) {
    metrics::gauge!("cert_not_after_seconds", "spiffe_id" => own.identity.spiffe_id().to_string())
        .set(own.identity.not_after as f64);
}

/// Says when the first revocation list is out of date: from then on nobody of its issuer gets in.
#[expect(clippy::cast_precision_loss, reason = "a date is far below 2^52")]
fn publish_lists_end(trust: &Trust) {
    if let Some(end) = trust.lists_end() {
        metrics::gauge!("crl_next_update_seconds").set(end as f64);
    }
}

fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    text
}
