//! The standard: the R4 gate, our rules, references, terminology, comparing resources.
//!
//! Pure functions over `serde_json::Value`; every finding is an [`Issue`] with a FHIRPath and no value of the
//! document. The crate does no I/O and refuses to decide what to do with what it finds.

pub mod canonical;
pub mod dates;
pub mod disclosure_event;
pub mod gate;
pub mod identifiers;
mod issue;
pub mod origin;
pub mod references;
pub mod rules;
pub mod terminology;

pub use issue::{Issue, IssueCode, Severity};
pub use origin::{ORIGIN_SYSTEM, OriginRecord};
