//! The last good release of each province on disk, so that a restart answers what was there before it.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use contracts::release::{ReleaseDocument, check_release};
use domain::Jurisdiction;

/// A folder with a file for each province.
pub struct LastGood {
    folder: PathBuf,
    /// One writer at a time.
    writing: Mutex<()>,
}

impl LastGood {
    /// Opens the folder; it is made if it is not there.
    ///
    /// # Errors
    /// When it cannot be made or written into.
    pub fn open(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let trial = folder.join("writable");
        fs::write(&trial, b"")?;
        fs::remove_file(&trial)?;
        Ok(Self { folder: folder.to_owned(), writing: Mutex::default() })
    }

    /// Reads a province's release. What is not a good release of it is said in the log and is none.
    pub fn read(&self, of: &Jurisdiction) -> Option<ReleaseDocument> {
        let path = self.path(of);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::error!(peer = %of, %error, "the last good release cannot be read");
                return None;
            }
        };
        let document: Option<ReleaseDocument> = serde_json::from_slice(&bytes).ok();
        let good = document.filter(|document| check_release(document, of).is_ok());
        if good.is_none() {
            tracing::error!(peer = %of, "the file of the last good release is damaged and is not used");
        }
        good
    }

    /// Writes a province's release whole or not at all: beside the file first, then renamed over it.
    ///
    /// # Errors
    /// When the disk does not take it; the old file stays.
    pub fn write(&self, document: &ReleaseDocument) -> io::Result<()> {
        let _one = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let path = self.path(&document.release.jurisdiction);
        let beside = path.with_added_extension("new");
        let mut file = File::create(&beside)?;
        file.write_all(&document.to_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, &path)?;
        File::open(&self.folder)?.sync_all()
    }

    fn path(&self, of: &Jurisdiction) -> PathBuf {
        self.folder.join(format!("{of}.json")) // a code is letters only
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::release;

    #[test]
    fn what_was_written_is_read_and_what_was_damaged_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let kept = LastGood::open(&folder.path().join("releases")).unwrap();
        let on = Jurisdiction::parse("ON").unwrap();
        assert_eq!(kept.read(&on), None);
        for id in [7, 8] {
            kept.write(&release("ON", id, 40)).unwrap();
            assert_eq!(kept.read(&on), Some(release("ON", id, 40)));
        }
        let path = folder.path().join("releases/ON.json");
        let whole = fs::read_to_string(&path).unwrap();
        for damaged in [&whole[..whole.len() / 2], "", &whole.replace("40", "41"), &whole.replace("ON", "BC")]
        {
            fs::write(&path, damaged).unwrap();
            assert_eq!(kept.read(&on), None);
        }
    }

    #[test]
    fn an_interrupted_write_leaves_the_old_release() {
        let folder = tempfile::tempdir().unwrap();
        let kept = LastGood::open(folder.path()).unwrap();
        kept.write(&release("ON", 7, 40)).unwrap();
        fs::write(folder.path().join("ON.json.new"), b"{\"release\":").unwrap();
        assert_eq!(kept.read(&Jurisdiction::parse("ON").unwrap()), Some(release("ON", 7, 40)));
        kept.write(&release("ON", 8, 40)).unwrap();
        assert_eq!(kept.read(&Jurisdiction::parse("ON").unwrap()), Some(release("ON", 8, 40)));
    }
}
