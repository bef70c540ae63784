//! The images: the unchanged Dockerfile is built without a registry, and what comes of it looked at.

use std::fs;

use anyhow::Result;
use tokio::process::Command;

use super::Runner;
use crate::repository;

/// Builds and looks, where this user may: making a root file system needs root.
pub(super) async fn run(runner: &mut Runner) -> Result<()> {
    let is_root = Command::new("id").arg("-u").output().await?.stdout.trim_ascii() == b"0";
    if !is_root {
        let dockerfile = fs::read_to_string(repository().join("Dockerfile"))?;
        let images = dockerfile.lines().filter(|line| line.starts_with("FROM runtime-base AS ")).count();
        runner.not_checked(format!("builds of images, which need root ({images})"));
        return Ok(());
    }
    let mut images = Command::new("bash");
    images.arg("deploy/local/images.sh").current_dir(repository());
    runner.step("images", images).await?;
    Ok(())
}
