//! Who may read releases: the federator by its certificate, others by a token.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use contracts::ProblemCode;
use mtls::PeerIdentity;
use peers::{JurisdictionState, PeerService, Role};
use service_kit::ProblemResponse;
use service_kit::extract::{Bearer, Scope};
use service_kit::request_log::Caller;

use super::ApiState;

/// The scope of reading.
pub struct Read;
impl Scope for Read {
    const NAME: &'static str = "aggregate.read";
}

/// The scope of publishing.
pub struct Operate;
impl Scope for Operate {
    const NAME: &'static str = "aggregate.operate";
}

/// Somebody who may read.
pub struct Reader;

impl FromRequestParts<ApiState> for Reader {
    type Rejection = ProblemResponse;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, ProblemResponse> {
        let Some(identity) = parts.extensions.get::<PeerIdentity>() else {
            return Bearer::<Read>::from_request_parts(parts, state).await.map(|_| Self);
        };
        let spiffe_id = identity.spiffe_id().as_str();
        let entry = state.directory.by_identity(PeerService::Federator, spiffe_id);
        let Some(entry) = entry.filter(|entry| entry.role == Role::Phac) else {
            tracing::warn!(peer.identity = spiffe_id, "a service that may not read releases has called");
            return Err(ProblemResponse::new(ProblemCode::UnknownPeer)
                .detail("the certificate is not that of the federator in the directory"));
        };
        if let Some(caller) = parts.extensions.get::<Caller>() {
            caller.is_peer(&entry.code);
        }
        if entry.state != JurisdictionState::Active {
            return Err(
                ProblemResponse::new(ProblemCode::PeerSuspended).detail("this jurisdiction is suspended")
            );
        }
        Ok(Self)
    }
}
