//! Who a certificate speaks for: exactly one SPIFFE id, compared byte for byte.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// Longest accepted id in bytes, as the SPIFFE standard sets it.
const LONGEST_ID: usize = 2048;

/// A workload's name, such as `spiffe://iidi.example/pt/on/inbound-transfer`.
///
/// Two ids are equal when their bytes are. Nothing is normalised: another case, a trailing slash or an
/// escaped character makes another id, or none.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SpiffeId(String);

/// Why a certificate or a text names nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// The certificate carries no URI at all.
    #[error("certificate has no URI name")]
    NoUri,
    /// The certificate carries several URIs, so it could be taken for several services.
    #[error("certificate has more than one URI name")]
    SeveralUris,
    /// The text is not a SPIFFE id in its one accepted spelling.
    #[error("not a SPIFFE id")]
    NotSpiffe,
    /// The certificate cannot be read.
    #[error("certificate cannot be read")]
    Unreadable,
}

impl SpiffeId {
    /// Reads an id strictly: scheme `spiffe`, a lower-case trust domain, a path of plain segments.
    ///
    /// # Errors
    /// [`IdentityError::NotSpiffe`] for anything else: ports, user names, queries, escapes, empty or dot
    /// segments, a missing path, more than 2,048 bytes.
    pub fn parse(text: &str) -> Result<Self, IdentityError> {
        let rest = text.strip_prefix("spiffe://").ok_or(IdentityError::NotSpiffe)?;
        let (domain, path) = rest.split_once('/').ok_or(IdentityError::NotSpiffe)?;
        let domain_is_plain = !domain.is_empty()
            && domain.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-._".contains(&b));
        let path_is_plain = path.split('/').all(|segment| {
            !matches!(segment, "" | "." | "..")
                && segment.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
        });
        if text.len() <= LONGEST_ID && domain_is_plain && path_is_plain {
            Ok(Self(text.to_owned()))
        } else {
            Err(IdentityError::NotSpiffe)
        }
    }

    /// Returns the id as it stands in the certificate.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for SpiffeId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl From<SpiffeId> for String {
    fn from(id: SpiffeId) -> Self {
        id.0
    }
}

impl TryFrom<String> for SpiffeId {
    type Error = IdentityError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl std::str::FromStr for SpiffeId {
    type Err = IdentityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

/// What a verified leaf certificate says about its holder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerIdentity {
    /// Serial number in lower-case hexadecimal, two digits a byte, without a leading sign byte.
    pub serial_hex: String,
    /// SHA-256 of the leaf's DER bytes.
    pub sha256: [u8; 32],
    /// Last second of validity, in seconds since 1970.
    pub not_after: u64,
    spiffe_id: SpiffeId,
    issuer: Vec<u8>,
}

impl PeerIdentity {
    /// Reads the identity of a leaf. The caller has verified, or is about to verify, its chain.
    ///
    /// # Errors
    /// [`IdentityError`] unless the certificate has exactly one URI name and that is a SPIFFE id.
    pub fn from_leaf(der: &[u8]) -> Result<Self, IdentityError> {
        let (rest, leaf) = X509Certificate::from_der(der).map_err(|_| IdentityError::Unreadable)?;
        if !rest.is_empty() {
            return Err(IdentityError::Unreadable);
        }
        let names = leaf
            .subject_alternative_name()
            .map_err(|_| IdentityError::Unreadable)?
            .map(|extension| extension.value.general_names.as_slice())
            .unwrap_or_default();
        let mut uris = names.iter().filter_map(|name| match name {
            GeneralName::URI(uri) => Some(*uri),
            _ => None,
        });
        let uri = uris.next().ok_or(IdentityError::NoUri)?;
        if uris.next().is_some() {
            return Err(IdentityError::SeveralUris);
        }
        if names.iter().any(|name| matches!(name, GeneralName::Invalid(..))) {
            return Err(IdentityError::Unreadable);
        }
        Ok(Self {
            spiffe_id: SpiffeId::parse(uri)?,
            serial_hex: hex::encode(unsigned(leaf.raw_serial())),
            sha256: Sha256::digest(der).into(),
            not_after: u64::try_from(leaf.validity().not_after.timestamp()).unwrap_or(0),
            issuer: leaf.issuer().as_raw().to_vec(),
        })
    }

    /// Returns the name the holder proved.
    pub fn spiffe_id(&self) -> &SpiffeId {
        &self.spiffe_id
    }

    /// DER bytes of the issuer's name: serial numbers are unique only together with it.
    pub(crate) fn issuer(&self) -> &[u8] {
        &self.issuer
    }
}

/// Drops the zero byte that DER puts before a number whose first bit is set.
pub(crate) fn unsigned(number: &[u8]) -> &[u8] {
    match number {
        [0, rest @ ..] if !rest.is_empty() => rest,
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_spiffe_id_is_kept_as_written() {
        let text = "spiffe://iidi.example/pt/on/inbound-transfer";
        assert_eq!(SpiffeId::parse(text).unwrap().as_str(), text);
    }

    #[test]
    fn anything_that_could_be_read_twice_is_no_spiffe_id() {
        for text in [
            "",
            "spiffe://",
            "spiffe:///pt/on",
            "spiffe://iidi.example",
            "spiffe://iidi.example/",
            "spiffe://iidi.example/pt/on/",
            "spiffe://iidi.example//pt/on",
            "spiffe://iidi.example/pt/../on",
            "spiffe://iidi.example/./pt",
            "spiffe://iidi.example/pt/%6fn",
            "spiffe://iidi.example/pt/on?x=1",
            "spiffe://iidi.example/pt/on#x",
            "spiffe://iidi.example:443/pt/on",
            "spiffe://user@iidi.example/pt/on",
            "spiffe://IIDI.example/pt/on",
            "Spiffe://iidi.example/pt/on",
            " spiffe://iidi.example/pt/on",
            "spiffe://iidi.example/pt/on ",
            "spiffe://iidi.example/pt/оn", // a Cyrillic o
            "https://iidi.example/pt/on",
        ] {
            assert_eq!(SpiffeId::parse(text), Err(IdentityError::NotSpiffe), "{text:?}");
        }
        assert!(SpiffeId::parse(&format!("spiffe://d/{}", "a".repeat(LONGEST_ID))).is_err());
    }

    #[test]
    fn look_alikes_are_different_ids() {
        let on = SpiffeId::parse("spiffe://iidi.example/pt/on/inbound-transfer").unwrap();
        for other in ["pt/on2/inbound-transfer", "pt/ON/inbound-transfer", "pt/on/outbound-transfer"] {
            assert_ne!(on, SpiffeId::parse(&format!("spiffe://iidi.example/{other}")).unwrap());
        }
    }

    #[test]
    fn bytes_that_are_no_certificate_name_nobody() {
        assert_eq!(PeerIdentity::from_leaf(b"\x30\x03\x02\x01\x01"), Err(IdentityError::Unreadable));
        assert_eq!(PeerIdentity::from_leaf(&[]), Err(IdentityError::Unreadable));
    }
}
