use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The id of a transfer, chosen by whoever asked for it (`Idempotency-Key`) and the same at both ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TransferId(Uuid);

/// The text is no UUID in its hyphenated form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a transfer id is a UUID such as 0190b0c4-7d9e-7c4b-9a53-3f1f0f0b6f11")]
pub struct InvalidTransferId;

impl TransferId {
    /// Reads the hyphenated form; braces, `urn:` prefixes and the nil UUID are refused.
    pub fn parse(text: &str) -> Result<Self, InvalidTransferId> {
        match Uuid::try_parse(text) {
            Ok(uuid) if text.len() == 36 && !uuid.is_nil() => Ok(Self(uuid)),
            _ => Err(InvalidTransferId),
        }
    }

    /// Makes a new id, ordered by time.
    pub fn generate() -> Self {
        Self(Uuid::now_v7())
    }

    /// Returns the UUID.
    pub fn uuid(&self) -> Uuid {
        self.0
    }
}

impl From<Uuid> for TransferId {
    fn from(uuid: Uuid) -> Self {
        Self(uuid)
    }
}

impl fmt::Display for TransferId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}
