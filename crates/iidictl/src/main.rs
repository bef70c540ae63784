//! The operators' command line: what waits, why, and what to do about it. Everything it does is plain HTTP on the
//! services' own interfaces (`docs/API.md`); `audit verify` reads the database.
//!
//! It shows no personal data but what its user has typed, and asks for a reason wherever it changes something.

mod api;
mod arguments;
mod audit_trail;
mod check;
mod config;
mod exit;
mod onboard;
mod output;
mod peer;
mod release;
mod sources;
mod transfer;
mod words;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};

use crate::arguments::{Arguments, Command};
use crate::exit::Exit;
use crate::output::Output;

#[tokio::main]
async fn main() -> ExitCode {
    mtls::install_crypto_provider();
    let command = Arguments::command().version(env!("CARGO_PKG_VERSION"));
    let arguments = match command.try_get_matches().and_then(|found| Arguments::from_arg_matches(&found)) {
        Ok(arguments) => arguments,
        Err(error) => error.exit(),
    };
    let output = Output::new(arguments.lang, arguments.output);
    match run(arguments, &output).await {
        Ok(exit) => exit.into(),
        Err(error) => {
            output.complain(&error);
            Exit::Error.into()
        }
    }
}

async fn run(arguments: Arguments, output: &Output) -> anyhow::Result<Exit> {
    let config = config::Config::load(&arguments)?;
    match arguments.command {
        Command::Check => check::run(&config, output).await,
        Command::Transfer(what) => transfer::run(&config, output, what).await,
        Command::Peer(what) => peer::run(&config, output, what).await,
        Command::Release(what) => release::run(&config, output, what).await,
        Command::Sources => sources::run(&config, output).await,
        Command::Audit(what) => audit_trail::run(&config, output, what).await,
        Command::Onboard(what) => onboard::run(output, &what),
    }
}
