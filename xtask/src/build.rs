//! Building our services, for whatever starts them.

use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use crate::{repository, say};

/// Builds the services' binaries and returns the folder they are in.
pub fn services() -> Result<PathBuf> {
    build(&["outbound-transfer", "inbound-transfer", "iidictl"], "debug")
}

/// Builds the services and the benchmarks as they are released and returns the folder they are in.
pub fn for_measuring() -> Result<PathBuf> {
    build(&["outbound-transfer", "inbound-transfer", "benchmarks"], "release")
}

fn build(packages: &[&str], profile: &str) -> Result<PathBuf> {
    let started = Instant::now();
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--quiet", "--locked", "--bins"]).current_dir(repository());
    cargo.args(packages.iter().flat_map(|package| ["--package", package]));
    if profile == "release" {
        cargo.arg("--release");
    }
    let status = cargo.status().context("running cargo")?;
    ensure!(status.success(), "the services could not be built");
    say(&format!("  {:>6.1} s  services built", started.elapsed().as_secs_f64()));
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| repository().join("target"), PathBuf::from);
    Ok(target.join(profile))
}
