//! The service's configuration; `config.example.yaml` shows every key.

use std::path::PathBuf;

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
    /// The API for the province's own systems.
    pub api: ApiConfig,
    /// The gateway port, for peers with a client certificate.
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
    /// The file with the keys of plans at rest.
    pub package_keys_file: PathBuf,
    /// How packages are taken in.
    #[serde(default)]
    pub intake: IntakeConfig,
}

/// The FHIR server.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FhirConfig {
    /// Its base, such as `http://hapi-fhir:8080/fhir`.
    pub base_url: String,
    /// How many transactions run at once.
    #[serde(default = "default_writes")]
    pub concurrent_writes: usize,
}

fn default_writes() -> usize {
    8
}

/// How packages are taken in.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IntakeConfig {
    /// How many packages are worked on at once; more are answered 503 with `Retry-After`.
    pub concurrency: usize,
    /// The largest package, in bytes; a peer's entry in the directory may say less.
    pub max_package_bytes: usize,
    /// After how many seconds an arrival may be taken over whose worker has died; a living one renews its claim.
    pub lease_seconds: u32,
    /// The part of the packages, 0 to 1, whose resources the FHIR server's `$validate` is asked about too. It only
    /// counts and warns. Such a package takes longer: some 30 ms a resource, at most 10 s.
    pub validate_sample: f64,
}

impl Default for IntakeConfig {
    fn default() -> Self {
        Self { concurrency: 32, max_package_bytes: 10 << 20, lease_seconds: 20, validate_sample: 0.0 }
    }
}

impl ServiceConfig for Config {
    fn common(&self) -> &Common {
        &self.common
    }

    fn contradictions(&self) -> Vec<String> {
        let mut found = Vec::new();
        if self.intake.lease_seconds < 10 {
            found.push(
                "intake.lease_seconds must be at least 10: a lease is renewed three times in it".to_owned(),
            );
        }
        if !(0.0..=1.0).contains(&self.intake.validate_sample) {
            found.push("intake.validate_sample must be between 0 and 1".to_owned());
        }
        if self.intake.concurrency == 0 || self.fhir.concurrent_writes == 0 {
            found.push("intake.concurrency and fhir.concurrent_writes must be at least 1".to_owned());
        }
        found
    }
}
