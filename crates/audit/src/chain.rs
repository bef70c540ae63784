//! What a row's hash is made of: pure.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// A SHA-256.
pub type Hash = [u8; 32];

/// Before the first row of a chain.
pub const BEGINNING: Hash = [0; 32];

/// How far a chain has come.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Head {
    /// The chain: the name of the process that wrote it.
    pub chain: String,
    /// The number of its last row.
    pub seq: i64,
    /// The hash of its last row, in hexadecimal.
    pub hash: String,
}

/// What no head reads as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a head is CHAIN:NUMBER:HASH, as `audit verify` and the log tell it")]
pub struct NotAHead;

impl std::fmt::Display for Head {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}", self.chain, self.seq, self.hash)
    }
}

impl std::str::FromStr for Head {
    type Err = NotAHead;

    fn from_str(text: &str) -> Result<Self, NotAHead> {
        let mut parts = text.rsplitn(3, ':');
        let (hash, seq, chain) = (parts.next(), parts.next(), parts.next());
        let (hash, seq, chain) = (hash.ok_or(NotAHead)?, seq.ok_or(NotAHead)?, chain.ok_or(NotAHead)?);
        let is_hash = hex::decode(hash).is_ok_and(|bytes| bytes.len() == BEGINNING.len());
        let seq: i64 = seq.parse().map_err(|_| NotAHead)?;
        if chain.is_empty() || seq < 0 || !is_hash {
            return Err(NotAHead);
        }
        Ok(Self { chain: chain.to_owned(), seq, hash: hash.to_lowercase() })
    }
}

/// All columns of a row of the trail.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) id: i64,
    pub(crate) at: DateTime<Utc>,
    pub(crate) action: String,
    pub(crate) outcome: String,
    pub(crate) forensic: bool,
    pub(crate) actor: String,
    pub(crate) transfer_id: Option<Uuid>,
    pub(crate) peer: Option<String>,
    pub(crate) detail: Value,
    pub(crate) writer: String,
}

impl Row {
    /// Returns the hash that links this row, as number `seq`, to the one before.
    pub(crate) fn hash(&self, before: &Hash, seq: i64) -> Hash {
        let columns = json!([
            self.id,
            self.at.timestamp_micros(),
            self.action,
            self.outcome,
            self.forensic,
            self.actor,
            self.transfer_id,
            self.peer,
            self.detail,
            self.writer,
        ]);
        let mut hash = Sha256::new();
        hash.update(before);
        hash.update(seq.to_be_bytes());
        hash.update(columns.to_string());
        hash.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> Row {
        Row {
            id: 7,
            at: DateTime::from_timestamp_micros(1_790_000_000_123_456).unwrap(),
            action: "transfer.sealed".to_owned(),
            outcome: "success".to_owned(),
            forensic: false,
            actor: "outbound-transfer".to_owned(),
            transfer_id: Some(Uuid::from_u128(1)),
            peer: Some("BC".to_owned()),
            detail: json!({"b": 1, "a": [true]}),
            writer: "outbound-transfer/1".to_owned(),
        }
    }

    #[test]
    fn a_head_reads_as_it_was_told() {
        let head = Head { chain: "a:b/1".to_owned(), seq: 7, hash: hex::encode([171; 32]) };
        assert_eq!(head.to_string().parse(), Ok(head.clone()));
        assert_eq!(head.to_string().to_uppercase().parse::<Head>().unwrap().hash, head.hash);
        for wrong in ["", "a:1", "a:1:00", "a:-1:00", ":1:ab", "a:x:ab"] {
            let wrong = wrong.replace(":ab", &format!(":{}", head.hash));
            assert_eq!(wrong.parse::<Head>(), Err(NotAHead), "{wrong}");
        }
    }

    #[test]
    fn every_column_the_number_and_the_row_before_change_the_hash() {
        let right = row().hash(&BEGINNING, 3);
        let changes: [fn(&mut Row); 10] = [
            |row| row.id = 8,
            |row| row.at += chrono::TimeDelta::microseconds(1),
            |row| row.action.push('x'),
            |row| row.outcome = "failed".to_owned(),
            |row| row.forensic = true,
            |row| row.actor.push('x'),
            |row| row.transfer_id = None,
            |row| row.peer = None,
            |row| row.detail = json!({"b": 2, "a": [true]}),
            |row| row.writer.push('x'),
        ];
        for change in changes {
            let mut other = row();
            change(&mut other);
            assert_ne!(other.hash(&BEGINNING, 3), right);
        }
        assert_ne!(row().hash(&BEGINNING, 4), right);
        assert_ne!(row().hash(&right, 3), right);
        assert_eq!(row().hash(&BEGINNING, 3), right);
    }
}
