//! The dashboard's tests: its measures in R, its pages in a browser.

use std::fs;

use anyhow::Result;
use tokio::process::Command;

use super::Runner;
use crate::repository;

/// Runs both on a made-up federator; the real one is a system test (`tests/integration/national/dashboard.rs`).
pub(super) async fn run(runner: &mut Runner) -> Result<()> {
    let dashboard = repository().join("dashboard");
    let mut measures = Command::new("Rscript");
    measures.arg("tests/run.R").current_dir(&dashboard);
    runner.step("dashboard's R tests", measures).await?;

    packages(runner).await?;
    let mut pages = Command::new("node");
    pages.arg("run.mjs").current_dir(dashboard.join("tests/browser"));
    runner.step("dashboard in a browser", pages).await?;
    Ok(())
}

/// Installs the npm packages of the tests in a browser when they change.
pub(super) async fn packages(runner: &mut Runner) -> Result<()> {
    let browser = repository().join("dashboard/tests/browser");
    let wanted = fs::read_to_string(browser.join("package-lock.json"))?;
    let stamp = browser.join("node_modules/packages-installed.json");
    if fs::read_to_string(&stamp).map_or(true, |installed| installed != wanted) {
        let mut install = Command::new("npm");
        install.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(&browser);
        runner.step("dashboard's npm packages", install).await?;
        fs::write(stamp, wanted)?;
    }
    Ok(())
}
