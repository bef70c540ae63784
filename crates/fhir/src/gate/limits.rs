//! What the gate bounds, and how it refuses bytes.

use crate::Issue;

/// The bounds of a document. Exceeding one refuses it, whatever else is right with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Largest document, in bytes.
    pub max_bytes: usize,
    /// Deepest nesting of JSON objects and lists; never more than 100 in effect.
    pub max_depth: usize,
    /// Most entries of a Bundle.
    pub max_entries: usize,
    /// Most issues that are listed; the check stops there.
    pub max_issues: usize,
    /// Longest number, in characters.
    pub max_number_chars: usize,
    /// Longest string, in bytes.
    pub max_string_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_bytes: 10_000_000,
            max_depth: 32,
            max_entries: 5_000,
            max_issues: 100,
            max_number_chars: 64,
            max_string_bytes: 1024 * 1024,
        }
    }
}

/// Why bytes were refused, sorted by the HTTP status that fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalKind {
    /// More bytes than allowed (413).
    TooLarge,
    /// Nested deeper than allowed (400).
    TooDeep,
    /// Not UTF-8, or with a byte order mark (400).
    NotUtf8,
    /// Not JSON (400).
    NotJson,
    /// JSON, but with duplicate members, empty values, or values beyond the limits (400).
    NotStrict,
}

/// Bytes that are no document for the gate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the document was refused before its content was looked at ({kind:?})")]
pub struct Refusal {
    /// Why, in one word.
    pub kind: RefusalKind,
    /// Why and where, at least one.
    pub issues: Vec<Issue>,
}
