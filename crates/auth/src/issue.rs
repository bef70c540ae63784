//! An issuer of tokens on this computer, for the demo, `cargo xtask token` and tests.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;

const KEY: &str = "issuer.key";
const JWKS: &str = "jwks.json";

/// Why the issuer failed.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// A file could not be read or written.
    #[error("cannot use {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// No key could be made.
    #[error("key cannot be made")]
    Key {
        /// What the library says.
        source: rcgen::Error,
    },
    /// A token or key set could not be made.
    #[error("token cannot be made")]
    Token {
        /// What the library says.
        source: jsonwebtoken::errors::Error,
    },
    /// The key set could not be written as JSON.
    #[error("key set cannot be written")]
    KeySet {
        /// Why.
        source: serde_json::Error,
    },
}

/// Mints ES256 tokens with a key that lies in a directory.
pub struct LocalIssuer {
    key: EncodingKey,
    kid: String,
    issuer: String,
    audience: String,
    jwks: PathBuf,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: &'a str,
    sub: &'a str,
    scope: String,
    iat: u64,
    exp: u64,
}

impl LocalIssuer {
    /// Makes a new key, replacing an old one, and writes it and its key set into a directory.
    ///
    /// # Errors
    /// [`IssueError`].
    pub fn create(dir: &Path, issuer: &str, audience: &str) -> Result<Self, IssueError> {
        fs::create_dir_all(dir).map_err(|source| IssueError::File { path: dir.to_owned(), source })?;
        let pair = rcgen::KeyPair::generate().map_err(|source| IssueError::Key { source })?;
        write(&dir.join(KEY), pair.serialize_pem().as_bytes(), 0o600)?;
        let made = Self::with_key(dir, issuer, audience, pair.serialized_der())?;
        let mut jwk = made.public_key()?;
        jwk.common.key_id = Some(made.kid.clone());
        jwk.common.public_key_use = Some(PublicKeyUse::Signature);
        let set = serde_json::to_vec_pretty(&JwkSet { keys: vec![jwk] });
        write(&made.jwks, &set.map_err(|source| IssueError::KeySet { source })?, 0o644)?;
        Ok(made)
    }

    /// Opens what [`LocalIssuer::create`] left in a directory.
    ///
    /// # Errors
    /// [`IssueError`].
    pub fn open(dir: &Path, issuer: &str, audience: &str) -> Result<Self, IssueError> {
        let path = dir.join(KEY);
        let pem = fs::read_to_string(&path).map_err(|source| IssueError::File { path, source })?;
        let pair = rcgen::KeyPair::from_pem(&pem).map_err(|source| IssueError::Key { source })?;
        Self::with_key(dir, issuer, audience, pair.serialized_der())
    }

    /// Mints a token for a subject with some scopes.
    ///
    /// # Errors
    /// [`IssueError::Token`].
    pub fn mint(&self, subject: &str, scopes: &[&str], lifetime: Duration) -> Result<String, IssueError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(self.kid.clone());
        let claims = Claims {
            iss: &self.issuer,
            aud: &self.audience,
            sub: subject,
            scope: scopes.join(" "),
            iat: now,
            exp: now.saturating_add(lifetime.as_secs()),
        };
        jsonwebtoken::encode(&header, &claims, &self.key).map_err(|source| IssueError::Token { source })
    }

    /// Returns the file a service names as `jwks.file`.
    pub fn jwks_file(&self) -> &Path {
        &self.jwks
    }

    /// Returns the id of the key.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    fn with_key(dir: &Path, issuer: &str, audience: &str, pkcs8: &[u8]) -> Result<Self, IssueError> {
        let mut made = Self {
            key: EncodingKey::from_ec_der(pkcs8),
            kid: String::new(),
            issuer: issuer.to_owned(),
            audience: audience.to_owned(),
            jwks: dir.join(JWKS),
        };
        made.kid = made
            .public_key()?
            .thumbprint(ThumbprintHash::SHA256)
            .map_err(|source| IssueError::Token { source })?;
        Ok(made)
    }

    fn public_key(&self) -> Result<Jwk, IssueError> {
        Jwk::from_encoding_key(&self.key, Algorithm::ES256).map_err(|source| IssueError::Token { source })
    }
}

/// Writes a file as a whole: a reader sees the old content or the new, never a part.
fn write(path: &Path, content: &[u8], mode: u32) -> Result<(), IssueError> {
    let new = path.with_added_extension("new");
    let attempt = || {
        let mut file =
            fs::OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&new)?;
        file.write_all(content)?;
        fs::rename(&new, path)
    };
    attempt().map_err(|source| IssueError::File { path: path.to_owned(), source })
}
