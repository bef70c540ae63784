//! Processes that outlive the command which started them: started in a group of their own, recorded in a file, and
//! ended only when proved to be ours.
//!
//! A process is ours if its id and its start time (from `/proc`) are those recorded, or if its environment names
//! this stack's folder: the second finds what was started just before a command was interrupted.

use std::fs::{self, File};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use tokio::process::{Child, Command};

use crate::files::{tail, write_private};
use crate::layout::Layout;

/// Names the stack's folder in the environment of each process of the stack.
const MARK: &str = "IIDI_LOCAL_STACK";
const POLL: Duration = Duration::from_millis(25);

/// A process of the stack, as recorded in `pids/<name>.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessRecord {
    /// Name of the part, for example `postgres`, `hapi-on`, `on-inbound-transfer`.
    pub name: String,
    /// Process id.
    pub pid: u32,
    /// Start time in clock ticks since boot: with the id it names one process only.
    pub start_ticks: u64,
    /// Port on which it listens (a service: its admin port).
    pub port: u16,
    /// Its log file.
    pub log: PathBuf,
    /// Place in the order of ending: 0 services, 1 FHIR servers, 2 stores.
    pub stage: u8,
    /// The signal that makes it stop in good order.
    pub stop_signal: String,
}

/// How a part is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessStatus {
    /// What was recorded when it was started.
    pub record: ProcessRecord,
    /// Whether that very process runs.
    pub running: bool,
    /// Resident memory in bytes, of the process and its children.
    pub memory_bytes: u64,
}

/// What to start.
pub(crate) struct Launch {
    pub name: String,
    pub command: Command,
    pub port: u16,
    pub stage: u8,
    pub stop_signal: &'static str,
}

/// Marks a command as one of this stack's, so that the next command ends it if this one is interrupted.
pub(crate) fn mark(command: &mut Command, layout: &Layout) {
    command.env(MARK, layout.root());
}

/// Starts a process that stays when we end, and records it.
pub(crate) fn launch(layout: &Layout, launch: Launch) -> Result<(Child, ProcessRecord)> {
    let Launch { name, mut command, port, stage, stop_signal } = launch;
    let log = layout.log(&name);
    let output = fresh_log(&log)?;
    mark(&mut command, layout);
    command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output).process_group(0); // an interrupt typed at the terminal is not for it
    layout.locked(|| {
        let child = command.spawn().with_context(|| format!("starting {name}"))?;
        let pid = child.id().with_context(|| format!("{name} ended at once"))?;
        let start_ticks = Stat::read(pid).map_or(0, |stat| stat.start_ticks);
        let stop_signal = stop_signal.to_owned();
        let record = ProcessRecord { name, pid, start_ticks, port, log, stage, stop_signal };
        write_private(&record.file(layout), &serde_json::to_vec_pretty(&record)?)?;
        Ok((child, record))
    })
}

/// An empty log file; the one of the last run is kept beside it.
fn fresh_log(path: &Path) -> Result<File> {
    if path.exists() {
        fs::rename(path, path.with_extension("log.1"))?;
    }
    fs::create_dir_all(path.parent().context("a log needs a folder")?)?;
    let file = fs::OpenOptions::new().append(true).create(true).mode(0o600).open(path);
    file.with_context(|| format!("opening {}", path.display()))
}

impl ProcessRecord {
    /// The recorded process of this name, if there is a record.
    pub(crate) fn find(layout: &Layout, name: &str) -> Option<Self> {
        let text = fs::read(layout.pids().join(format!("{name}.json"))).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// The recorded process of this name, if it runs.
    pub(crate) fn running(layout: &Layout, name: &str) -> Option<Self> {
        Self::find(layout, name).filter(Self::is_running)
    }

    /// All records of a stack.
    pub(crate) fn all(layout: &Layout) -> Vec<Self> {
        let Ok(entries) = fs::read_dir(layout.pids()) else { return Vec::new() };
        let mut records: Vec<Self> = entries
            .flatten()
            .filter_map(|entry| serde_json::from_slice(&fs::read(entry.path()).ok()?).ok())
            .collect();
        records.sort_by(|a, b| (b.stage, &a.name).cmp(&(a.stage, &b.name)));
        records
    }

    fn file(&self, layout: &Layout) -> PathBuf {
        layout.pids().join(format!("{}.json", self.name))
    }

    /// Whether this very process runs (a zombie does not).
    pub fn is_running(&self) -> bool {
        Stat::read(self.pid).is_some_and(|stat| stat.is_alive && stat.start_ticks == self.start_ticks)
    }

    /// How it is doing.
    pub(crate) fn status(self) -> ProcessStatus {
        let running = self.is_running();
        let memory_bytes = if running { memory_of_group(self.pid) } else { 0 };
        ProcessStatus { record: self, running, memory_bytes }
    }

    /// Asks the process to stop, and kills it when it has not within `grace`. Forgets it then.
    pub(crate) async fn stop(&self, layout: &Layout, grace: Duration) -> Result<()> {
        if self.is_running() {
            signal(self.pid, &self.stop_signal).await?;
            if !self.gone_within(grace).await {
                tracing::warn!(part = %self.name, "did not stop in time and is killed");
            }
        }
        self.kill(layout).await
    }

    /// Kills the process at once and forgets it.
    pub(crate) async fn kill(&self, layout: &Layout) -> Result<()> {
        if self.is_running() {
            signal(self.pid, "KILL").await?;
            if !self.gone_within(Duration::from_secs(10)).await {
                bail!("{} (process {}) cannot be killed", self.name, self.pid);
            }
        }
        match fs::remove_file(self.file(layout)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("forgetting {}", self.name))
            }
            _ => Ok(()),
        }
    }

    /// Whether the process ends within this time.
    pub(crate) async fn gone_within(&self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        while self.is_running() {
            if Instant::now() >= deadline {
                return false;
            }
            tokio::time::sleep(POLL).await;
        }
        true
    }

    /// Waits until `is_ready` says so; fails as soon as the process is gone or the time is over, with the end of
    /// its log.
    pub(crate) async fn ready(&self, limit: Duration, mut is_ready: impl AsyncFnMut() -> bool) -> Result<()> {
        let deadline = Instant::now() + limit;
        loop {
            if !self.is_running() {
                bail!("{} ended while starting:\n{}", self.name, tail(&self.log, 15));
            }
            if is_ready().await {
                return Ok(());
            }
            if Instant::now() >= deadline {
                bail!("{} is not ready after {} s:\n{}", self.name, limit.as_secs(), tail(&self.log, 15));
            }
            tokio::time::sleep(POLL).await;
        }
    }
}

/// Ends the processes whose environment names this stack but which are not recorded: left over by a command that
/// was interrupted between starting them and writing them down.
pub(crate) async fn sweep(layout: &Layout) -> Result<usize> {
    let strays = layout.locked(|| {
        let recorded: Vec<u32> = ProcessRecord::all(layout).iter().map(|record| record.pid).collect();
        let is_known = |pid: &u32| {
            let group = Stat::read(*pid).map_or(0, |stat| stat.group);
            recorded.contains(pid) || recorded.contains(&group)
        };
        Ok(marked(layout).into_iter().filter(|pid| !is_known(pid)).collect::<Vec<u32>>())
    })?;
    for name in ["INT", "KILL"] {
        for pid in strays.iter().filter(|pid| is_alive(**pid)) {
            signal(*pid, name).await?;
        }
        let deadline = Instant::now() + Duration::from_secs(10);
        while strays.iter().any(|pid| is_alive(*pid)) && Instant::now() < deadline {
            tokio::time::sleep(POLL).await;
        }
    }
    if strays.iter().any(|pid| is_alive(*pid)) {
        bail!("some processes of {} cannot be killed", layout.root().display());
    }
    Ok(strays.len())
}

fn is_alive(pid: u32) -> bool {
    Stat::read(pid).is_some_and(|stat| stat.is_alive)
}

fn marked(layout: &Layout) -> Vec<u32> {
    let mark = [MARK.as_bytes(), b"=", layout.root().as_os_str().as_encoded_bytes()].concat();
    let own = std::process::id();
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter(|pid| *pid != own)
        .filter(|pid| {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment.split(|byte| *byte == 0).any(|entry| entry == mark)
        })
        .filter(|pid| is_alive(*pid))
        .collect()
}

/// Sends a signal by the shell's own `kill`: the standard library has none, and `unsafe` is forbidden here.
async fn signal(pid: u32, name: &str) -> Result<()> {
    let mut shell = Command::new("sh");
    shell.args(["-c", "kill -s \"$1\" \"$2\" 2>/dev/null || true", "kill", name, &pid.to_string()]);
    shell.stdin(Stdio::null()).status().await.with_context(|| format!("signalling process {pid}"))?;
    Ok(())
}

/// Resident memory of a process and of those in its group.
fn memory_of_group(leader: u32) -> u64 {
    let Ok(entries) = fs::read_dir("/proc") else { return 0 };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter(|pid| Stat::read(*pid).is_some_and(|stat| stat.group == leader || stat.parent == leader))
        .filter_map(own_memory)
        .sum()
}

/// Private part of the resident memory: pages shared between PostgreSQL's processes would be counted often.
fn own_memory(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("RssAnon:"))?;
    let kibibytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kibibytes * 1024)
}

/// The fields of `/proc/<pid>/stat` that matter here.
struct Stat {
    is_alive: bool,
    parent: u32,
    group: u32,
    start_ticks: u64,
}

impl Stat {
    fn read(pid: u32) -> Option<Self> {
        let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let after_name = text.rsplit_once(") ")?.1; // the name may hold anything, also blanks and brackets
        let fields: Vec<&str> = after_name.split(' ').collect();
        let threads: u32 = fields.get(17)?.parse().ok()?;
        Some(Self {
            // the first thread may be gone while others still hold files and ports open
            is_alive: !matches!(*fields.first()?, "Z" | "X") || threads > 1,
            parent: fields.get(1)?.parse().ok()?,
            group: fields.get(2)?.parse().ok()?,
            start_ticks: fields.get(19)?.parse().ok()?,
        })
    }
}
