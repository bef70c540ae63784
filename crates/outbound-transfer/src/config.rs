//! The service's configuration; `config.example.yaml` shows every key.

use std::path::PathBuf;

use domain::Jurisdiction;
use mtls::TlsFiles;
use peers::DirectoryConfig;
use serde::Deserialize;
use service_kit::{ApiConfig, Common, ServiceConfig};

/// The whole configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The province that this service belongs to.
    pub jurisdiction: Jurisdiction,
    /// Admin port, database, log.
    pub common: Common,
    /// The API for the province's own systems.
    pub api: ApiConfig,
    /// The province's FHIR server.
    pub fhir: FhirConfig,
    /// The queue.
    pub queue: QueueConfig,
    /// This service's certificate and whom it trusts.
    pub tls: TlsFiles,
    /// How often certificates and trust are looked at, in seconds.
    #[serde(default = "service_kit::default_tls_poll")]
    pub tls_poll_seconds: u64,
    /// The peer directory.
    pub directory: DirectoryConfig,
    /// The file with the keys of packages at rest.
    pub package_keys_file: PathBuf,
    /// How transfers are worked on.
    #[serde(default)]
    pub transfers: TransfersConfig,
}

/// The FHIR server.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FhirConfig {
    /// Its base, such as `http://hapi-fhir:8080/fhir`.
    pub base_url: String,
}

/// The Redis server that dispatches ids.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueueConfig {
    /// A file that holds the URL (`redis://user:password@host:port`).
    pub url_file: PathBuf,
    /// Set before every key, such as `on:tx`; the ACL user is bound to it.
    pub prefix: String,
}

/// What happens to the source after a verified receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CloseSource {
    /// The patient becomes inactive and refers to the destination.
    #[default]
    Refer,
    /// The source stays as it is.
    Keep,
}

/// How transfers are worked on.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TransfersConfig {
    /// What happens to the source: `refer` or `keep`.
    pub close_source: CloseSource,
    /// How many transfers to one destination run at once.
    pub concurrency: usize,
    /// How long a delivery may take, in seconds.
    pub request_timeout_seconds: u64,
    /// After how many seconds a transfer may be taken over whose worker has died; a living one renews its claim.
    pub lease_seconds: u64,
    /// How long a transfer is tried before it is `dead`, in hours.
    pub horizon_hours: u32,
    /// The first pause between attempts, in milliseconds; it doubles, with full jitter, to 15 minutes and then hours.
    pub first_retry_milliseconds: u64,
    /// How many failures of a peer in a row park its lane; a fault of trust parks it at once.
    pub breaker_failures: u32,
    /// The pause before a parked lane is tried again, in seconds; it doubles.
    pub first_probe_seconds: u64,
    /// The longest such pause, in seconds.
    pub longest_probe_seconds: u64,
    /// How long between two questions for the receipt of a dead transfer, in hours.
    pub late_receipt_hours: u32,
    /// How long packages are kept after their transfer was completed or cancelled, in days.
    pub package_days: u32,
    /// When the sweep puts an id on the queue again, in seconds after it went there.
    pub sweep_after_seconds: u64,
}

impl Default for TransfersConfig {
    fn default() -> Self {
        Self {
            close_source: CloseSource::default(),
            concurrency: 8,
            request_timeout_seconds: 60,
            lease_seconds: 30,
            horizon_hours: 7 * 24,
            first_retry_milliseconds: 2000,
            breaker_failures: 5,
            first_probe_seconds: 5,
            longest_probe_seconds: 300,
            late_receipt_hours: 24,
            package_days: 30,
            sweep_after_seconds: 60,
        }
    }
}

impl ServiceConfig for Config {
    fn common(&self) -> &Common {
        &self.common
    }

    fn contradictions(&self) -> Vec<String> {
        let mut found = Vec::new();
        let transfers = &self.transfers;
        if transfers.lease_seconds < 10 {
            found.push(
                "transfers.lease_seconds must be at least 10: a lease is renewed three times in it"
                    .to_owned(),
            );
        }
        if transfers.concurrency == 0 {
            found.push("transfers.concurrency must be at least 1".to_owned());
        }
        if transfers.breaker_failures == 0 || transfers.first_probe_seconds == 0 {
            found.push("transfers.breaker_failures and first_probe_seconds must be at least 1".to_owned());
        }
        if transfers.longest_probe_seconds < transfers.first_probe_seconds {
            found.push("transfers.longest_probe_seconds must be at least first_probe_seconds".to_owned());
        }
        if transfers.late_receipt_hours == 0 {
            found.push("transfers.late_receipt_hours must be at least 1".to_owned());
        }
        if transfers.horizon_hours == 0 {
            found.push("transfers.horizon_hours must be at least 1".to_owned());
        }
        found
    }
}
