//! Where the services are: the configuration file, then the environment, then the arguments.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use mtls::TlsFiles;
use serde::Deserialize;

use crate::arguments::Arguments;

/// The configuration.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The outbound API.
    pub server: Option<String>,
    /// The inbound service's own API.
    pub inbound_server: Option<String>,
    /// The aggregator's own API.
    pub aggregator_server: Option<String>,
    /// The federator's API.
    pub federator_server: Option<String>,
    /// A file with the bearer token.
    pub token_file: Option<PathBuf>,
    /// The services' admin addresses.
    pub admin: Vec<String>,
    /// `jurisdictions.yaml`.
    pub directory: Option<PathBuf>,
    /// A file with the URL of the database whose trail is verified.
    pub database_url_file: Option<PathBuf>,
    /// The certificate that peers are called with, to try the handshake.
    pub tls: Option<TlsFiles>,
}

impl Config {
    /// Reads the file, if there is one, and lets arguments override it.
    pub fn load(arguments: &Arguments) -> Result<Self> {
        let mut config = match &arguments.config {
            Some(path) => Self::read(path)?,
            None => match std::env::home_dir().map(|home| home.join(".config/iidi/config.toml")) {
                Some(path) if path.exists() => Self::read(&path)?,
                _ => Self::default(),
            },
        };
        config.server = arguments.server.clone().or(config.server);
        config.inbound_server = arguments.inbound_server.clone().or(config.inbound_server);
        config.aggregator_server = arguments.aggregator_server.clone().or(config.aggregator_server);
        config.federator_server = arguments.federator_server.clone().or(config.federator_server);
        config.token_file = arguments.token_file.clone().or(config.token_file);
        Ok(config)
    }

    fn read(path: &Path) -> Result<Self> {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        toml::from_str(&text).with_context(|| format!("{} is wrong", path.display()))
    }
}
