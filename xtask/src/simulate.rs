//! `simulate`: worlds of transfers under faults, on a database of their own.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use clap::Args;
use local_stack::{Layout, Stack, StackOptions};
use tokio::process::Command;

use crate::check::{alone, until_interrupted};
use crate::{build, say, stack};

/// Options of `simulate`.
#[derive(Args)]
pub struct Simulate {
    /// Folder of the stack. What is in it is removed at the start and at the end.
    #[arg(long = "state", value_name = "DIR", default_value_os_t = Layout::in_repository("simulate").root().to_owned())]
    state: PathBuf,
    /// Options of the simulation; `-- --help` lists them.
    #[arg(last = true)]
    options: Vec<String>,
}

impl Simulate {
    /// Simulates, prints what was lost, doubled or wrongly closed, and leaves nothing running.
    pub async fn run(self) -> Result<()> {
        if self.options.iter().any(|option| matches!(option.as_str(), "--help" | "-h")) {
            let mut command = Command::new(build::simulation_to_ask()?.join("simulation"));
            ensure!(command.arg("--help").status().await?.success(), "the simulation says nothing");
            return Ok(());
        }
        stack::set_up()?;
        let layout = Layout::at(&self.state);
        let _alone = alone(&layout)?;
        let outcome = until_interrupted(async {
            let binaries = build::for_simulating()?;
            stack::remove(&layout).await?;
            let options = StackOptions { provinces: vec!["ON".to_owned()], hapi: None };
            Stack::up(&layout, &options, &|line| say(&format!("  {line}"))).await?;
            let mut command = Command::new(binaries.join("simulation"));
            command.args(&self.options).env("IIDI_TEST_STACK", layout.root());
            let status = command.kill_on_drop(true).status().await.context("running the simulation")?;
            ensure!(status.success(), "the simulation has found something");
            Ok(())
        });
        let outcome = outcome.await;
        outcome.and(stack::remove(&layout).await)
    }
}
