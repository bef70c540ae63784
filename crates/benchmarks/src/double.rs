//! A FHIR double in a process of its own, so that what it costs is told apart.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use fhir_client::double::FhirDouble;
use fhir_client::double::serve::DoubleServer;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::people::Person;
use crate::processes::Watched;
use crate::report::say;

/// Options of `double`.
#[derive(Args)]
pub struct Double {
    /// What each call waits, in milliseconds.
    #[arg(long, default_value_t = 5)]
    delay: u64,
    /// How many people have a record there.
    #[arg(long, default_value_t = 0)]
    people: usize,
}

impl Double {
    /// Serves until the caller goes, which closes our standard input.
    pub async fn run(self) -> Result<()> {
        let double = FhirDouble::default();
        for n in 0..self.people {
            double.put_all(&Person::new(1, n).record())?;
        }
        let server = DoubleServer::start(double, 0, Duration::from_millis(self.delay)).await?;
        say(server.base());
        let mut lines = BufReader::new(tokio::io::stdin()).lines();
        while lines.next_line().await?.is_some() {}
        Ok(())
    }
}

/// The double, until it is dropped.
pub struct DoubleProcess {
    name: &'static str,
    /// Its base.
    pub base: String,
    child: Child,
}

impl DoubleProcess {
    /// Starts a double that has the records of so many people.
    pub async fn start(name: &'static str, delay: u64, people: usize) -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["double", "--delay", &delay.to_string(), "--people", &people.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let output = child.stdout.take().context("a double without output")?;
        let base =
            BufReader::new(output).lines().next_line().await?.context("a double that does not start")?;
        Ok(Self { name, base, child })
    }

    /// Returns its process.
    pub fn watched(&self) -> Watched {
        Watched { name: self.name.to_owned(), pid: self.child.id().unwrap_or_default(), with_children: false }
    }
}
