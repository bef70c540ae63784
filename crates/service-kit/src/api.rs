//! The plain port for a province's own systems: where it listens and whose bearer tokens it accepts.

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
