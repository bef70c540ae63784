//! The peer directory: one entry per jurisdiction, from a file or from a cluster's `Jurisdiction` objects, followed
//! while the service runs.
//!
//! A bad entry is refused alone and reported, and the last good version of it stays; a file that cannot be read
//! at all leaves the whole last good set in place, across restarts where a copy is kept on disk. Where two entries
//! claim the same, the one that had it before keeps it and else neither gets it. Doubt about a suspension suspends.
//! The crate decides nothing about a call: it says who an identity is, exactly, and what the federation has agreed
//! about it.

mod check;
mod cluster;
mod config;
mod definition;
mod directory;
mod entry;
mod file;
mod last_good;
mod measure;
mod merge;

pub use check::EntryProblem;
pub use config::DirectoryConfig;
pub use definition::definition;
pub use directory::{Directory, DirectoryError};
pub use entry::{
    Gateway, Identities, JurisdictionEntry, JurisdictionState, Limits, Names, PeerService, Role,
};
