//! The service's configuration; `config.example.yaml` shows every key.

use std::net::SocketAddr;
use std::path::PathBuf;

use mtls::{SpiffeId, TlsFiles};
use peers::DirectoryConfig;
use serde::Deserialize;
use service_kit::{ApiConfig, Common, ServiceConfig};

/// The whole configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Admin port, database (the audit trail only), log.
    pub common: Common,
    /// The port for readers with a bearer token.
    pub api: ApiConfig,
    /// The port for readers with a client certificate; without it there is none.
    pub gateway: Option<GatewayConfig>,
    /// This service's certificate and whom it trusts.
    pub tls: TlsFiles,
    /// How often certificates and trust are looked at, in seconds.
    #[serde(default = "service_kit::default_tls_poll")]
    pub tls_poll_seconds: u64,
    /// The peer directory: whom to ask, and where.
    pub directory: DirectoryConfig,
    /// The folder, writable, that keeps each province's last good release. Each process has its own.
    pub last_good_folder: PathBuf,
    /// How provinces are asked.
    #[serde(default)]
    pub sources: SourcesConfig,
    /// What readers may do.
    #[serde(default)]
    pub readers: ReadersConfig,
}

/// Where readers with a client certificate connect, and who they are.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GatewayConfig {
    /// Address and port.
    pub listen: SocketAddr,
    /// Exact SPIFFE ids of the readers.
    pub readers: Vec<String>,
}

/// How provinces are asked.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SourcesConfig {
    /// The pause between two rounds of asking, in seconds.
    pub refresh_seconds: u64,
    /// How long one province may take, in milliseconds.
    pub timeout_milliseconds: u64,
    /// How long an answer may take altogether, in milliseconds: one that comes after the province's time is taken over
    /// by a later round.
    pub late_milliseconds: u64,
    /// How long a round may take, in milliseconds.
    pub deadline_milliseconds: u64,
    /// The largest release, unpacked, in bytes.
    pub max_release_bytes: usize,
    /// A release whose records are of more than so many hours ago is stale, however often the province repeats it.
    pub stale_after_hours: u32,
}

impl Default for SourcesConfig {
    fn default() -> Self {
        Self {
            refresh_seconds: 15,
            timeout_milliseconds: 5_000,
            late_milliseconds: 60_000,
            deadline_milliseconds: 10_000,
            max_release_bytes: 64 << 20,
            stale_after_hours: 192,
        }
    }
}

/// What readers may do.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReadersConfig {
    /// Requests of one reader in a minute.
    pub requests_per_minute: u32,
    /// Requests of all readers at once; more are answered 503 with `Retry-After`.
    pub concurrency: usize,
}

impl Default for ReadersConfig {
    fn default() -> Self {
        Self { requests_per_minute: 600, concurrency: 64 }
    }
}

impl ServiceConfig for Config {
    fn common(&self) -> &Common {
        &self.common
    }

    fn contradictions(&self) -> Vec<String> {
        let mut found = Vec::new();
        let sources = &self.sources;
        if sources.timeout_milliseconds == 0 || sources.timeout_milliseconds > sources.deadline_milliseconds {
            found.push(
                "sources.timeout_milliseconds must be at least 1 and at most sources.deadline_milliseconds"
                    .to_owned(),
            );
        }
        if sources.late_milliseconds < sources.timeout_milliseconds {
            found.push("sources.late_milliseconds must be at least sources.timeout_milliseconds".to_owned());
        }
        if sources.refresh_seconds == 0 || sources.max_release_bytes == 0 || sources.stale_after_hours == 0 {
            found.push(
                "sources.refresh_seconds, max_release_bytes and stale_after_hours must be at least 1"
                    .to_owned(),
            );
        }
        if self.readers.requests_per_minute == 0 || self.readers.concurrency == 0 {
            found.push("readers.requests_per_minute and concurrency must be at least 1".to_owned());
        }
        let readers = self.gateway.iter().flat_map(|gateway| &gateway.readers);
        for reader in readers.filter(|reader| SpiffeId::parse(reader).is_err()) {
            found.push(format!("gateway.readers: {reader} is no SPIFFE id"));
        }
        found
    }
}
