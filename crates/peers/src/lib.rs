//! The peer directory: one entry per jurisdiction, read again while the service runs.
//!
//! A bad entry is refused alone and reported, and the last good version of it stays; a file that cannot be read
//! at all leaves the whole last good set in place. The crate decides nothing about a call: it says who an
//! identity is, exactly, and what the federation has agreed about it.

mod directory;
mod entry;
mod file;

pub use directory::{Directory, DirectoryError};
pub use entry::{
    EntryProblem, Gateway, Identities, JurisdictionEntry, JurisdictionState, Limits, Names, PeerService, Role,
};
