//! What a process has used, from `/proc`.

use std::fs;
use std::time::Duration;

/// Clock ticks a second that `/proc` counts in, on every Linux that we know.
const TICKS: u64 = 100;

/// What a process, and its children, have used so far.
#[derive(Debug, Clone, Copy, Default)]
pub struct Usage {
    /// CPU time, user and system.
    pub cpu: Duration,
    /// The most memory that was resident at once, of the process alone, in bytes.
    pub peak_rss: u64,
}

/// A process that is watched, under the name it has in tables.
#[derive(Debug, Clone)]
pub struct Watched {
    /// The name.
    pub name: String,
    /// The id.
    pub pid: u32,
    /// Whether its children are part of it: the sessions of PostgreSQL are.
    pub with_children: bool,
}

impl Watched {
    /// Reads what it has used; nothing where it has ended.
    pub fn usage(&self) -> Usage {
        let mut ticks = ticks(self.pid, self.with_children);
        if self.with_children {
            ticks += children(self.pid).into_iter().map(|child| self::ticks(child, false)).sum::<u64>();
        }
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap_or_default();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes: u64 =
            peak.and_then(|text| text.trim().strip_suffix(" kB")?.parse().ok()).unwrap_or_default();
        Usage { cpu: Duration::from_millis(ticks * 1000 / TICKS), peak_rss: kilobytes * 1024 }
    }
}

/// CPU time in ticks; of children that were waited for too, if wanted.
fn ticks(pid: u32, with_ended_children: bool) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The second field is a name that may hold anything; what follows the last parenthesis are numbers.
    let Some((_, numbers)) = stat.rsplit_once(") ") else { return 0 };
    let numbers: Vec<u64> = numbers.split(' ').skip(11).take(4).map_while(|n| n.parse().ok()).collect();
    numbers.iter().take(if with_ended_children { 4 } else { 2 }).sum()
}

fn children(parent: u32) -> Vec<u32> {
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let is_child = |pid: &u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let numbers = stat.rsplit_once(") ").map(|(_, numbers)| numbers.to_owned()).unwrap_or_default();
        numbers.split(' ').nth(1).and_then(|ppid| ppid.parse().ok()) == Some(parent)
    };
    pids.filter(is_child).collect()
}
