//! Building our services, for whatever starts them.

use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use crate::{repository, say};

/// Builds the services' binaries and returns the folder they are in.
pub fn services() -> Result<PathBuf> {
    build(
        &["outbound-transfer", "inbound-transfer", "aggregator", "federator", "iidictl", "simulation"],
        "debug",
    )
}

/// Builds the services and the benchmarks as they are released and returns the folder they are in.
pub fn for_measuring() -> Result<PathBuf> {
    build(&["outbound-transfer", "inbound-transfer", "aggregator", "federator", "benchmarks"], "release")
}

/// Builds the simulation as the services are released and returns the folder it is in.
pub fn for_simulating() -> Result<PathBuf> {
    build(&["simulation"], "release")
}

/// Builds the simulation as it is built for tests, to be asked for its options.
pub fn simulation_to_ask() -> Result<PathBuf> {
    build(&["simulation"], "debug")
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
    Ok(folder(profile))
}

/// Returns the folder that cargo puts the programs of a profile into.
pub fn folder(profile: &str) -> PathBuf {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| repository().join("target"), PathBuf::from);
    target.join(profile)
}
