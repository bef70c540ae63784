use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Where a transfer stands at its origin. Waiting for a retry is not a state: it is the time of the next attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TransferState {
    /// Accepted, nothing read yet.
    Requested,
    /// The package (bytes and digest) is fixed for ever.
    Sealed,
    /// The destination's receipt was verified.
    Delivered,
    /// The source was closed, or it is said why not.
    Completed,
    /// The content was refused, by the destination or before sealing.
    Rejected,
    /// The horizon is spent; an operator or a late receipt may wake it.
    Dead,
    /// Called off before the first attempt had left.
    Cancelled,
}

/// The text names no state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a state is one of requested, sealed, delivered, completed, rejected, dead, cancelled")]
pub struct UnknownState;

impl TransferState {
    /// All states, in the order of a transfer's life.
    pub const ALL: [Self; 7] = [
        Self::Requested,
        Self::Sealed,
        Self::Delivered,
        Self::Completed,
        Self::Rejected,
        Self::Dead,
        Self::Cancelled,
    ];

    /// Returns the word used in JSON, columns, logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Sealed => "sealed",
            Self::Delivered => "delivered",
            Self::Completed => "completed",
            Self::Rejected => "rejected",
            Self::Dead => "dead",
            Self::Cancelled => "cancelled",
        }
    }

    /// Tells whether work is still to be done.
    pub fn is_unfinished(self) -> bool {
        matches!(self, Self::Requested | Self::Sealed | Self::Delivered)
    }

    /// Tells whether a transfer may go from this state to `next`.
    ///
    /// `dead` goes back to where it stood (`requested`, `sealed` or `delivered`) by an operator's retry, and to
    /// `delivered` by a late receipt.
    pub fn may_become(self, next: Self) -> bool {
        use TransferState::{Cancelled, Completed, Dead, Delivered, Rejected, Requested, Sealed};
        match self {
            Requested => matches!(next, Sealed | Rejected | Dead | Cancelled),
            Sealed => matches!(next, Delivered | Rejected | Dead | Cancelled),
            Delivered => matches!(next, Completed | Dead),
            Dead => matches!(next, Requested | Sealed | Delivered),
            Completed | Rejected | Cancelled => false,
        }
    }
}

impl fmt::Display for TransferState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for TransferState {
    type Err = UnknownState;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or(UnknownState)
    }
}

/// What became of the source record when the transfer was completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceOutcome {
    /// Marked inactive, with a link to the destination.
    Closed,
    /// Left active, because the province is configured so.
    Kept,
    /// Left active: the record changed after it was sealed, and a follow-up transfer is proposed.
    ChangedSinceSeal,
    /// Left active: the person has come back meanwhile.
    Returned,
}

impl SourceOutcome {
    /// Returns the word used in JSON, columns, logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Kept => "kept",
            Self::ChangedSinceSeal => "changed_since_seal",
            Self::Returned => "returned",
        }
    }
}

impl FromStr for SourceOutcome {
    type Err = UnknownState;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Closed, Self::Kept, Self::ChangedSinceSeal, Self::Returned]
            .into_iter()
            .find(|outcome| outcome.as_str() == text)
            .ok_or(UnknownState)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_other_than_dead_is_final() {
        for end in [TransferState::Completed, TransferState::Rejected, TransferState::Cancelled] {
            assert!(TransferState::ALL.into_iter().all(|next| !end.may_become(next)));
        }
    }

    #[test]
    fn completion_needs_a_verified_receipt_first() {
        let before_completed: Vec<_> =
            TransferState::ALL.into_iter().filter(|s| s.may_become(TransferState::Completed)).collect();
        assert_eq!(before_completed, [TransferState::Delivered]);
    }

    #[test]
    fn every_word_is_read_back() {
        for state in TransferState::ALL {
            assert_eq!(state.as_str().parse(), Ok(state));
        }
    }
}
