//! What the services say to each other and to their callers: problems, transfers, receipts, releases and headers.
//!
//! Shapes only, with their parsing. The crate does no I/O and knows no service; whoever sends and whoever
//! receives use the same type.

pub mod arrival;
pub mod dictionary;
pub mod federated;
pub mod headers;
pub mod peer;
pub mod problem;
pub mod receipt;
pub mod release;
pub mod transfer;

pub use fhir::Issue;
pub use headers::ContentDigest;
pub use problem::{Problem, ProblemCode};
pub use receipt::{Conflict, Outcome, OutcomeCounts, Receipt};
