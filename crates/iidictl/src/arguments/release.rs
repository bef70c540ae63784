//! What can be typed about releases.

use clap::{Args, Subcommand};

/// What can be done with a province's releases.
#[derive(Subcommand)]
pub enum Release {
    /// Lists releases, newest first.
    List {
        /// At most so many.
        #[arg(long, default_value_t = 20)]
        limit: usize,
    },
    /// Shows what a release is: its header, how much of it is hidden, its margins.
    Show {
        /// Its number [default: the newest].
        id: Option<u64>,
    },
    /// Publishes what the records are now.
    Publish(Publish),
    /// Shows which cells, margins and totals two releases give differently.
    Diff {
        /// The number of the earlier one.
        from: u64,
        /// The number of the later one.
        to: u64,
    },
}

/// A release that is asked for.
#[derive(Args)]
pub struct Publish {
    /// Why; it goes to the list of releases and the audit trail, so it must hold no personal data.
    #[arg(long)]
    pub reason: String,
    /// Begin a new series. Whoever subtracts it from the old one may find what either hides.
    #[arg(long)]
    pub new_series: bool,
    /// Do not ask whether a new series is meant.
    #[arg(long)]
    pub yes: bool,
}
