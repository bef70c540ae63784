//! Headers of our own use, and RFC 9530 digests.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

/// Names a request in both ends' logs and audit rows.
pub const X_REQUEST_ID: &str = "x-request-id";
/// Becomes the transfer's id.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// RFC 9530 digest of the body as it is sent.
pub const CONTENT_DIGEST: &str = "content-digest";
/// The media type of FHIR R4 JSON.
pub const FHIR_JSON: &str = "application/fhir+json";

/// The SHA-256 of a package's bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ContentDigest([u8; 32]);

/// The header holds no usable SHA-256 digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Content-Digest must hold sha-256=:<base64 of 32 bytes>: (RFC 9530)")]
pub struct InvalidDigest;

impl ContentDigest {
    /// Computes the digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Takes over a digest computed elsewhere, for instance while streaming.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Reads a `Content-Digest` header; other algorithms beside `sha-256` are passed over (RFC 9530 §2).
    pub fn parse_header(value: &str) -> Result<Self, InvalidDigest> {
        let mut found = None;
        for member in value.split(',') {
            let Some((name, digest)) = member.trim().split_once('=') else { return Err(InvalidDigest) };
            if !name.eq_ignore_ascii_case("sha-256") {
                continue;
            }
            let inner = digest.strip_prefix(':').and_then(|d| d.strip_suffix(':')).ok_or(InvalidDigest)?;
            let bytes = STANDARD.decode(inner).map_err(|_| InvalidDigest)?;
            let bytes: [u8; 32] = bytes.try_into().map_err(|_| InvalidDigest)?;
            if found.replace(Self(bytes)).is_some() {
                return Err(InvalidDigest);
            }
        }
        found.ok_or(InvalidDigest)
    }

    /// Returns the header's value.
    pub fn to_header(&self) -> String {
        format!("sha-256=:{}:", STANDARD.encode(self.0))
    }

    /// Returns the 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for ContentDigest {
    /// Writes `sha-256:` and 64 hexadecimal digits, the form used in receipts, columns and logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha-256:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ContentDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_read_back_from_its_header() {
        let digest = ContentDigest::of(b"package");
        assert_eq!(ContentDigest::parse_header(&digest.to_header()), Ok(digest));
        let with_other = format!("sha-512=:AAAA:, {}", digest.to_header());
        assert_eq!(ContentDigest::parse_header(&with_other), Ok(digest));
    }

    #[test]
    fn anything_else_is_refused() {
        let twice = format!("{0}, {0}", ContentDigest::of(b"x").to_header());
        for wrong in [
            "",
            "sha-256",
            "sha-256=abc",
            "sha-256=:AAAA:",
            "sha-256=::",
            "md5=:AAAA:",
            "sha-256=:?:",
            &twice,
        ] {
            assert_eq!(ContentDigest::parse_header(wrong), Err(InvalidDigest), "{wrong}");
        }
    }
}
