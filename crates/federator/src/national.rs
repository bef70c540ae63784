//! The national table as it stands: refreshed in the background, answered from memory.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use arc_swap::ArcSwap;
use chrono::TimeDelta;
use contracts::federated::SourceStatus;
use contracts::{Problem, ProblemCode};
use domain::Clock;
use peers::{Directory, JurisdictionEntry, JurisdictionState, Role};
use tokio::sync::{Mutex, watch};

use crate::answer::Written;
use crate::fan_out::{FanOut, Held, Holdings};
use crate::merge::merge;

/// An answer is written anew at least this often: it tells ages.
const LONGEST: TimeDelta = TimeDelta::minutes(1);

/// The table. Cheap to clone; all clones see the same.
#[derive(Clone)]
pub struct National {
    shared: Arc<Shared>,
}

struct Shared {
    fan_out: FanOut,
    directory: Directory,
    /// Counts the changes of the directory.
    generation: watch::Receiver<u64>,
    stale_after: TimeDelta,
    clock: Arc<dyn Clock>,
    held: ArcSwap<Holdings>,
    written: ArcSwap<Written>,
    /// One round of asking at a time.
    asking: Mutex<()>,
    /// One writing at a time.
    writing: Mutex<()>,
}

impl National {
    /// Starts with what is on disk: each such release is stale until its province has been asked.
    ///
    /// # Errors
    /// When the table cannot be written, which is a fault of ours.
    pub async fn open(fan_out: FanOut, directory: Directory, stale_after: TimeDelta) -> anyhow::Result<Self> {
        let (kept, entries) = (fan_out.last_good.clone(), provinces(&directory));
        let held = tokio::task::spawn_blocking(move || {
            let read = |entry: &Arc<JurisdictionEntry>| {
                let release = kept.read(&entry.code).map(Arc::new);
                (entry.code.clone(), Held { release, problem: Some(not_asked()) })
            };
            entries.iter().map(read).collect::<Holdings>()
        });
        let held = Arc::new(held.await.context("the last good releases cannot be read")?);
        let (generation, clock) = (directory.changed(), fan_out.clock.clone());
        let number = *generation.borrow();
        let written = write(&directory, held.clone(), number, stale_after, clock.clone()).await?;
        Ok(Self {
            shared: Arc::new(Shared {
                fan_out,
                directory,
                generation,
                stale_after,
                clock,
                held: ArcSwap::new(held),
                written: ArcSwap::from_pointee(written),
                asking: Mutex::default(),
                writing: Mutex::default(),
            }),
        })
    }

    /// Returns the answer. Where the directory has changed it is written anew first, so that the data of whoever was
    /// suspended leaves it at once.
    pub async fn current(&self) -> Option<Arc<Written>> {
        let written = self.shared.written.load_full();
        let generation = *self.shared.generation.borrow();
        if written.generation == generation {
            return Some(written);
        }
        self.rewrite(|written| written.generation != generation).await;
        let written = self.shared.written.load_full();
        (written.generation >= generation).then_some(written)
    }

    /// Asks all active provinces once and writes the answer anew if anything has changed.
    pub async fn refresh(&self) {
        let _one = self.shared.asking.lock().await;
        let began = std::time::Instant::now();
        let before = self.shared.held.load_full();
        let mut active = provinces(&self.shared.directory);
        active.retain(|entry| entry.state == JurisdictionState::Active);
        let asked = self.shared.fan_out.ask(&active, &before).await;
        metrics::histogram!("fan_out_duration_seconds").record(began.elapsed().as_secs_f64());
        let changed =
            asked.iter().any(|(code, held)| !before.get(code).is_some_and(|old| is_same(old, held)));
        let mut after = (*before).clone(); // whoever is suspended keeps its release, out of the answer, for its return
        for held in after.values_mut() {
            held.problem = Some(not_asked());
        }
        after.extend(asked);
        self.shared.held.store(Arc::new(after));
        let now = self.shared.clock.now();
        self.rewrite(|written| changed || now - written.at >= LONGEST).await;
    }

    /// Asks again and again.
    pub async fn run(self, pause: Duration) {
        loop {
            tokio::time::sleep(pause).await;
            self.refresh().await;
        }
    }

    async fn rewrite(&self, is_due: impl Fn(&Written) -> bool) {
        let shared = &self.shared;
        let _one = shared.writing.lock().await;
        let old = shared.written.load_full();
        if !is_due(&old) {
            return; // somebody else was faster
        }
        let generation = *shared.generation.borrow();
        let held = shared.held.load_full();
        let clock = shared.clock.clone();
        match write(&shared.directory, held, generation, shared.stale_after, clock).await {
            Ok(written) => {
                report(&old, &written);
                shared.written.store(Arc::new(written));
            }
            Err(error) => tracing::error!(%error, "the national table cannot be written"),
        }
    }
}

async fn write(
    directory: &Directory,
    held: Arc<Holdings>,
    generation: u64,
    stale_after: TimeDelta,
    clock: Arc<dyn Clock>,
) -> anyhow::Result<Written> {
    let entries = directory.all(); // not older than `generation`
    let writing = tokio::task::spawn_blocking(move || {
        let now = clock.now();
        Written::new(&merge(&entries, &held, now, stale_after), &held, generation, now)
    });
    Ok(writing.await.context("the writer has ended")??)
}

fn provinces(directory: &Directory) -> Vec<Arc<JurisdictionEntry>> {
    directory.all().into_iter().filter(|entry| entry.role == Role::Pt).collect()
}

fn not_asked() -> Problem {
    Problem::new(ProblemCode::PeerUnreachable).detail("it has not been asked yet")
}

fn is_same(old: &Held, new: &Held) -> bool {
    let checksum = |held: &Held| held.release.as_ref().map(|document| document.release.checksum.clone());
    checksum(old) == checksum(new) && old.problem == new.problem
}

/// Says each change of a source's status once, and shows how it stands.
fn report(old: &Written, new: &Written) {
    for source in &new.sources {
        let (peer, status) = (source.jurisdiction.to_string(), source.status);
        for word in [
            SourceStatus::Ok,
            SourceStatus::Stale,
            SourceStatus::Unavailable,
            SourceStatus::Invalid,
            SourceStatus::Suspended,
        ] {
            metrics::gauge!("sources", "peer" => peer.clone(), "status" => word.as_str())
                .set(if word == status { 1.0 } else { 0.0 });
        }
        #[expect(clippy::cast_precision_loss, reason = "seconds far below 2^52")]
        let age = source.age_seconds.map_or(f64::NAN, |age| age as f64);
        metrics::gauge!("release_age_seconds", "peer" => peer.clone()).set(age);
        // There from the start, so that the first one is a rise.
        metrics::counter!("last_good_write_failures_total", "peer" => peer.clone()).increment(0);
        let before = old.sources.iter().find(|before| before.jurisdiction == source.jurisdiction);
        if before.is_some_and(|before| before.status == status && before.release_id == source.release_id) {
            continue;
        }
        let (status, problem) = (status.as_str(), source.problem.as_ref());
        let (code, detail) = (problem.map(|p| p.code.as_str()), problem.and_then(|p| p.detail.as_deref()));
        match source.status {
            SourceStatus::Ok => tracing::info!(peer, release.id = source.release_id, "a source is ok"),
            SourceStatus::Suspended => tracing::info!(peer, status, "a source is suspended"),
            SourceStatus::Invalid => {
                tracing::error!(peer, status, code, detail, "a source's release is refused");
            }
            SourceStatus::Stale | SourceStatus::Unavailable => {
                tracing::warn!(peer, status, code, detail, "a source is not current");
            }
        }
    }
}
