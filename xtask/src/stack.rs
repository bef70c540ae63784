//! `up`, `down`, `status`, `logs`.

use std::fs;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use local_stack::{HapiOptions, Layout, ProcessStatus, Stack, StackOptions};

use crate::{StateFolder, repository, say};

/// Options of `up`.
#[derive(Args)]
pub struct Up {
    /// Codes of the provinces; those that the stack has already stay.
    #[arg(long, value_delimiter = ',', default_value = "ON,BC")]
    provinces: Vec<String>,
    /// Start no FHIR server, and none of our services, which need one.
    #[arg(long)]
    no_fhir: bool,
    /// Largest heap of a FHIR server.
    #[arg(long, default_value = "512m")]
    hapi_heap: String,
    /// Let the FHIR servers warm up to full speed, for measuring; they start in twice the CPU time.
    #[arg(long)]
    full_speed: bool,
    #[command(flatten)]
    state: StateFolder,
}

impl Up {
    /// Starts the stack.
    pub async fn run(self) -> Result<()> {
        let started = Instant::now();
        set_up()?;
        let Self { provinces, no_fhir, hapi_heap, full_speed, state } = self;
        let hapi = HapiOptions { heap: hapi_heap, quick_start: !full_speed, ..HapiOptions::default() };
        let options = StackOptions { provinces, hapi: (!no_fhir).then_some(hapi) };
        let layout = state.layout();
        let stack = Stack::up(&layout, &options, &|line| say(&format!("  {line}"))).await?;
        if options.hapi.is_some() {
            let binaries = crate::build::services()?;
            for province in stack.provinces() {
                let begun = Instant::now();
                local_stack::start_province(&stack, province, &binaries).await?;
                say(&format!("  {:>6.1} s  services of {province} ready", begun.elapsed().as_secs_f64()));
            }
            local_stack::start_federator(&stack, &binaries).await?;
        }
        say(&format!(
            "up in {:.1} s; everything is in {}",
            started.elapsed().as_secs_f64(),
            layout.root().display()
        ));
        Ok(())
    }
}

/// Options of `down`.
#[derive(Args)]
pub struct Down {
    /// Remove the data too.
    #[arg(long)]
    wipe: bool,
    #[command(flatten)]
    state: StateFolder,
}

impl Down {
    /// Ends the stack.
    pub async fn run(self) -> Result<()> {
        let layout = self.state.layout();
        Stack::down(&layout, &|line| say(&format!("  {line}"))).await?;
        if self.wipe {
            Stack::wipe(&layout).await?;
            say("down, data removed");
        } else {
            say("down");
        }
        Ok(())
    }
}

/// Prints a line per recorded process. Fails when none runs, so that scripts can ask.
pub fn status(state: &StateFolder) -> Result<()> {
    let layout = state.layout();
    let parts = Stack::status(&layout);
    for ProcessStatus { record, running, memory_bytes } in &parts {
        let state = if *running { "running" } else { "stopped" };
        let memory = memory_bytes / (1024 * 1024);
        say(&format!(
            "{:<28} {state}  port {:<5}  pid {:<7} {memory:>5} MB",
            record.name, record.port, record.pid
        ));
    }
    ensure!(parts.iter().any(|part| part.running), "nothing runs in {}", layout.root().display());
    Ok(())
}

/// Options of `logs`.
#[derive(Args)]
pub struct Logs {
    /// Name of the log; without it all are listed.
    name: Option<String>,
    /// Number of lines from the end.
    #[arg(short = 'n', default_value_t = 40)]
    lines: usize,
    #[command(flatten)]
    state: StateFolder,
}

impl Logs {
    /// Shows the logs.
    pub fn run(self) -> Result<()> {
        let layout = self.state.layout();
        let folder = layout.logs();
        let entries = fs::read_dir(&folder).with_context(|| format!("no logs in {}", folder.display()))?;
        let mut names: Vec<String> = entries
            .flatten()
            .filter_map(|entry| Some(entry.file_name().to_str()?.strip_suffix(".log")?.to_owned()))
            .collect();
        names.sort();
        let Some(name) = self.name else {
            say(&names.join("\n"));
            return Ok(());
        };
        ensure!(names.contains(&name), "no log {name:?}; there are {}", names.join(", "));
        let text = String::from_utf8_lossy(&fs::read(layout.log(&name))?).into_owned();
        let all: Vec<&str> = text.lines().collect();
        say(&all[all.len().saturating_sub(self.lines)..].join("\n"));
        Ok(())
    }
}

/// Ends a stack and removes its data.
pub(crate) async fn remove(layout: &Layout) -> Result<()> {
    Stack::down(layout, &|_| ()).await.context("stopping the stack")?;
    Stack::wipe(layout).await
}

/// Installs or names what the computer lacks.
pub(crate) fn set_up() -> Result<()> {
    let script = repository().join("deploy/local/setup.sh");
    let status = Command::new("bash").arg(&script).status().context("starting bash")?;
    if !status.success() {
        bail!("this computer is not ready, see above");
    }
    Ok(())
}
