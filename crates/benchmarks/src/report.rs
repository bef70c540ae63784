//! What a person reads: tables, and the computer that they were measured on.

use std::fs;
use std::process::Command;
use std::time::Duration;

/// A table as Markdown.
#[derive(Debug)]
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Begins a table with these columns.
    pub fn new(columns: &[&str]) -> Self {
        Self { rows: vec![columns.iter().map(|&column| column.to_owned()).collect()] }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: &[String]) {
        self.rows.push(cells.to_vec());
    }

    /// Prints it.
    pub fn print(&self) {
        for (at, row) in self.rows.iter().enumerate() {
            say(&format!("| {} |", row.join(" | ")));
            if at == 0 {
                say(&format!("|{}", "---|".repeat(row.len())));
            }
        }
    }
}

/// Returns how many a second.
#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
pub fn per_second(count: usize, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64().max(f64::MIN_POSITIVE)
}

/// Prints a line.
#[expect(clippy::print_stdout, reason = "this program's output is a report")]
pub fn say(line: &str) {
    println!("{line}");
}

/// Prints what was measured on.
pub fn machine() {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).map(|(_, name)| name);
    let cores = cpu.lines().filter(|line| line.starts_with("processor")).count();
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kilobytes =
        memory.lines().find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB"));
    let gigabytes = kilobytes.and_then(|text| text.parse::<u64>().ok()).unwrap_or_default() >> 20;
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let versions = [
        version("rustc", &["--version"]),
        version("postgres", &["--version"]).or_else(|| version("psql", &["--version"])),
        version("redis-server", &["--version"]),
    ];
    let mut table = Table::new(&["measured on", ""]);
    table.row(&["processor".to_owned(), format!("{cores} × {}", model.unwrap_or("unknown"))]);
    table.row(&["memory".to_owned(), format!("{gigabytes} GB")]);
    table.row(&["kernel".to_owned(), kernel.trim().to_owned()]);
    table.row(&["software".to_owned(), versions.into_iter().flatten().collect::<Vec<_>>().join("; ")]);
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').take(3).collect::<Vec<_>>().join(", ");
    table.row(&["load before (1, 5, 15 minutes)".to_owned(), load]);
    table.print();
}

fn version(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().next().map(|line| line.split(" sha=").next().unwrap_or(line).to_owned())
}
