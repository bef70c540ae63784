//! What is said of a handshake that failed: a class, never an address or a name.

use std::io;

use rustls::PeerIncompatible as Incompatible;
use tokio::sync::mpsc;

use crate::chain::ChainFault;

/// Why a handshake ended without a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RefusalReason {
    /// It took too long.
    Timeout,
    /// The client showed no certificate.
    NoCertificate,
    /// The client's certificate was refused.
    Chain(ChainFault),
    /// The client offers nothing as new as TLS 1.3.
    ProtocolVersion,
    /// The client refused us, by an alert.
    RefusedByPeer,
    /// The client went away.
    Disconnected,
    /// The client did not keep to the protocol, or speaks another one.
    Protocol,
}

impl RefusalReason {
    /// Returns the stable word for logs and metric labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::NoCertificate => "no-certificate",
            Self::Chain(fault) => fault.as_str(),
            Self::ProtocolVersion => "protocol-version",
            Self::RefusedByPeer => "refused-by-peer",
            Self::Disconnected => "disconnected",
            Self::Protocol => "protocol",
        }
    }

    /// Sorts the error of an accept.
    pub(super) fn of(error: &io::Error) -> Self {
        use rustls::Error as E;
        let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<E>()) else {
            return Self::Disconnected;
        };
        match tls {
            E::NoCertificatesPresented => Self::NoCertificate,
            E::InvalidCertificate(reason) => Self::Chain(ChainFault::of(reason)),
            E::PeerIncompatible(
                Incompatible::SupportedVersionsExtensionRequired
                | Incompatible::Tls12NotOffered
                | Incompatible::Tls12NotOfferedOrEnabled
                | Incompatible::ServerDoesNotSupportTls12Or13,
            ) => Self::ProtocolVersion,
            E::AlertReceived(_) => Self::RefusedByPeer,
            _ => Self::Protocol,
        }
    }
}

/// Says that a handshake was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HandshakeRefused {
    /// Why.
    pub reason: RefusalReason,
}

/// Where refusals go besides the log and the metric `tls_handshakes_refused_total`; by default nowhere.
#[derive(Clone, Debug, Default)]
pub struct ListenerEvents {
    sender: Option<mpsc::Sender<HandshakeRefused>>,
}

impl ListenerEvents {
    /// Returns a pair; what the receiver has no room for is dropped.
    pub fn channel(room: usize) -> (Self, mpsc::Receiver<HandshakeRefused>) {
        let (sender, receiver) = mpsc::channel(room);
        (Self { sender: Some(sender) }, receiver)
    }

    pub(super) fn refused(&self, reason: RefusalReason) {
        metrics::counter!("tls_handshakes_refused_total", "reason" => reason.as_str()).increment(1);
        tracing::warn!(reason = reason.as_str(), "a TLS handshake was refused");
        if let Some(sender) = &self.sender {
            let _ = sender.try_send(HandshakeRefused { reason });
        }
    }
}
