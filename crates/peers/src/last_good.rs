//! A copy of the last good set on disk, so that a restart survives a directory that is gone or broken.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::entry::JurisdictionEntry;
use crate::file::ReadEntry;
use crate::merge::{Entries, merge};

#[derive(Serialize, Deserialize)]
struct Kept<E> {
    jurisdictions: Vec<E>,
}

/// Writes the set whole or not at all: beside the file first, then renamed over it.
pub(crate) fn write(path: &Path, entries: &Entries) -> io::Result<()> {
    let jurisdictions: Vec<&JurisdictionEntry> = entries.values().map(Arc::as_ref).collect();
    let text = serde_norway::to_string(&Kept { jurisdictions }).map_err(io::Error::other)?;
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let mut file = File::create(&beside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// Reads the set, each entry checked as if it were new; `None` when there is no copy.
pub(crate) fn read(path: &Path) -> io::Result<Option<Entries>> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let kept: Kept<JurisdictionEntry> = serde_norway::from_str(&text).map_err(io::Error::other)?;
    let checked = kept.jurisdictions.into_iter().map(|entry| ReadEntry {
        label: entry.code.to_string(),
        code: Some(entry.code.clone()),
        is_suspended: false,
        outcome: entry.check().map(|()| entry),
    });
    Ok(Some(merge(checked.collect(), &Entries::new()).0))
}
