//! `bench`: release builds on a stack of their own; every result is a ratio within one run.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use clap::Args;
use local_stack::{HapiOptions, Layout, Stack, StackOptions};
use tokio::process::Command;

use crate::check::{alone, cargo, until_interrupted};
use crate::{build, say, stack};

/// Options of `bench`.
#[derive(Args)]
pub struct Bench {
    /// Only what needs no stack: the crates' own benchmarks.
    #[arg(long)]
    no_stack: bool,
    /// Only what needs a stack: not the crates' own benchmarks.
    #[arg(long, conflicts_with = "no_stack")]
    transfers: bool,
    /// Leave out the real FHIR servers, which take a minute to start and to warm up.
    #[arg(long)]
    no_fhir: bool,
    /// Folder of the stack. What is in it is removed at the start and at the end.
    #[arg(long = "state", value_name = "DIR", default_value_os_t = Layout::in_repository("bench").root().to_owned())]
    state: PathBuf,
}

impl Bench {
    /// Measures, prints, and leaves nothing running.
    pub async fn run(self) -> Result<()> {
        let begun = Instant::now();
        if !self.no_stack {
            stack::set_up()?;
            let layout = Layout::at(&self.state);
            let _alone = alone(&layout)?;
            let outcome = until_interrupted(self.on_a_stack(&layout)).await;
            let removed = stack::remove(&layout).await;
            outcome.and(removed)?;
        }
        if !self.transfers {
            until_interrupted(own_benchmarks()).await?;
        }
        say(&format!("\nmeasured in {:.0} s", begun.elapsed().as_secs_f64()));
        Ok(())
    }

    async fn on_a_stack(&self, layout: &Layout) -> Result<()> {
        let binaries = build::for_measuring()?;
        stack::remove(layout).await?;
        // At first without FHIR servers: they would take part in what is measured without them.
        let provinces = ["ON", "BC"].map(str::to_owned).to_vec();
        let without = StackOptions { provinces, hapi: None };
        Stack::up(layout, &without, &|line| say(&format!("  {line}"))).await?;
        let measure = async |arguments: &[&str]| measure(&binaries, layout, arguments).await;
        measure(&["machine"]).await?;
        measure(&["speed"]).await?;
        measure(&["transfers"]).await?;
        measure(&["transfers", "--concurrency", "32"]).await?;
        measure(&["national"]).await?;
        if !self.no_fhir {
            let hapi = HapiOptions { quick_start: false, heap: "768m".to_owned(), ..HapiOptions::default() };
            let with = StackOptions { hapi: Some(hapi), ..without };
            Stack::up(layout, &with, &|line| say(&format!("  {line}"))).await?;
            measure(&["real"]).await?;
            measure(&["national", "--real"]).await?;
        }
        Ok(())
    }
}

async fn measure(binaries: &Path, layout: &Layout, arguments: &[&str]) -> Result<()> {
    let mut command = Command::new(binaries.join("benchmarks"));
    command.args(arguments).env("IIDI_TEST_STACK", layout.root()).env("IIDI_BINARIES", binaries);
    let status = command.kill_on_drop(true).status().await.context("running the benchmarks")?;
    ensure!(status.success(), "benchmarks {} has failed", arguments.join(" "));
    Ok(())
}

/// Runs the benchmarks that crates have of their own.
async fn own_benchmarks() -> Result<()> {
    let output = cargo(&["metadata", "--no-deps", "--format-version", "1"]).output().await?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let packages = metadata["packages"].as_array().context("cargo names no packages")?;
    let has_bench = |package: &&serde_json::Value| {
        let targets = package["targets"].as_array();
        targets.into_iter().flatten().any(|target| target["kind"][0] == "bench")
    };
    for package in packages.iter().filter(has_bench) {
        let name = package["name"].as_str().unwrap_or_default();
        say(&format!("\n### {name}\n"));
        let status = cargo(&["bench", "--quiet", "--locked", "--package", name, "--benches"])
            .kill_on_drop(true)
            .status()
            .await?;
        ensure!(status.success(), "the benchmarks of {name} have failed");
    }
    Ok(())
}
