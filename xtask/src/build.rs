//! Building our services, for whatever starts them.

use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use crate::{repository, say};

/// Builds the services' binaries and returns the folder they are in.
pub fn services() -> Result<PathBuf> {
    let started = Instant::now();
    let status = Command::new("cargo")
        .args([
            "build",
            "--quiet",
            "--locked",
            "--package",
            "outbound-transfer",
            "--package",
            "inbound-transfer",
            "--bins",
        ])
        .current_dir(repository())
        .status()
        .context("running cargo")?;
    ensure!(status.success(), "the services could not be built");
    say(&format!("  {:>6.1} s  services built", started.elapsed().as_secs_f64()));
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| repository().join("target"), PathBuf::from);
    Ok(target.join("debug"))
}
