//! The directory in a service's configuration.

use std::path::PathBuf;

use serde::Deserialize;

use crate::{Directory, DirectoryError};

/// The peer directory as a file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DirectoryConfig {
    /// `jurisdictions.yaml`.
    pub file: PathBuf,
    /// How often it is looked at, in seconds.
    #[serde(default = "default_poll")]
    pub poll_seconds: u64,
    /// Where this process keeps a copy of the last good set, to start with when the file cannot be used. Left away,
    /// it does not start then. The folder must exist and be writable.
    #[serde(default)]
    pub last_good_file: Option<PathBuf>,
}

impl DirectoryConfig {
    /// Opens the directory.
    ///
    /// # Errors
    /// [`DirectoryError`] when the file as a whole cannot be used and there is no usable copy.
    pub fn open(&self) -> Result<Directory, DirectoryError> {
        match &self.last_good_file {
            Some(kept) => Directory::from_file_keeping(&self.file, kept),
            None => Directory::from_file(&self.file),
        }
    }
}

fn default_poll() -> u64 {
    5
}
