//! Why a certificate chain is not trusted, in words that metrics, logs and callers share.

use std::sync::Arc;

use rustls::{CertificateError, OtherError};

use crate::identity::IdentityError;

/// What a certificate must be good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Proving a server to its clients, and signing what that server states.
    Server,
    /// Proving a client to a server.
    Client,
}

/// Why a chain was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("certificate chain refused: {}", self.as_str())]
#[non_exhaustive]
pub enum ChainFault {
    /// No trusted certificate authority issued it.
    UnknownIssuer,
    /// Its validity, or that of an intermediate, is over.
    Expired,
    /// Its validity has not begun.
    NotYetValid,
    /// Its issuer has revoked it.
    Revoked,
    /// Nothing current says whether it is revoked: no list of its issuer, or a stale one.
    RevocationUnknown,
    /// It is not issued for this use.
    WrongPurpose,
    /// It is not issued for the host that was called.
    WrongName,
    /// It does not name exactly one service.
    NoIdentity,
    /// It names another service than the one that was called.
    WrongIdentity,
    /// It cannot be read, or its signature or another property is wrong.
    Malformed,
}

impl ChainFault {
    /// Returns the stable word for logs and metric labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UnknownIssuer => "unknown-issuer",
            Self::Expired => "expired",
            Self::NotYetValid => "not-yet-valid",
            Self::Revoked => "revoked",
            Self::RevocationUnknown => "revocation-unknown",
            Self::WrongPurpose => "wrong-purpose",
            Self::WrongName => "wrong-name",
            Self::NoIdentity => "no-identity",
            Self::WrongIdentity => "wrong-identity",
            Self::Malformed => "malformed",
        }
    }

    /// Says the reason in rustls' words, so that the peer gets the fitting alert.
    pub(crate) fn into_rustls(self) -> rustls::Error {
        rustls::Error::InvalidCertificate(match self {
            Self::UnknownIssuer => CertificateError::UnknownIssuer,
            Self::Expired => CertificateError::Expired,
            Self::NotYetValid => CertificateError::NotValidYet,
            Self::Revoked => CertificateError::Revoked,
            Self::RevocationUnknown => CertificateError::UnknownRevocationStatus,
            Self::WrongPurpose => CertificateError::InvalidPurpose,
            Self::WrongName => CertificateError::NotValidForName,
            Self::Malformed => CertificateError::BadEncoding,
            Self::NoIdentity | Self::WrongIdentity => CertificateError::Other(OtherError(Arc::new(self))),
        })
    }

    /// Sorts what rustls says about a certificate.
    pub(crate) fn of(error: &CertificateError) -> Self {
        use CertificateError as E;
        match error {
            E::UnknownIssuer => Self::UnknownIssuer,
            E::Expired | E::ExpiredContext { .. } => Self::Expired,
            E::NotValidYet | E::NotValidYetContext { .. } => Self::NotYetValid,
            E::Revoked => Self::Revoked,
            E::UnknownRevocationStatus
            | E::ExpiredRevocationList
            | E::ExpiredRevocationListContext { .. } => Self::RevocationUnknown,
            E::InvalidPurpose | E::InvalidPurposeContext { .. } => Self::WrongPurpose,
            E::NotValidForName | E::NotValidForNameContext { .. } => Self::WrongName,
            E::Other(other) => other.0.downcast_ref::<Self>().copied().unwrap_or(Self::Malformed),
            _ => Self::Malformed,
        }
    }
}

impl From<IdentityError> for ChainFault {
    fn from(error: IdentityError) -> Self {
        match error {
            IdentityError::Unreadable => Self::Malformed,
            IdentityError::NoUri | IdentityError::SeveralUris | IdentityError::NotSpiffe => Self::NoIdentity,
        }
    }
}

impl From<webpki::Error> for ChainFault {
    fn from(error: webpki::Error) -> Self {
        use webpki::Error as E;
        match error {
            E::UnknownIssuer => Self::UnknownIssuer,
            E::CertExpired { .. } => Self::Expired,
            E::CertNotValidYet { .. } => Self::NotYetValid,
            E::CertRevoked => Self::Revoked,
            E::UnknownRevocationStatus
            | E::CrlExpired { .. }
            | E::InvalidCrlSignatureForPublicKey
            | E::IssuerNotCrlSigner => Self::RevocationUnknown,
            E::RequiredEkuNotFoundContext(_) => Self::WrongPurpose,
            E::CertNotValidForName(_) => Self::WrongName,
            _ => Self::Malformed,
        }
    }
}
