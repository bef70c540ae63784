//! The issuer's public keys: read when first needed, again as they age or when an unknown one is named.
//!
//! What was read last stays in force while the source is away.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey};
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::token::TokenConfigError;

/// Keys older than this are read again.
const FRESH: Duration = Duration::from_mins(10);
/// Shortest time between two reads, whatever tokens name.
const PAUSE: Duration = Duration::from_secs(30);
/// Shortest time between two reads while there are no keys at all.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// Longest read.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Largest key set in bytes.
const LARGEST: usize = 256 * 1024;

/// Where a key set is: exactly one of the two.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JwksSource {
    /// `https` address, or `http` on this computer itself.
    #[serde(default)]
    pub url: Option<String>,
    /// File.
    #[serde(default)]
    pub file: Option<PathBuf>,
}

/// Why no keys could be had.
#[derive(Debug, Clone, thiserror::Error)]
pub enum JwksError {
    /// The address did not answer with a key set in time.
    #[error("key set cannot be fetched")]
    Fetch {
        /// What the client says.
        source: Arc<reqwest::Error>,
    },
    /// The file cannot be read.
    #[error("key set cannot be read")]
    Read {
        /// What the operating system says.
        source: Arc<std::io::Error>,
    },
    /// What was read is no key set, too large, or has no key for our algorithms.
    #[error("{what}")]
    Content {
        /// What is wrong.
        what: &'static str,
    },
}

/// One public key and what it may be used for: our algorithms, as far as they fit the key.
#[derive(Clone)]
pub(crate) struct Key {
    pub(crate) decoding: DecodingKey,
    pub(crate) algorithms: Vec<Algorithm>,
}

/// The keys in force.
pub(crate) struct Jwks {
    source: Source,
    algorithms: Vec<Algorithm>,
    current: ArcSwapOption<KeySet>,
    /// Held while reading, so that many callers cause one read.
    last_read: Mutex<Option<Attempt>>,
}

struct KeySet {
    keys: HashMap<String, Key>,
    read_at: Instant,
}

struct Attempt {
    at: Instant,
    failure: Option<JwksError>,
}

enum Source {
    Url { client: reqwest::Client, url: reqwest::Url },
    File(PathBuf),
}

impl std::fmt::Debug for Jwks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Jwks").field("algorithms", &self.algorithms).finish_non_exhaustive()
    }
}

impl Jwks {
    pub(crate) fn new(source: JwksSource, algorithms: Vec<Algorithm>) -> Result<Self, TokenConfigError> {
        let source = match (source.url, source.file) {
            (Some(url), None) => from_url(&url).map_err(|what| TokenConfigError::Source { what })?,
            (None, Some(file)) => Source::File(file),
            _ => return Err(TokenConfigError::Source { what: "give either url or file" }),
        };
        Ok(Self { source, algorithms, current: ArcSwapOption::empty(), last_read: Mutex::new(None) })
    }

    /// Reads the keys if there are none yet.
    pub(crate) async fn prime(&self) -> Result<(), JwksError> {
        if self.current.load().is_some() { Ok(()) } else { self.refresh(FIRST_PAUSE).await }
    }

    /// Returns the key of an id, `None` when a set read lately has no such key.
    pub(crate) async fn key(&self, kid: &str) -> Result<Option<Key>, JwksError> {
        self.prime().await?;
        if let Some(set) = self.current.load_full()
            && let Some(key) = set.keys.get(kid)
        {
            // One caller refreshes an ageing set; the others and a failure go on with what there is.
            if set.read_at.elapsed() > FRESH
                && let Ok(mut last_read) = self.last_read.try_lock()
                && self.read_again(&mut last_read, PAUSE).await.is_ok()
            {
                return Ok(self.known(kid));
            }
            return Ok(Some(key.clone()));
        }
        self.refresh(PAUSE).await?;
        Ok(self.known(kid))
    }

    fn known(&self, kid: &str) -> Option<Key> {
        self.current.load().as_ref().and_then(|set| set.keys.get(kid).cloned())
    }

    async fn refresh(&self, pause: Duration) -> Result<(), JwksError> {
        let mut last_read = self.last_read.lock().await;
        self.read_again(&mut last_read, pause).await
    }

    /// Reads unless that was done within the pause; then the outcome of that read is the answer.
    async fn read_again(&self, last_read: &mut Option<Attempt>, pause: Duration) -> Result<(), JwksError> {
        if let Some(attempt) = last_read
            && attempt.at.elapsed() < pause
        {
            return attempt.failure.clone().map_or(Ok(()), Err);
        }
        let outcome = self.source.read().await.and_then(|text| self.usable(&text));
        let at = Instant::now();
        match outcome {
            Ok(keys) => {
                self.current.store(Some(Arc::new(KeySet { keys, read_at: at })));
                *last_read = Some(Attempt { at, failure: None });
                Ok(())
            }
            Err(error) => {
                tracing::warn!(error = %error, "keys of the token issuer could not be read");
                *last_read = Some(Attempt { at, failure: Some(error.clone()) });
                Err(error)
            }
        }
    }

    /// Takes the keys that can be used, entry by entry; others are left out.
    fn usable(&self, text: &[u8]) -> Result<HashMap<String, Key>, JwksError> {
        #[derive(Deserialize)]
        struct Document {
            keys: Vec<serde_json::Value>,
        }
        let document: Document =
            serde_json::from_slice(text).map_err(|_| JwksError::Content { what: "not a key set" })?;
        let keys: HashMap<String, Key> =
            document.keys.into_iter().filter_map(|entry| self.usable_key(entry)).collect();
        if keys.is_empty() {
            return Err(JwksError::Content { what: "key set has no key for the configured algorithms" });
        }
        Ok(keys)
    }

    fn usable_key(&self, entry: serde_json::Value) -> Option<(String, Key)> {
        let jwk: Jwk = serde_json::from_value(entry).ok()?;
        if jwk.common.public_key_use.as_ref().is_some_and(|purpose| *purpose != PublicKeyUse::Signature) {
            return None;
        }
        let stated = match jwk.common.key_algorithm {
            Some(stated) => Some(stated.to_string().parse::<Algorithm>().ok()?),
            None => None,
        };
        let algorithms: Vec<Algorithm> = self
            .algorithms
            .iter()
            .copied()
            .filter(|&ours| stated.is_none_or(|stated| stated == ours) && fits(ours, &jwk.algorithm))
            .collect();
        if algorithms.is_empty() {
            return None;
        }
        let decoding = DecodingKey::from_jwk(&jwk).ok()?;
        Some((jwk.common.key_id?, Key { decoding, algorithms }))
    }
}

/// Says whether a key is of the kind an algorithm needs.
fn fits(algorithm: Algorithm, key: &AlgorithmParameters) -> bool {
    match key {
        AlgorithmParameters::EllipticCurve(key) => match algorithm {
            Algorithm::ES256 => key.curve == EllipticCurve::P256,
            Algorithm::ES384 => key.curve == EllipticCurve::P384,
            _ => false,
        },
        AlgorithmParameters::RSA(_) => algorithm.family() == AlgorithmFamily::Rsa,
        AlgorithmParameters::OctetKeyPair(_) => algorithm.family() == AlgorithmFamily::Ed,
        _ => false,
    }
}

fn from_url(text: &str) -> Result<Source, &'static str> {
    let url = reqwest::Url::parse(text).map_err(|_| "url cannot be read")?;
    let is_local = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    if !(url.scheme() == "https" || url.scheme() == "http" && is_local) {
        return Err("url must be https: whoever changes the keys on the way makes tokens");
    }
    mtls::install_crypto_provider();
    let client = reqwest::Client::builder()
        .timeout(TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|_| "no HTTP client could be built")?;
    Ok(Source::Url { client, url })
}

impl Source {
    async fn read(&self) -> Result<Vec<u8>, JwksError> {
        match self {
            Self::File(path) => {
                tokio::fs::read(path).await.map_err(|source| JwksError::Read { source: Arc::new(source) })
            }
            Self::Url { client, url } => {
                let failed = |source| JwksError::Fetch { source: Arc::new(source) };
                let answer = client.get(url.clone()).send().await;
                let mut answer = answer.and_then(reqwest::Response::error_for_status).map_err(failed)?;
                let mut text = Vec::new();
                while let Some(part) = answer.chunk().await.map_err(failed)? {
                    if text.len() + part.len() > LARGEST {
                        return Err(JwksError::Content { what: "key set is too large" });
                    }
                    text.extend_from_slice(&part);
                }
                Ok(text)
            }
        }
    }
}
