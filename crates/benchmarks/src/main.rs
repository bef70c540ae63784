//! What transfers and the national table cost, measured beside what no implementation could leave out: every result is a ratio within one
//! run. `cargo xtask bench` runs it on a stack of its own; the figures stand in `docs/performance.md`.
//!
//! It refuses to measure anything but release builds of the real services, and sends load to the loopback interface
//! only.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod double;
mod latency;
mod national;
mod pair;
mod people;
mod processes;
mod real;
mod replay;
mod report;
mod speed;
mod transfers;

#[derive(Parser)]
#[command(disable_version_flag = true)]
struct Cli {
    #[command(subcommand)]
    command: What,
}

#[derive(Subcommand)]
enum What {
    /// Print the computer that is measured on.
    Machine,
    /// Transfers of one pair, with FHIR doubles.
    Transfers(transfers::Transfers),
    /// Transfers of one pair, with the stack's real FHIR servers, beside the FHIR calls alone.
    Real(real::Real),
    /// Requests that the FHIR double answers in process.
    Speed,
    /// The national table: first load, releases, readers, a federator with a province that hangs.
    National(national::National),
    /// Serve a FHIR double until standard input is closed.
    Double(double::Double),
}

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        What::Machine => {
            report::machine();
            Ok(())
        }
        What::Transfers(transfers) => transfers.run().await,
        What::Real(real) => real.run().await,
        What::Speed => speed::run().await,
        What::National(national) => national.run().await,
        What::Double(double) => double.run().await,
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report::say(&format!("failed: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
