//! Bearer tokens: one issuer, one audience, our algorithms, and who the caller is.

use std::collections::BTreeSet;
use std::str::FromStr as _;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, AlgorithmFamily, Validation};
use serde::Deserialize;

use crate::jwks::{Jwks, JwksError, JwksSource};

/// Longest accepted token in bytes.
const LONGEST_TOKEN: usize = 16 * 1024;

/// Whose tokens are accepted.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenConfig {
    /// The claim `iss` every token must carry.
    pub issuer: String,
    /// The claim `aud` every token must carry, alone or among others.
    pub audience: String,
    /// Where the issuer's keys are.
    pub jwks: JwksSource,
    /// Accepted algorithms; only those with a public key. Default: `ES256`.
    #[serde(default = "default_algorithms")]
    pub algorithms: Vec<String>,
    /// How far the issuer's clock may be from ours, in seconds. Default: 30.
    #[serde(default = "default_leeway")]
    pub leeway_seconds: u64,
}

fn default_algorithms() -> Vec<String> {
    vec!["ES256".to_owned()]
}

fn default_leeway() -> u64 {
    30
}

/// Why a configuration is refused at start.
#[derive(Debug, thiserror::Error)]
pub enum TokenConfigError {
    /// The algorithm is unknown, or its key would be a shared secret.
    #[error("algorithm {name:?} cannot be accepted for tokens")]
    Algorithm {
        /// As configured.
        name: String,
    },
    /// No algorithm at all.
    #[error("no algorithm is configured for tokens")]
    NoAlgorithm,
    /// Issuer or audience is empty, which would match nothing or anything.
    #[error("issuer and audience of tokens must not be empty")]
    Empty,
    /// The source of the keys is wrong.
    #[error("source of the issuer's keys: {what}")]
    Source {
        /// What is wrong.
        what: &'static str,
    },
}

/// Why a token is not accepted, sorted by what to answer.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The token proves nothing: 401.
    #[error("token is refused: {reason}")]
    Invalid {
        /// A stable word: `malformed`, `algorithm`, `key-unknown`, `signature`, `expired`, `not-yet-valid`,
        /// `audience`, `issuer`, `claim-missing`.
        reason: &'static str,
    },
    /// The issuer's keys cannot be had, so nothing can be said about the token: 503.
    #[error("keys of the token issuer are unavailable")]
    Unavailable {
        /// Why.
        source: JwksError,
    },
}

/// Whom a token speaks for and what they may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The claim `sub`.
    pub subject: String,
    /// The words of the claim `scope`.
    pub scopes: BTreeSet<String>,
}

impl Caller {
    /// Says whether the token carries a scope, compared exactly.
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scopes.contains(scope)
    }
}

/// Checks tokens. A clone is cheap and shares the keys.
#[derive(Clone, Debug)]
pub struct TokenVerifier {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    keys: Jwks,
    algorithms: Vec<Algorithm>,
    /// Everything but the algorithms, which follow from the key.
    validation: Validation,
}

impl TokenVerifier {
    /// Judges the configuration. Keys are read with the first token, or by [`TokenVerifier::prime`].
    ///
    /// # Errors
    /// [`TokenConfigError`].
    pub fn new(config: TokenConfig) -> Result<Self, TokenConfigError> {
        let TokenConfig { issuer, audience, jwks, algorithms, leeway_seconds } = config;
        if issuer.is_empty() || audience.is_empty() {
            return Err(TokenConfigError::Empty);
        }
        let algorithms = algorithms.iter().map(|name| algorithm(name)).collect::<Result<Vec<_>, _>>()?;
        let first = *algorithms.first().ok_or(TokenConfigError::NoAlgorithm)?;
        let mut validation = Validation::new(first);
        validation.set_issuer(&[issuer]);
        validation.set_audience(&[audience]);
        validation.set_required_spec_claims(&["exp", "aud", "iss", "sub"]);
        validation.validate_nbf = true;
        validation.leeway = leeway_seconds;
        let keys = Jwks::new(jwks, algorithms.clone())?;
        Ok(Self { inner: Arc::new(Inner { keys, algorithms, validation }) })
    }

    /// Reads the issuer's keys where they have not been read yet, for a service that is getting ready.
    ///
    /// # Errors
    /// [`TokenError::Unavailable`].
    pub async fn prime(&self) -> Result<(), TokenError> {
        self.inner.keys.prime().await.map_err(|source| TokenError::Unavailable { source })
    }

    /// Checks a token, without the word `Bearer`, and returns its caller.
    ///
    /// # Errors
    /// [`TokenError`]: invalid, or not to be judged now.
    pub async fn verify(&self, token: &str) -> Result<Caller, TokenError> {
        if token.len() > LONGEST_TOKEN {
            return Err(invalid("malformed"));
        }
        let header = Header::of(token).ok_or(invalid("malformed"))?;
        // Judged before any key is looked for; which of ours it must be follows from the key below.
        let named = Algorithm::from_str(&header.alg).ok();
        if named.is_none_or(|named| !self.inner.algorithms.contains(&named)) {
            return Err(invalid("algorithm"));
        }
        if header.crit.is_some() {
            return Err(invalid("malformed"));
        }
        let kid = header.kid.ok_or(invalid("key-unknown"))?;
        let key = self
            .inner
            .keys
            .key(&kid)
            .await
            .map_err(|source| TokenError::Unavailable { source })?
            .ok_or(invalid("key-unknown"))?;
        let mut validation = self.inner.validation.clone();
        validation.algorithms.clone_from(&key.algorithms);
        let claims = jsonwebtoken::decode::<Claims>(token, &key.decoding, &validation)
            .map_err(|error| invalid(reason(error.kind())))?
            .claims;
        if claims.sub.is_empty() {
            return Err(invalid("claim-missing"));
        }
        let scopes = claims.scope.unwrap_or_default().split_ascii_whitespace().map(str::to_owned).collect();
        Ok(Caller { subject: claims.sub, scopes })
    }
}

/// What is read of a header before anything is verified.
#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    crit: Option<serde::de::IgnoredAny>,
}

impl Header {
    fn of(token: &str) -> Option<Self> {
        let (header, _) = token.split_once('.')?;
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).ok()?).ok()
    }
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    scope: Option<String>,
}

/// Accepts the names of algorithms with a public key; `none` has no name here and HS* shares a secret.
fn algorithm(name: &str) -> Result<Algorithm, TokenConfigError> {
    Algorithm::from_str(name)
        .ok()
        .filter(|algorithm| algorithm.family() != AlgorithmFamily::Hmac)
        .ok_or_else(|| TokenConfigError::Algorithm { name: name.to_owned() })
}

fn invalid(reason: &'static str) -> TokenError {
    TokenError::Invalid { reason }
}

fn reason(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::InvalidSignature => "signature",
        ErrorKind::ExpiredSignature => "expired",
        ErrorKind::ImmatureSignature => "not-yet-valid",
        ErrorKind::InvalidAudience => "audience",
        ErrorKind::InvalidIssuer => "issuer",
        ErrorKind::InvalidAlgorithm => "algorithm",
        ErrorKind::MissingRequiredClaim(_) => "claim-missing",
        _ => "malformed",
    }
}
