use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use domain::Jurisdiction;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::entry::{EntryProblem, JurisdictionEntry, PeerService};
use crate::file;

/// The directory cannot be used at start.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// The file cannot be read.
    #[error("cannot read the peer directory {path}")]
    File {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The file is no directory.
    #[error("the peer directory {path} is wrong: {what}")]
    Content {
        /// The file.
        path: String,
        /// What is wrong.
        what: String,
    },
}

type Entries = BTreeMap<Jurisdiction, Arc<JurisdictionEntry>>;

/// The directory as it stands now. Cheap to clone; all clones see the same.
#[derive(Debug, Clone)]
pub struct Directory {
    path: Arc<PathBuf>,
    entries: Arc<ArcSwap<Entries>>,
    problems: Arc<ArcSwap<Vec<(String, EntryProblem)>>>,
    generation: watch::Sender<u64>,
}

impl Directory {
    /// Reads the directory; entries that are wrong are left out and reported.
    pub fn from_file(path: &Path) -> Result<Self, DirectoryError> {
        let directory = Self {
            path: Arc::new(path.to_owned()),
            entries: Arc::default(),
            problems: Arc::default(),
            generation: watch::channel(0).0,
        };
        let text = std::fs::read_to_string(path)
            .map_err(|source| DirectoryError::File { path: path.display().to_string(), source })?;
        directory
            .take(&text)
            .map_err(|what| DirectoryError::Content { path: path.display().to_string(), what })?;
        Ok(directory)
    }

    /// Returns the entry of a jurisdiction.
    pub fn get(&self, code: &Jurisdiction) -> Option<Arc<JurisdictionEntry>> {
        self.entries.load().get(code).cloned()
    }

    /// Returns whose service an identity is, exactly.
    pub fn by_identity(&self, service: PeerService, spiffe_id: &str) -> Option<Arc<JurisdictionEntry>> {
        self.entries.load().values().find(|entry| entry.identities.of(service) == Some(spiffe_id)).cloned()
    }

    /// Returns all entries, by code.
    pub fn all(&self) -> Vec<Arc<JurisdictionEntry>> {
        self.entries.load().values().cloned().collect()
    }

    /// Returns what was refused at the last reading: code or position, and why.
    pub fn problems(&self) -> Vec<(String, EntryProblem)> {
        self.problems.load().as_ref().clone()
    }

    /// Returns a receiver that is told of each change; its value counts them.
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.generation.subscribe()
    }

    /// Reads the file again if it can be read; tells whether the entries have changed.
    pub fn reload(&self) -> bool {
        let taken = std::fs::read_to_string(self.path.as_ref()).map_err(|error| error.to_string());
        match taken.and_then(|text| self.take(&text)) {
            Ok(changed) => changed,
            Err(what) => {
                tracing::error!(what, "the peer directory cannot be read; the last good one stays");
                false
            }
        }
    }

    /// Looks at the file again and again, until `stop`.
    pub async fn watch(self, interval: Duration, stop: CancellationToken) {
        while stop.run_until_cancelled(tokio::time::sleep(interval)).await.is_some() {
            let directory = self.clone();
            let _ = tokio::task::spawn_blocking(move || directory.reload()).await;
        }
    }

    fn take(&self, text: &str) -> Result<bool, String> {
        let reading = file::read(text)?;
        let last = self.entries.load_full();
        let mut entries: Entries =
            reading.entries.into_iter().map(|entry| (entry.code.clone(), Arc::new(entry))).collect();
        for (label, _) in &reading.problems {
            let code = Jurisdiction::parse(label).ok();
            if let Some((code, good)) = code.and_then(|code| last.get(&code).map(|good| (code, good.clone())))
            {
                // The last good version stays, unless its identity now belongs to somebody else.
                let is_taken = entries.values().any(|other| {
                    other.identities.all().any(|id| good.identities.all().any(|mine| mine == id))
                });
                if !is_taken {
                    entries.entry(code).or_insert(good);
                }
            }
        }
        if **self.problems.load() != reading.problems {
            for (label, problem) in &reading.problems {
                tracing::error!(entry = label, %problem, "an entry of the peer directory is refused");
            }
        }
        self.problems.store(Arc::new(reading.problems));
        let changed = entries != *last;
        if changed {
            self.entries.store(Arc::new(entries));
            self.generation.send_modify(|generation| *generation += 1);
        }
        Ok(changed)
    }
}

#[cfg(test)]
mod tests;
