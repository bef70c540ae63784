//! Runs the steps and keeps the sum.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use tokio::process::Command;

use super::tally::Tally;
use crate::{repository, say};

/// How much of a failed step's output is shown.
const SHOWN_LINES: usize = 80;

/// Runs steps one after the other.
pub(super) struct Runner {
    logs: PathBuf,
    total: Tally,
}

impl Runner {
    pub(super) fn new() -> Result<Self> {
        let logs = repository().join(".local/check");
        fs::create_dir_all(&logs).with_context(|| format!("making {}", logs.display()))?;
        Ok(Self { logs, total: Tally::default() })
    }

    /// Runs a command to its end; says its name, its seconds and what its tests counted. Returns what it printed.
    pub(super) async fn step(&mut self, name: &str, mut command: Command) -> Result<String> {
        let started = Instant::now();
        begin(name);
        let log = self.logs.join(format!("{}.log", name.replace([' ', ','], "-").replace("--", "-")));
        let file = fs::File::create(&log)?;
        let status = command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .env("CARGO_TERM_COLOR", "never")
            .env("TERM", "dumb") // rustfmt colours what it prints to a file too
            .kill_on_drop(true)
            .status()
            .await
            .with_context(|| format!("starting {}", command.as_std().get_program().display()))?;
        let output = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
        let tally = Tally::of(&output);
        self.total.add(&tally);
        say(&format!("{:>7.1} s{}", started.elapsed().as_secs_f64(), tally.in_brackets()));
        if status.success() && tally.failed == 0 {
            return Ok(output);
        }
        let lines: Vec<&str> = output.lines().collect();
        let skipped = lines.len().saturating_sub(SHOWN_LINES);
        if skipped > 0 {
            say(&format!("… {skipped} lines before, all in {}", log.display()));
        }
        say(&lines[skipped..].join("\n"));
        bail!("{name} ({status}); its whole output is in {}", log.display())
    }

    /// Remembers what this computer cannot check.
    pub(super) fn not_checked(&mut self, what: String) {
        self.total.not_checked.push(what);
    }

    /// Ends with what was not checked and with the sum, which is the last line also after a failure.
    pub(super) fn finish(self, outcome: Result<()>) -> Result<()> {
        let Tally { passed, mut failed, not_checked, .. } = self.total;
        if !not_checked.is_empty() {
            say(&format!("not checked here: {}", not_checked.join("; ")));
        }
        if let Err(error) = outcome {
            failed = failed.max(1); // a step that counts nothing has failed all the same
            bail!("{error:#}\n{passed} passed, {failed} failed");
        }
        say(&format!("{passed} passed, {failed} failed"));
        Ok(())
    }
}

#[expect(clippy::print_stdout, reason = "this program's output is for a terminal")]
fn begin(name: &str) {
    print!("  {name:<28}");
    std::io::stdout().flush().ok(); // a closed terminal shows nothing either way
}
