//! Configuration: defaults of the code, then the YAML file, then the environment.

use std::path::Path;

use ::config::{Config, Environment, File, FileFormat};
use serde::de::DeserializeOwned;

/// The configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration file {path}")]
    File {
        /// The file as given.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// A key is unknown, missing or of the wrong kind.
    #[error("the configuration is wrong: {0}")]
    Content(String),
}

/// Reads the YAML file at `path`, overridden by variables such as `OUTBOUND_TRANSFER__ADMIN__LISTEN`
/// (`prefix` in upper case, two underscores between sections).
pub fn load<C: DeserializeOwned>(path: &Path, prefix: &str) -> Result<C, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| ConfigError::File { path: path.display().to_string(), source })?;
    let prefix = prefix.to_ascii_uppercase().replace('-', "_");
    let environment =
        Environment::with_prefix(&prefix).prefix_separator("__").separator("__").try_parsing(true);
    Config::builder()
        .add_source(File::from_str(&text, FileFormat::Yaml))
        .add_source(environment)
        .build()
        .and_then(Config::try_deserialize)
        .map_err(|error| ConfigError::Content(error.to_string()))
}
