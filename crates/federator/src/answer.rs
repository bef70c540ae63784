//! An answer as it is sent: written once when something has changed, sent often.

use std::io::{self, Write};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use contracts::federated::{Source, SourceStatus};
use contracts::release::write_csv;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::fan_out::Holdings;
use crate::merge::Table;

/// A body, plain and packed.
#[derive(Debug, Clone, Default)]
pub struct Body {
    /// As it is.
    pub plain: Bytes,
    /// By gzip.
    pub gzip: Bytes,
}

/// The national table, ready to be sent.
#[derive(Debug, Clone)]
pub struct Written {
    /// The directory that it was written for.
    pub generation: u64,
    /// When it was written.
    pub at: DateTime<Utc>,
    /// The whole answer.
    pub json: Body,
    /// The finest table as text.
    pub csv: Body,
    /// Names what was answered, but for the passing of time.
    pub tag: String,
    /// One line for each source that is not `ok`.
    pub errors: Vec<String>,
    /// How it stands with each source.
    pub sources: Vec<Source>,
}

impl Written {
    /// Writes a table.
    ///
    /// # Errors
    /// Only if what is always JSON is none.
    pub fn new(table: &Table<'_>, held: &Holdings, generation: u64, at: DateTime<Utc>) -> io::Result<Self> {
        Ok(Self {
            generation,
            at,
            json: Body::packed(serde_json::to_vec(table)?)?,
            csv: Body::packed(write_csv(table.data.iter().copied()).into_bytes())?,
            tag: tag(table, held)?,
            errors: table.errors.clone(),
            sources: table.sources.clone(),
        })
    }

    /// Tells whether any source has data.
    pub fn has_data(&self) -> bool {
        self.sources.iter().any(|source| source.status.has_data())
    }

    /// Tells whether every source is `ok`, and there is one.
    pub fn is_complete(&self) -> bool {
        !self.sources.is_empty() && self.sources.iter().all(|source| source.status == SourceStatus::Ok)
    }

    /// Lists the sources in one line: `BC=stale, ON=ok`.
    pub fn summary(&self) -> String {
        let words =
            self.sources.iter().map(|source| format!("{}={}", source.jurisdiction, source.status.as_str()));
        words.collect::<Vec<_>>().join(", ")
    }
}

impl Body {
    fn packed(plain: Vec<u8>) -> io::Result<Self> {
        let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
        packer.write_all(&plain)?;
        Ok(Self { gzip: packer.finish()?.into(), plain: plain.into() })
    }
}

/// What an answer says apart from how old things are: its sources, and the checksums of what they gave.
#[derive(Serialize)]
struct Said<'a> {
    sources: Vec<Source>,
    checksums: Vec<&'a str>,
    dictionary: &'a contracts::dictionary::Dictionary,
}

fn tag(table: &Table<'_>, held: &Holdings) -> io::Result<String> {
    let with_data = table.sources.iter().filter(|source| source.status.has_data());
    let checksums = with_data.filter_map(|source| held.get(&source.jurisdiction)?.release.as_deref());
    let said = Said {
        sources: table.sources.iter().map(|source| Source { age_seconds: None, ..source.clone() }).collect(),
        checksums: checksums.map(|document| document.release.checksum.as_str()).collect(),
        dictionary: &table.dictionary,
    };
    let digest = Sha256::digest(serde_json::to_vec(&said)?);
    Ok(digest.iter().take(16).fold(String::new(), |text, byte| format!("{text}{byte:02x}")))
}
