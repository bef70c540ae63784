//! Where a service listens: the plain port for a province's own systems, whose bearer tokens it accepts, and the
//! gateway for other jurisdictions' certificates.

use std::net::SocketAddr;

use auth::TokenConfig;
use serde::Deserialize;

/// Where the API listens and whose tokens it accepts.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiConfig {
    /// Address and port.
    pub listen: SocketAddr,
    /// Whose bearer tokens are accepted.
    pub tokens: TokenConfig,
}

/// Where other jurisdictions' services connect.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GatewayConfig {
    /// Address and port.
    pub listen: SocketAddr,
}

/// How often certificates and trust are looked at unless the configuration says so, in seconds.
pub fn default_tls_poll() -> u64 {
    30
}
