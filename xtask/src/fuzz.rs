//! `fuzz`: what strangers send, made up by libFuzzer, for some seconds each.
//!
//! The targets stand in `fuzz/`, as `cargo fuzz` wants them. Here they are built with the same instrumentation but
//! without sanitizers, which our code without `unsafe` does not need: so the pinned toolchain suffices.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::Args;
use contracts::ContentDigest;
use tokio::process::Command;

use crate::check::{cargo, until_interrupted};
use crate::{repository, say};

/// The targets of `fuzz/`.
const TARGETS: [&str; 3] = ["gate", "jws", "digest_header"];

/// What tells libFuzzer which ways an input takes.
const INSTRUMENTATION: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Cllvm-args=-simplifycfg-branch-fold-threshold=0 \
    -Ccodegen-units=1";

/// Options of `fuzz`.
#[derive(Args)]
pub struct Fuzz {
    /// Only this target: gate, jws or `digest_header`.
    #[arg(value_parser = TARGETS)]
    target: Option<String>,
    /// How long each target runs.
    #[arg(long, default_value_t = 60)]
    seconds: u32,
}

impl Fuzz {
    /// Builds and runs the targets; fails when one of them has found something.
    pub async fn run(self) -> Result<()> {
        until_interrupted(async {
            let binaries = build().await?;
            let mut broken = Vec::new();
            let wanted = |target: &&&str| self.target.as_deref().is_none_or(|only| only == **target);
            for target in TARGETS.iter().filter(wanted) {
                if !run(&binaries, target, self.seconds).await? {
                    broken.push(*target);
                }
            }
            ensure!(broken.is_empty(), "broken by made-up input: {}", broken.join(", "));
            Ok(())
        })
        .await
    }
}

/// Builds all targets and returns the folder they are in.
async fn build() -> Result<PathBuf> {
    let host = host().await?;
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| repository().join("target"), PathBuf::from)
        .join("fuzz");
    // With a target named, build scripts and macros stay without instrumentation.
    let status = cargo(&["build", "--quiet", "--locked", "--release", "--bins", "--target", &host])
        .args(["--manifest-path", "fuzz/Cargo.toml", "--target-dir"])
        .arg(&target)
        .env("RUSTFLAGS", INSTRUMENTATION)
        .kill_on_drop(true)
        .status()
        .await
        .context("running cargo")?;
    ensure!(status.success(), "the fuzz targets could not be built");
    Ok(target.join(host).join("release"))
}

async fn host() -> Result<String> {
    let output = Command::new("rustc").arg("-vV").current_dir(repository()).output().await?;
    let text = String::from_utf8(output.stdout)?;
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc does not name its host")?.to_owned())
}

/// Runs one target; tells whether it held.
async fn run(binaries: &Path, target: &str, seconds: u32) -> Result<bool> {
    let folder = repository().join(".local/fuzz").join(target);
    let corpus = folder.join("corpus");
    fs::create_dir_all(&corpus).with_context(|| format!("making {}", corpus.display()))?;
    for (number, seed) in seeds(target)?.iter().enumerate() {
        fs::write(corpus.join(format!("seed-{number}")), seed)?;
    }
    let output = Command::new(binaries.join(target))
        .arg(&corpus)
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-artifact_prefix={}/", folder.display()))
        .args(["-print_final_stats=1", "-timeout=10", "-rss_limit_mb=2048", "-max_len=16384"])
        .kill_on_drop(true)
        .output()
        .await
        .with_context(|| format!("running the target {target}"))?;
    let log = String::from_utf8_lossy(&output.stderr);
    fs::write(folder.join("log"), log.as_bytes())?;
    let stat = |name: &str| {
        let line = log.lines().rev().find_map(|line| line.strip_prefix(&format!("stat::{name}:")));
        line.map_or("?", str::trim).to_owned()
    };
    let held = output.status.success();
    let found = if held { "nothing found" } else { "BROKEN" };
    let (inputs, rate) = (stat("number_of_executed_units"), stat("average_exec_per_sec"));
    say(&format!("  {target:<14} {inputs:>9} inputs, {rate:>6}/s, {found}"));
    if !held {
        say(&format!("  the input and the log are in {}", folder.display()));
    }
    Ok(held)
}

/// What a target begins with.
fn seeds(target: &str) -> Result<Vec<Vec<u8>>> {
    Ok(match target {
        "gate" => documents()?,
        // The first byte says what is edited, four each say how.
        "jws" => {
            (0..5).flat_map(|way| [vec![way], vec![way, 0, 0, 9, b'x'], vec![way, 2, 1, 0, 0]]).collect()
        }
        _ => {
            let header = ContentDigest::of(b"package").to_header();
            vec![
                header.clone().into_bytes(),
                format!("sha-512=:AAAA:, {header}").into_bytes(),
                header.replace("sha", "SHA").into_bytes(),
            ]
        }
    })
}

/// The valid documents that the tests keep.
fn documents() -> Result<Vec<Vec<u8>>> {
    let folder = repository().join("tests/documents");
    let mut paths: Vec<PathBuf> =
        fs::read_dir(&folder)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    paths.sort();
    paths.iter().map(|path| fs::read(path).with_context(|| format!("reading {}", path.display()))).collect()
}
