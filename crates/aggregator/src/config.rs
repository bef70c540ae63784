//! The service's configuration; `config.example.yaml` shows every key.

use std::path::PathBuf;

use disclosure::Policy;
use domain::Jurisdiction;
use mtls::TlsFiles;
use peers::DirectoryConfig;
use serde::Deserialize;
use service_kit::{ApiConfig, Common, GatewayConfig, ServiceConfig};

/// The whole configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The province that this service belongs to.
    pub jurisdiction: Jurisdiction,
    /// Admin port, database, log.
    pub common: Common,
    /// The API for the province's own systems and operators.
    pub api: ApiConfig,
    /// The gateway port, for the federal federator.
    pub gateway: GatewayConfig,
    /// The province's FHIR server.
    pub fhir: FhirConfig,
    /// This service's certificate and whom it trusts.
    pub tls: TlsFiles,
    /// How often certificates and trust are looked at, in seconds.
    #[serde(default = "service_kit::default_tls_poll")]
    pub tls_poll_seconds: u64,
    /// The peer directory.
    pub directory: DirectoryConfig,
    /// The file with the key of pseudonyms: at least 32 bytes, never changed.
    pub pseudonym_key_file: PathBuf,
    /// A file with the URL of a standby of the database, from which releases read the facts; without it they read them
    /// where they are written.
    #[serde(default)]
    pub reports_url_file: Option<PathBuf>,
    /// How the FHIR server is followed.
    #[serde(default)]
    pub collect: CollectConfig,
    /// When and how releases are made.
    #[serde(default)]
    pub release: ReleaseConfig,
}

/// The FHIR server.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FhirConfig {
    /// Its base, such as `http://hapi-fhir:8080/fhir`.
    pub base_url: String,
}

/// How the FHIR server is followed.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CollectConfig {
    /// The pause between two cycles, in seconds.
    pub every_seconds: u64,
    /// What is younger than this is left for the next cycle, in seconds: it may not be committed yet.
    pub grace_seconds: u32,
    /// How far each cycle looks back, in seconds: longer than any write takes.
    pub overlap_seconds: u32,
    /// How often what is here is compared with the server, in hours.
    pub reconcile_hours: u32,
    /// For how long a replica that died keeps the others from following, in seconds.
    pub lease_seconds: u32,
}

impl Default for CollectConfig {
    fn default() -> Self {
        Self {
            every_seconds: 20,
            grace_seconds: 30,
            overlap_seconds: 600,
            reconcile_hours: 24,
            lease_seconds: 30,
        }
    }
}

/// When and how releases are made.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReleaseConfig {
    /// From how many persons and doses on a number may be shown, 3 to 20. Another value starts a new series, on an
    /// operator's word.
    pub threshold: u32,
    /// How often a release is made, in hours; 0: only on an operator's word.
    pub every_hours: u32,
}

impl Default for ReleaseConfig {
    fn default() -> Self {
        Self { threshold: Policy::default().threshold(), every_hours: 168 }
    }
}

impl ServiceConfig for Config {
    fn common(&self) -> &Common {
        &self.common
    }

    fn contradictions(&self) -> Vec<String> {
        let mut found = Vec::new();
        if let Err(error) = Policy::new(self.release.threshold) {
            found.push(format!("release.threshold: {error}"));
        }
        if self.collect.overlap_seconds <= self.collect.grace_seconds {
            found.push("collect.overlap_seconds must be more than collect.grace_seconds".to_owned());
        }
        if self.collect.lease_seconds == 0 {
            found.push("collect.lease_seconds must be at least 1".to_owned());
        }
        found
    }
}
