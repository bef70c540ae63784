use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use domain::Jurisdiction;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::check::EntryProblem;
use crate::cluster::{self, ClusterSource};
use crate::entry::{JurisdictionEntry, PeerService};
use crate::file::{self, ReadEntry};
use crate::last_good;
use crate::measure::measure;
use crate::merge::{Entries, Problems, merge};

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

impl DirectoryError {
    fn reason(&self) -> String {
        match self {
            Self::File { source, .. } => format!("the file cannot be read: {source}"),
            Self::Content { what, .. } => what.clone(),
        }
    }
}

/// The directory as it stands now. Cheap to clone; all clones see the same.
#[derive(Debug, Clone)]
pub struct Directory {
    shared: Arc<Shared>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    path: PathBuf,
    /// Where the entries are, if the file says that they are a cluster's objects.
    cluster: Option<ClusterSource>,
    /// Where the last good set is kept on disk, if it is.
    last_good: Option<PathBuf>,
    entries: ArcSwap<Entries>,
    problems: ArcSwap<Problems>,
    generation: watch::Sender<u64>,
    /// What the copy on disk holds, as far as known. Locked for the whole of a reading: there is one at a time.
    kept: Mutex<Option<Arc<Entries>>>,
}

impl Directory {
    /// Reads the directory; entries that are wrong are left out and reported.
    ///
    /// In place of the list the file may say `kubernetes: {last_good: FILE}`: then the entries are the cluster's
    /// `Jurisdiction` objects. They are listed at once, which may take seconds, and [`watch`](Self::watch) follows
    /// them. With `last_good` a copy is kept as [`from_file_keeping`](Self::from_file_keeping) does.
    ///
    /// # Errors
    /// [`DirectoryError`] when the file as a whole, or the cluster, cannot be used and there is no usable copy.
    pub fn from_file(path: &Path) -> Result<Self, DirectoryError> {
        match std::fs::read_to_string(path).ok().and_then(|text| file::cluster(&text)) {
            None => Self::open(path, None, None, None),
            Some(Ok(source)) => {
                let last_good = source.last_good.clone();
                let kept = last_good.as_deref().and_then(kept_copy);
                Self::open(path, Some(source), last_good, kept)
            }
            Some(Err(what)) => Err(DirectoryError::Content { path: path.display().to_string(), what }),
        }
    }

    /// Reads the directory as [`from_file`](Self::from_file) does, and keeps a copy of each accepted set at
    /// `last_good_path`: where the file or an entry of it cannot be used at the start, the copy is.
    ///
    /// The folder of the copy must exist and be writable; each process has a copy of its own. A copy that cannot
    /// be read is no copy, with an error in the log; one that cannot be written shows in
    /// [`problems`](Self::problems).
    ///
    /// # Errors
    /// [`DirectoryError`] when the file as a whole cannot be used and there is no usable copy.
    pub fn from_file_keeping(path: &Path, last_good_path: &Path) -> Result<Self, DirectoryError> {
        Self::open(path, None, Some(last_good_path.to_owned()), kept_copy(last_good_path))
    }

    fn open(
        path: &Path,
        cluster: Option<ClusterSource>,
        last_good: Option<PathBuf>,
        kept: Option<Arc<Entries>>,
    ) -> Result<Self, DirectoryError> {
        let has_copy = kept.is_some();
        measure(kept.as_deref().unwrap_or(&Entries::new()), &Entries::new());
        let directory = Self {
            shared: Arc::new(Shared {
                path: path.to_owned(),
                cluster,
                last_good,
                entries: ArcSwap::new(kept.clone().unwrap_or_default()),
                problems: ArcSwap::default(),
                generation: watch::channel(0).0,
                kept: Mutex::new(kept),
            }),
        };
        match directory.shared.look() {
            Err(error) if !has_copy => Err(error),
            _ => Ok(directory),
        }
    }

    /// Returns the entry of a jurisdiction.
    pub fn get(&self, code: &Jurisdiction) -> Option<Arc<JurisdictionEntry>> {
        self.shared.entries.load().get(code).cloned()
    }

    /// Returns whose service an identity is, exactly.
    pub fn by_identity(&self, service: PeerService, spiffe_id: &str) -> Option<Arc<JurisdictionEntry>> {
        self.shared
            .entries
            .load()
            .values()
            .find(|entry| entry.identities.of(service) == Some(spiffe_id))
            .cloned()
    }

    /// Returns all entries, by code.
    pub fn all(&self) -> Vec<Arc<JurisdictionEntry>> {
        self.shared.entries.load().values().cloned().collect()
    }

    /// Returns what was wrong at the last reading: code or position (or the path of a file), and why.
    pub fn problems(&self) -> Vec<(String, EntryProblem)> {
        self.shared.problems.load().as_ref().clone()
    }

    /// Returns a receiver that is told of each change; its value counts them.
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.shared.generation.subscribe()
    }

    /// Reads the file (or the cluster's objects) again if that can be done; tells whether the entries have changed.
    pub fn reload(&self) -> bool {
        self.shared.look().unwrap_or(false)
    }

    /// Looks at the file again and again, or follows the cluster's objects, until `stop`.
    pub async fn watch(self, interval: Duration, stop: CancellationToken) {
        if let Some(source) = self.shared.cluster.clone() {
            return cluster::follow(self.shared, source, stop).await;
        }
        while stop.run_until_cancelled(tokio::time::sleep(interval)).await.is_some() {
            let directory = self.clone();
            let _ = tokio::task::spawn_blocking(move || directory.reload()).await;
        }
    }
}

impl Shared {
    /// Takes over what the file or the cluster says now; tells whether the entries have changed. What cannot be
    /// used as a whole changes nothing and becomes the one problem.
    fn look(&self) -> Result<bool, DirectoryError> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        match self.read() {
            Ok(read) => Ok(self.take(&mut kept, read)),
            Err(error) => {
                self.report(vec![(self.name(), EntryProblem::Unreadable(error.reason()))]);
                Err(error)
            }
        }
    }

    fn read(&self) -> Result<Vec<ReadEntry>, DirectoryError> {
        let content = |what| DirectoryError::Content { path: self.name(), what };
        if let Some(source) = &self.cluster {
            return cluster::list_now(source).map_err(content);
        }
        let text = std::fs::read_to_string(&self.path)
            .map_err(|source| DirectoryError::File { path: self.name(), source })?;
        file::read(&text).map_err(content)
    }

    fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// Takes over all that was read elsewhere.
    pub(crate) fn take_all(&self, read: Vec<ReadEntry>) -> bool {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        self.take(&mut kept, read)
    }

    /// Remembers that the source does not answer; what was good holds.
    pub(crate) fn source_failed(&self, what: String) {
        self.report(vec![(self.name(), EntryProblem::Unreadable(what))]);
    }

    fn take(&self, kept: &mut Option<Arc<Entries>>, read: Vec<ReadEntry>) -> bool {
        let last = self.entries.load_full();
        let (entries, mut problems) = merge(read, &last);
        let has_changed = entries != *last;
        if has_changed {
            measure(&entries, &last);
            self.entries.store(Arc::new(entries));
            self.generation.send_modify(|generation| *generation += 1);
        }
        problems.extend(self.keep(kept));
        self.report(problems);
        has_changed
    }

    /// Writes the copy if it does not hold the present set.
    fn keep(&self, kept: &mut Option<Arc<Entries>>) -> Option<(String, EntryProblem)> {
        let path = self.last_good.as_deref()?;
        let entries = self.entries.load_full();
        if kept.as_ref() == Some(&entries) {
            return None;
        }
        match last_good::write(path, &entries) {
            Ok(()) => {
                *kept = Some(entries);
                None
            }
            Err(error) => Some((path.display().to_string(), EntryProblem::NotKept(error.to_string()))),
        }
    }

    /// Publishes the problems; logs them when they are not those of the reading before.
    fn report(&self, problems: Problems) {
        metrics::gauge!("peer_directory_problems").set(u32::try_from(problems.len()).unwrap_or(u32::MAX));
        if **self.problems.load() != problems {
            for (entry, problem) in &problems {
                tracing::error!(entry, %problem, "the peer directory is not all usable; what was good holds");
            }
            self.problems.store(Arc::new(problems));
        }
    }
}

/// The copy of the last good set, if there is one that can be used.
fn kept_copy(path: &Path) -> Option<Arc<Entries>> {
    let kept = last_good::read(path).unwrap_or_else(|error| {
        let path = path.display();
        tracing::error!(%path, %error, "the copy of the last good peer directory cannot be used");
        None
    });
    kept.map(Arc::new)
}

#[cfg(test)]
mod tests;
