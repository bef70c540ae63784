//! Thousands of transfers among four provinces, in virtual time, through everything that goes wrong on the way.
//!
//! The steps, the handlers, the SQL and the PostgreSQL are those of the services. What is simulated is the outside:
//! the network between the provinces ([`network`]), the FHIR servers ([`fhir_server`]), the queue ([`schedule`]),
//! and the time. A process can die, or stand still, before and after each call that leaves it. When all is quiet
//! again, [`judge`] counts what was lost, doubled or wrongly closed: by what stands in ledgers and on FHIR servers, not
//! by what the services say. A world follows from its seed; `--seed` of a failed one brings it back.

use std::process::ExitCode;

use clap::Parser;

mod doses;
mod fhir_server;
mod judge;
mod mix;
mod network;
mod people;
mod province;
mod report;
mod run;
mod sabotage;
mod scenario;
mod schedule;
mod shared;
mod world;

/// What is simulated.
#[derive(Parser)]
#[command(name = "simulate", disable_version_flag = true)]
pub struct Options {
    /// How many transfers are requested, over all worlds.
    #[arg(long, default_value_t = 20_000)]
    transfers: usize,
    /// How many of them each world has.
    #[arg(long, default_value_t = 250, value_name = "TRANSFERS")]
    world: usize,
    /// The seed of the first world; the next ones count up.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only this mix of faults; else each world has the next one.
    #[arg(long)]
    mix: Option<mix::Mix>,
    /// How many worlds run at once; each waits for the database most of its time.
    #[arg(long, default_value_t = 4)]
    threads: usize,
    /// Part of the databases' names: two simulations at once need two.
    #[arg(long, default_value = "sim", value_name = "NAME")]
    databases: String,
    /// A fault of our own making, to see whether the judge finds it.
    #[arg(long)]
    sabotage: Option<sabotage::Sabotage>,
    /// Say each event of each world, for looking into one.
    #[arg(long)]
    verbose: bool,
}

fn main() -> ExitCode {
    match run::run(&Options::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            report::say(&format!("failed: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
