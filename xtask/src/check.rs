//! `check` and `test`: one sequence, cheap first, that stops at the first failure.
//!
//! A line a step with its seconds; what a step printed is kept in `.local/check/` and shown when it fails. The last
//! line is always the sum of all runners: `N passed, N failed`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use local_stack::{HapiOptions, Layout, Stack, StackOptions};
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};

use crate::{build, repository, say, stack};

mod dashboard;
mod images;
mod runner;
mod tally;

use runner::Runner;

/// The package whose tests need the stack, and those of its modules that do not.
const SYSTEM_TESTS: &str = "iidi-tests";
const WITHOUT_STACK: [&str; 4] = ["layering::", "config_samples::", "help::", "fuzzed::"];

/// The provinces that the tests play on; the third shows that one is added by data.
const PROVINCES: [&str; 3] = ["ON", "BC", "QC"];

/// How many transfers are simulated: some minutes; any number on demand, by `cargo xtask simulate`.
const SIMULATED: &str = "20000";

/// Options of `test`.
#[derive(Args)]
pub struct Test {
    /// Only system tests whose name holds this; the steps before them are left out.
    filter: Option<String>,
    /// Leave the stack running at the end, to look at it.
    #[arg(long)]
    keep: bool,
    /// Folder of the stack. What is in it is removed at the start.
    #[arg(long = "state", value_name = "DIR", env = "IIDI_TEST_STATE", default_value_os_t = default_state())]
    state: PathBuf,
}

/// Everything that needs no stack.
pub async fn check() -> Result<()> {
    stack::set_up()?;
    let mut runner = Runner::new()?;
    let outcome = until_interrupted(async {
        static_checks(&mut runner).await?;
        tests_without_stack(&mut runner).await
    });
    let outcome = outcome.await;
    runner.finish(outcome)
}

impl Test {
    /// Everything, then the system tests on a stack of their own.
    pub async fn run(self) -> Result<()> {
        stack::set_up()?;
        let Self { filter, keep, state } = self;
        let layout = Layout::at(state);
        let _alone = alone(&layout)?;
        let mut runner = Runner::new()?;
        let outcome = until_interrupted(async {
            if filter.is_none() {
                static_checks(&mut runner).await?;
                tests_without_stack(&mut runner).await?;
            }
            system_tests(&mut runner, &layout, filter.as_deref()).await
        });
        let outcome = outcome.await;
        // Whatever happened, also on Ctrl-C: nothing is left running.
        let stopped = if keep { Ok(()) } else { stop(&layout).await };
        runner.finish(outcome.and(stopped))
    }
}

/// Format, lints, documentation, licences.
async fn static_checks(runner: &mut Runner) -> Result<()> {
    runner.step("format", cargo(&["fmt", "--all", "--check"])).await?;
    let lints = ["clippy", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"];
    runner.step("lints", cargo(&lints)).await?;
    let mut docs = cargo(&["doc", "--locked", "--workspace", "--no-deps"]);
    docs.env("RUSTDOCFLAGS", "-D warnings");
    runner.step("documentation", docs).await?;
    licences(runner).await
}

/// Licences, sources and bans, where the tool is installed: its absence is said, and counted.
async fn licences(runner: &mut Runner) -> Result<()> {
    let installed = cargo(&["deny", "--version"]).output().await.is_ok_and(|output| output.status.success());
    if installed {
        let deny = cargo(&["deny", "--offline", "check", "bans", "licenses", "sources"]);
        runner.step("bans, licences, sources", deny).await?;
        return Ok(());
    }
    let rules = fs::read_to_string(repository().join("deny.toml"))?;
    let bans = rules.lines().filter(|line| line.trim_start().starts_with("{ crate = ")).count();
    runner.not_checked(format!("cargo-deny ({bans} bans)"));
    Ok(())
}

/// The synthesizer's tests, all of cargo's that need no stack, and the dashboard's.
async fn tests_without_stack(runner: &mut Runner) -> Result<()> {
    let python = python(runner).await?;
    let mut synthesizer = Command::new(python.join("bin/python"));
    synthesizer.args(["-m", "pytest", "-q"]).current_dir(repository().join("synthesizer"));
    runner.step("synthesizer's tests", synthesizer).await?;
    let binaries = compiled(runner).await?;
    let unit = ["test", "--locked", "--workspace", "--exclude", SYSTEM_TESTS, "--no-fail-fast"];
    let mut unit = cargo(&unit);
    unit.args(["--", "--show-output"]);
    runner.step("unit and edge tests", unit).await?;
    let mut outside = tests_of("integration");
    outside.args(WITHOUT_STACK).env("IIDI_BINARIES", &binaries);
    runner.step("layering, samples, --help", outside).await?;
    deployment(runner, &binaries).await?;
    dashboard::run(runner).await?;
    images::run(runner).await
}

/// Builds every program and test at once, so that whatever runs after it finds its parts built: which packages are
/// named together decides which features their libraries are built with, and so whether they are built again.
async fn compiled(runner: &mut Runner) -> Result<PathBuf> {
    let everything = ["build", "--locked", "--workspace", "--bins", "--tests"];
    runner.step("everything compiled", cargo(&everything)).await?;
    Ok(build::folder("debug"))
}

/// One of the test programs, with the features of the whole workspace.
fn tests_of(name: &str) -> Command {
    cargo(&["test", "--locked", "--workspace", "--test", name, "--", "--show-output"])
}

/// The manifests, as a cluster would get them; custom resources against the real API server that holds such.
async fn deployment(runner: &mut Runner, binaries: &Path) -> Result<()> {
    let mut tools = Command::new("bash");
    tools.arg("deploy/local/tools.sh").current_dir(repository());
    runner.step("deployment tools", tools).await?;
    let mut tests = tests_of("deploy");
    tests.env("IIDI_BINARIES", binaries);
    runner.step("deployment", tests).await?;
    let directory =
        ["test", "--locked", "--workspace", "--features", "peers/cluster-tests", "--test", "cluster"];
    runner.step("directory in a cluster", cargo(&directory)).await?;
    Ok(())
}

/// The Python environment of the synthesizer's tests, made anew when its requirements change.
async fn python(runner: &mut Runner) -> Result<PathBuf> {
    let synthesizer = repository().join("synthesizer");
    let environment = repository().join(".local/python-test");
    let mut wanted = String::new();
    for file in ["requirements.txt", "requirements-dev.txt"] {
        wanted.push_str(&fs::read_to_string(synthesizer.join(file))?);
    }
    let stamp = environment.join("requirements-installed.txt");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(environment);
    }
    let mut make = Command::new("python3");
    make.args(["-m", "venv", "--clear"]).arg(&environment);
    runner.step("Python environment", make).await?;
    let mut install = Command::new(environment.join("bin/pip"));
    install.args(["install", "--quiet", "--disable-pip-version-check", "-r"]);
    install.arg(synthesizer.join("requirements-dev.txt"));
    runner.step("Python packages", install).await?;
    fs::write(stamp, wanted)?;
    Ok(environment)
}

/// Starts an empty stack and runs the system tests on it.
async fn system_tests(runner: &mut Runner, layout: &Layout, filter: Option<&str>) -> Result<()> {
    dashboard::packages(runner).await?; // one of them opens a browser
    // Compiled first: the stack's servers and the compiler would be in each other's way.
    let binaries = compiled(runner).await?;
    let started = Instant::now();
    say("  test stack:");
    stop(layout).await?;
    Stack::wipe(layout).await?;
    let provinces = PROVINCES.map(str::to_owned).to_vec();
    let options = StackOptions { provinces, hapi: Some(HapiOptions::default()) };
    Stack::up(layout, &options, &|line| say(&format!("    {line}"))).await?;
    say(&format!(
        "  {:>6.1} s  test stack of {} is up",
        started.elapsed().as_secs_f64(),
        PROVINCES.join(", ")
    ));

    let on_the_stack = || {
        let mut tests = tests_of("integration");
        tests.env("IIDI_TEST_STACK", layout.root()).env("IIDI_BINARIES", &binaries);
        tests
    };
    let mut tests = on_the_stack();
    match filter {
        Some(filter) => {
            tests.arg(filter);
        }
        None => {
            tests.args(WITHOUT_STACK.iter().flat_map(|done| ["--skip", done])); // they have run before
        }
    }
    runner.step("system tests", tests).await?;
    if filter.is_none() {
        let mut alone = on_the_stack();
        alone.arg("--ignored");
        runner.step("tests that need it alone", alone).await?;
        let mut simulation = Command::new(binaries.join("simulation"));
        simulation.args(["--transfers", SIMULATED]).env("IIDI_TEST_STACK", layout.root());
        let said = runner.step("simulated transfers", simulation).await?;
        say(&format!("    {}", said.lines().last().unwrap_or_default()));
    }
    Ok(())
}

async fn stop(layout: &Layout) -> Result<()> {
    Stack::down(layout, &|_| ()).await.context("stopping the test stack")
}

/// Cargo in the repository, without a database that would make the checks of queries depend on it.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    command.args(arguments).current_dir(repository()).env_remove("DATABASE_URL");
    command
}

/// Two runs would wipe each other's stack.
pub(crate) fn alone(layout: &Layout) -> Result<File> {
    let lock = layout.root().with_extension("lock");
    fs::create_dir_all(lock.parent().context("a stack needs a folder of its own")?)?;
    let lock = File::create(lock)?;
    ensure!(lock.try_lock().is_ok(), "another run is using {}", layout.root().display());
    Ok(lock)
}

fn default_state() -> PathBuf {
    Layout::in_repository("test").root().to_owned()
}

/// Works until it is done or somebody presses Ctrl-C; then what is running is ended with it.
pub(crate) async fn until_interrupted(work: impl Future<Output = Result<()>>) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        outcome = work => outcome,
        _ = interrupt.recv() => bail!("interrupted"),
        _ = terminate.recv() => bail!("interrupted"),
    }
}
