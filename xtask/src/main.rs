//! Developer chores: the local stack. `cargo xtask --help` lists them.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use local_stack::Layout;

mod bench;
mod build;
mod check;
mod demo;
mod docs;
mod fuzz;
mod operator;
mod simulate;
mod sqlx_prepare;
mod stack;
mod token;

/// Developer chores.
#[derive(Parser)]
#[command(name = "cargo xtask", disable_version_flag = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start the local stack, or what of it does not run.
    Up(stack::Up),
    /// End every process of the local stack; its data stays.
    Down(stack::Down),
    /// Say what runs, on which port, with how much memory.
    Status(StateFolder),
    /// List the log files, or show the end of one.
    Logs(stack::Logs),
    /// Show a transfer from one province to another, on real parts.
    Demo(demo::Demo),
    /// Check format, lints, documentation, and run every test that needs no stack.
    Check,
    /// Check everything, then run the whole system's tests on a stack of their own.
    Test(check::Test),
    /// Measure the release builds on a stack of their own, each beside what it could not do without.
    Bench(bench::Bench),
    /// Drive transfers through faults, crashes and replays in virtual time; count what is lost or doubled.
    Simulate(simulate::Simulate),
    /// Feed made-up input to what reads what strangers send; see docs/CONTRIBUTING.md.
    Fuzz(fuzz::Fuzz),
    /// Write the parts of the documentation that are made from the code.
    Docs,
    /// Print a bearer token for a province's API.
    Token(token::Token),
    /// Write down what builds without a database need to know of each query.
    SqlxPrepare(sqlx_prepare::SqlxPrepare),
}

/// Which stack is meant.
#[derive(Args, Clone)]
pub struct StateFolder {
    /// Folder that holds everything of the stack.
    #[arg(long = "state", value_name = "DIR", env = "IIDI_STATE", default_value_os_t = default_state())]
    state: PathBuf,
}

impl StateFolder {
    /// The stack's places.
    pub fn layout(&self) -> Layout {
        Layout::at(&self.state)
    }
}

fn default_state() -> PathBuf {
    Layout::in_repository("stack").root().to_owned()
}

/// Root of the repository, wherever the command was typed.
pub fn repository() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// Prints a line for the person at the terminal.
#[expect(clippy::print_stdout, reason = "this program's output is for a terminal")]
pub fn say(line: &str) {
    println!("{line}");
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Cli::parse().command).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("failed: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> Result<()> {
    match command {
        Command::Up(options) => options.run().await,
        Command::Down(options) => options.run().await,
        Command::Status(state) => stack::status(&state),
        Command::Logs(options) => options.run(),
        Command::Demo(options) => options.run().await,
        Command::Check => check::check().await,
        Command::Test(options) => options.run().await,
        Command::Bench(options) => options.run().await,
        Command::Simulate(options) => options.run().await,
        Command::Fuzz(options) => options.run().await,
        Command::Docs => docs::write(),
        Command::Token(options) => options.run(),
        Command::SqlxPrepare(options) => options.run().await,
    }
}
