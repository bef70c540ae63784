//! The newest release, written once for all who read it: JSON and text, plain and packed.

use std::io::Write;
use std::sync::Arc;

use bytes::Bytes;
use contracts::release::{ReleaseDocument, write_csv};
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::store::{StoreError, Stored};

/// Bytes as they are, and packed.
#[derive(Debug, Clone)]
pub struct Body {
    /// As they are.
    pub plain: Bytes,
    /// By gzip.
    pub gzip: Bytes,
}

/// A release, ready to be sent.
#[derive(Debug)]
pub struct Answer {
    /// Its number.
    pub id: u64,
    /// The `ETag` of the JSON, the checksum in quotes.
    pub etag: String,
    /// `Last-Modified`.
    pub last_modified: String,
    /// The document.
    pub json: Body,
    /// The finest table.
    pub csv: Body,
}

impl Answer {
    /// Writes a release: reading and packing megabytes, so not on a thread that others wait for.
    pub async fn of(stored: Stored) -> Result<Arc<Self>, StoreError> {
        let written = tokio::task::spawn_blocking(move || Self::written(stored)).await;
        written.ok().flatten().map(Arc::new).ok_or(StoreError::Unreadable("a release"))
    }

    fn written(Stored { head, document }: Stored) -> Option<Self> {
        let read: ReleaseDocument = serde_json::from_slice(&document).ok()?;
        Some(Self {
            id: head.id,
            etag: read.etag(),
            last_modified: head.published_at.format("%a, %d %b %Y %H:%M:%S GMT").to_string(),
            json: Body::of(document),
            csv: Body::of(write_csv(&read.data).into_bytes()),
        })
    }
}

impl Body {
    fn of(plain: Vec<u8>) -> Self {
        let mut packed = GzEncoder::new(Vec::new(), Compression::default());
        // Writing into memory does not fail; an empty body would be unpacked as nothing, so it is left away then.
        let gzip = packed.write_all(&plain).and_then(|()| packed.finish()).unwrap_or_default();
        Self { plain: plain.into(), gzip: gzip.into() }
    }
}
