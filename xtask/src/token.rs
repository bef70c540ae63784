//! `token`: a bearer token for a province's local API.

use std::time::Duration;

use anyhow::Result;
use clap::Args;
use local_stack::token_issuer;

use crate::{StateFolder, say};

/// Options of `token`.
#[derive(Args)]
pub struct Token {
    /// The province whose API is called.
    #[arg(long, default_value = "ON")]
    province: String,
    /// What the token allows.
    #[arg(long, value_delimiter = ',', default_value = "transfer.request,transfer.read")]
    scopes: Vec<String>,
    /// Who calls.
    #[arg(long, default_value = "local-operator")]
    subject: String,
    /// How long it is valid, in minutes.
    #[arg(long, default_value_t = 60)]
    minutes: u64,
    #[command(flatten)]
    state: StateFolder,
}

impl Token {
    /// Prints the token, alone on its line.
    pub fn run(self) -> Result<()> {
        let issuer = token_issuer(&self.state.layout(), &self.province)?;
        let scopes: Vec<&str> = self.scopes.iter().map(String::as_str).collect();
        say(&issuer.mint(&self.subject, &scopes, Duration::from_secs(self.minutes * 60))?);
        Ok(())
    }
}
