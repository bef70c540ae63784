//! Who is calling: by the certificate alone, never by a URL, a header or the body.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use contracts::ProblemCode;
use mtls::PeerIdentity;
use peers::{JurisdictionEntry, JurisdictionState, PeerService, Role};
use service_kit::request_log::Caller;

use super::GatewayState;
use crate::error::ApiError;

/// The outbound-transfer service of an active province.
pub struct Peer {
    /// Its province's entry in the directory.
    pub entry: Arc<JurisdictionEntry>,
    /// Its SPIFFE id.
    pub spiffe_id: String,
}

impl FromRequestParts<GatewayState> for Peer {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &GatewayState) -> Result<Self, ApiError> {
        let identity = parts.extensions.get::<PeerIdentity>();
        let spiffe_id = identity.map(|identity| identity.spiffe_id().as_str().to_owned()).unwrap_or_default();
        let entry = state.directory.by_identity(PeerService::OutboundTransfer, &spiffe_id);
        let entry = entry.filter(|entry| entry.role == Role::Pt && entry.code != state.intake.here);
        let Some(entry) = entry else {
            tracing::warn!(peer.identity = spiffe_id, "a service that may not send has called");
            return Err(ApiError::request(
                ProblemCode::UnknownPeer,
                "the certificate is not that of the outbound-transfer of a province in the directory",
            ));
        };
        if let Some(caller) = parts.extensions.get::<Caller>() {
            caller.is_peer(&entry.code);
        }
        if entry.state != JurisdictionState::Active {
            return Err(ApiError::request(ProblemCode::PeerSuspended, "this jurisdiction is suspended"));
        }
        Ok(Self { entry, spiffe_id })
    }
}
