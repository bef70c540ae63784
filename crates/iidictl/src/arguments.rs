//! What can be typed.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use release::{Publish, Release};

mod release;

/// Operates a province's services, and reads how it stands with the national table.
#[derive(Parser)]
#[command(
    name = "iidictl",
    max_term_width = 100,
    after_help = "Exit codes: 0 fine, 1 error, 2 usage, 3 rejected by the \
destination, 4 timed out.\n`sources` ends with 1 unless every province is ok.\nThe configuration is TOML: server, \
inbound_server, aggregator_server, federator_server, token_file,\nadmin = [addresses], directory, database_url_file, \
and [tls] certificate, key, roots, crl."
)]
pub struct Arguments {
    /// The configuration file [default: ~/.config/iidi/config.toml].
    #[arg(long, global = true, env = "IIDI_CONFIG")]
    pub config: Option<PathBuf>,
    /// The outbound API, such as <http://127.0.0.1:8101>.
    #[arg(long, global = true, env = "IIDI_SERVER")]
    pub server: Option<String>,
    /// The inbound service's own API.
    #[arg(long, global = true, env = "IIDI_INBOUND_SERVER")]
    pub inbound_server: Option<String>,
    /// The aggregator's own API.
    #[arg(long, global = true, env = "IIDI_AGGREGATOR_SERVER")]
    pub aggregator_server: Option<String>,
    /// The federator's API.
    #[arg(long, global = true, env = "IIDI_FEDERATOR_SERVER")]
    pub federator_server: Option<String>,
    /// A file with the bearer token.
    #[arg(long, global = true, env = "IIDI_TOKEN_FILE")]
    pub token_file: Option<PathBuf>,
    /// The form of the output.
    #[arg(short, long, global = true, value_enum, default_value_t = Form::Table)]
    pub output: Form,
    /// The language of the output [default: by `LC_ALL`, `LC_MESSAGES` or `LANG`].
    #[arg(long, global = true, value_enum)]
    pub lang: Option<Lang>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The form of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// For reading.
    Table,
    /// One JSON document.
    Json,
    /// One JSON object a line, for lists.
    Ndjson,
}

/// An official language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Lang {
    /// English.
    En,
    /// Français.
    Fr,
}

/// The commands.
#[derive(Subcommand)]
pub enum Command {
    /// Checks the services, the peers' gateways, certificates and the clock.
    Check,
    /// Requests, follows and operates transfers.
    #[command(subcommand)]
    Transfer(Transfer),
    /// Shows peers, holds their lanes back and lets them go.
    #[command(subcommand)]
    Peer(Peer),
    /// Publishes the province's protected table, shows and compares what was published.
    #[command(subcommand)]
    Release(Release),
    /// Shows how it stands with each province's data in the national table.
    Sources,
    /// Verifies the audit trail.
    #[command(subcommand)]
    Audit(Audit),
    /// Writes a new province's files into the tree that clusters are kept by.
    Onboard(Onboard),
}

/// A province that joins.
#[derive(Args)]
pub struct Onboard {
    /// Its code, such as QC.
    pub code: String,
    /// Its name in English.
    #[arg(long)]
    pub name_en: String,
    /// Its name in French.
    #[arg(long)]
    pub name_fr: String,
    /// The host that issues the province's tokens.
    #[arg(long)]
    pub login: String,
    /// The tree.
    #[arg(long, default_value = ".")]
    pub tree: PathBuf,
}

/// What can be done with transfers.
#[derive(Subcommand)]
pub enum Transfer {
    /// Requests a transfer.
    Request(Request),
    /// Lists transfers, newest first.
    List(List),
    /// Shows one transfer.
    Show {
        /// The transfer.
        id: String,
        /// With its timeline.
        #[arg(long)]
        events: bool,
    },
    /// Follows a transfer's timeline until it ends.
    Watch {
        /// The transfer.
        id: String,
        /// For how long, in seconds.
        #[arg(long, value_name = "SECONDS")]
        timeout: Option<u64>,
    },
    /// Tries a waiting transfer now, or wakes a dead one.
    Retry(Operate),
    /// Calls a transfer off whose package has not left.
    Cancel(Operate),
    /// Deletes the package of a transfer that has ended.
    Purge(Operate),
    /// Lists the transfers of a patient, whose id is read from standard input, so that no history keeps it.
    Search,
}

/// A transfer that is asked for.
#[derive(Args)]
pub struct Request {
    /// The Patient's id on the province's FHIR server.
    #[arg(long)]
    pub patient: String,
    /// The destination's code, such as BC.
    #[arg(long)]
    pub to: String,
    /// Where consent and authorization are recorded.
    #[arg(long)]
    pub approval_ref: String,
    /// The person's identifier at the destination.
    #[arg(long, value_name = "SYSTEM|VALUE")]
    pub destination_identifier: Option<String>,
    /// Find out what would be sent; nothing is stored and nothing leaves.
    #[arg(long, conflicts_with_all = ["wait", "idempotency_key"])]
    pub dry_run: bool,
    /// A UUID that becomes the transfer's id; the same again asks for nothing new.
    #[arg(long)]
    pub idempotency_key: Option<String>,
    /// Follow it to its end.
    #[arg(long)]
    pub wait: bool,
    /// For how long, in seconds.
    #[arg(long, default_value_t = 300, requires = "wait", value_name = "SECONDS")]
    pub timeout: u64,
}

/// Which transfers are listed.
#[derive(Args)]
pub struct List {
    /// Only these states, separated by commas.
    #[arg(long)]
    pub state: Option<String>,
    /// Only those that wait for another attempt.
    #[arg(long)]
    pub retrying: bool,
    /// Only to this destination; with `--direction in`, only from this sender.
    #[arg(long)]
    pub to: Option<String>,
    /// What leaves, or what arrives.
    #[arg(long, value_enum, default_value_t = Direction::Out)]
    pub direction: Direction,
    /// Only of the last time, such as 30m, 24h or 7d.
    #[arg(long, value_parser = parse_span)]
    pub since: Option<chrono::TimeDelta>,
    /// At most so many.
    #[arg(long, default_value_t = 100)]
    pub limit: usize,
}

/// Which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Direction {
    /// From this province.
    Out,
    /// To this province.
    In,
}

/// An operator's word on a transfer.
#[derive(Args)]
pub struct Operate {
    /// The transfer.
    pub id: String,
    /// Why; it goes to the timeline and the audit trail, so it must hold no personal data.
    #[arg(long)]
    pub reason: String,
}

/// What can be done with peers.
#[derive(Subcommand)]
pub enum Peer {
    /// Lists the peers: their lanes, what waits and since when.
    List,
    /// Holds a peer's lane back.
    Pause(PeerWord),
    /// Takes a pause back.
    Resume(PeerWord),
}

/// An operator's word on a peer.
#[derive(Args)]
pub struct PeerWord {
    /// Its code, such as BC.
    pub code: String,
    /// Why; it goes to the audit trail.
    #[arg(long)]
    pub reason: String,
}

/// What can be done with the audit trail.
#[derive(Subcommand)]
pub enum Audit {
    /// Holds the trail against its chains, and the chains against the heads that were told of.
    Verify {
        /// A file with the URL of the service's database.
        #[arg(long, value_name = "FILE")]
        database_url_file: Option<PathBuf>,
        /// Logs of the service (JSON lines), which name the heads of its chains.
        #[arg(long, value_name = "FILE")]
        log: Vec<PathBuf>,
        /// A head that an earlier verification told, kept where the database's owner cannot write.
        #[arg(long, value_name = "CHAIN:NUMBER:HASH")]
        head: Vec<audit::Head>,
    },
}

/// Reads `30m`, `24h`, `7d` or `90s`.
fn parse_span(text: &str) -> Result<chrono::TimeDelta, String> {
    let wrong = || "write a number and s, m, h or d, such as 24h".to_owned();
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
    let number: i64 = number.parse().map_err(|_| wrong())?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    number.checked_mul(seconds).and_then(chrono::TimeDelta::try_seconds).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_well_formed() {
        use clap::CommandFactory as _;
        Arguments::command().debug_assert();
    }

    #[test]
    fn spans_have_a_number_and_a_unit() {
        assert_eq!(parse_span("24h"), Ok(chrono::TimeDelta::hours(24)));
        assert_eq!(parse_span("90s"), Ok(chrono::TimeDelta::seconds(90)));
        for wrong in ["", "h", "24", "1w", "é", "9999999999999999d"] {
            assert!(parse_span(wrong).is_err(), "{wrong}");
        }
    }
}
