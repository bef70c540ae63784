//! What a verification reports.

use serde::Serialize;

use crate::chain::Head;

/// What was found wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Finding {
    /// The row that a link names is gone.
    Removed {
        /// The chain.
        chain: String,
        /// The number in it.
        seq: i64,
        /// The row.
        event_id: i64,
    },
    /// A row is not what was linked.
    Altered {
        /// The chain.
        chain: String,
        /// The number in it.
        seq: i64,
        /// The row.
        event_id: i64,
    },
    /// A row is what was linked, in another place.
    Moved {
        /// The chain in which it stands.
        chain: String,
        /// The number at which it stands.
        seq: i64,
        /// The row.
        event_id: i64,
        /// The chain to which it belongs.
        from_chain: String,
        /// The number to which it belongs.
        from_seq: i64,
    },
    /// Numbers of a chain are missing.
    Gap {
        /// The chain.
        chain: String,
        /// The first number that is missing.
        seq: i64,
    },
    /// A chain ends before a head that was told of: its end was cut off, or the whole of it is gone.
    CutOff {
        /// The chain.
        chain: String,
        /// The highest number that was told of.
        seq: i64,
        /// The chain that names it; none where the log or the operator does.
        told_by: Option<String>,
    },
    /// A chain agrees with itself and not with a head that was told of: somebody wrote it anew, with new hashes.
    Rewritten {
        /// The chain.
        chain: String,
        /// The last number at which it is as it was told of; what follows cannot be trusted. None: from its beginning.
        after: Option<i64>,
        /// The first number at which it is not.
        seq: i64,
        /// The chain that names it; none where the log or the operator does.
        told_by: Option<String>,
    },
    /// A row that no chain holds, though its writer had the time to link it: added by somebody else, or its link is gone.
    Unlinked {
        /// The row.
        event_id: i64,
        /// Who is said to have written it.
        writer: String,
    },
}

/// What a verification has seen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Chains.
    pub chains: u64,
    /// Rows that are linked and as they were.
    pub rows: u64,
    /// Rows too young to be linked.
    pub young: u64,
    /// Heads that were told of and held against the chains.
    pub heads: u64,
    /// The heads that no later chain names: whoever keeps them where the database's owner cannot write can prove the
    /// whole trail up to here, for each hash holds all that was linked or named before it.
    pub ends: Vec<Head>,
    /// What is wrong; nothing in a good trail.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Tells whether nothing was found wrong.
    pub fn is_good(&self) -> bool {
        self.findings.is_empty()
    }
}
