//! When a release is made: on a fixed schedule, or on an operator's word. Never because somebody reads.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use contracts::release::ReleaseHead;
use disclosure::Policy;
use domain::{Clock, Jurisdiction};
use service_kit::Chain;
use tokio::sync::watch;

use crate::answer::Answer;
use crate::document;
use crate::store::{Publication, Store, StoreError, Stored};

/// How often it is looked whether a release is due, or was made by another replica.
const POLL: Duration = Duration::from_secs(5);

/// Makes releases, and holds the newest for whoever reads. Cheap to clone.
#[derive(Clone)]
pub struct Publisher {
    /// The province.
    pub here: Jurisdiction,
    /// Where facts and releases are.
    pub store: Store,
    /// The rules of a new series.
    pub policy: Policy,
    /// How often a release is made; `None`: only on an operator's word.
    pub every: Option<TimeDelta>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The newest release, written for its readers.
    pub newest: watch::Sender<Option<Arc<Answer>>>,
}

impl Publisher {
    /// Publishes what the facts are now.
    pub async fn publish(
        &self,
        by: &str,
        new_series: bool,
        unless_since: Option<DateTime<Utc>>,
    ) -> Result<ReleaseHead, StoreError> {
        let now = self.clock.now();
        let publication = Publication { by, now, policy: self.policy, new_series, unless_since };
        let here = self.here.clone();
        let begun = std::time::Instant::now();
        let stored = self
            .store
            .publish(publication, move |header, release| document::write(&here, header, release))
            .await?;
        let duration_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        metrics::histogram!("release_seconds").record(begun.elapsed().as_secs_f64());
        let head = stored.head.clone();
        tracing::info!(
            release = head.id,
            bytes = stored.document.len(),
            duration_ms,
            "a release was published"
        );
        self.take_up(stored).await;
        Ok(head)
    }

    /// Looks for ever: publishes what is due, takes up what another replica has published.
    pub async fn run(self) {
        let mut has_told = false;
        loop {
            match self.look().await {
                Ok(()) => has_told = false,
                // Until an operator acts; once is enough.
                Err(error @ StoreError::OtherRules) if !has_told => {
                    tracing::error!(%error, "no release is made on schedule");
                    has_told = true;
                }
                Err(StoreError::OtherRules) => {}
                Err(error) => {
                    tracing::error!(error = %Chain(&error), "releases could not be looked after");
                }
            }
            tokio::time::sleep(POLL).await;
        }
    }

    async fn look(&self) -> Result<(), StoreError> {
        let newest = self.store.newest().await?;
        if let Some((id, _)) = newest
            && self.newest.borrow().as_ref().is_none_or(|held| held.id < id)
            && let Some(stored) = self.store.release(id).await?
        {
            self.take_up(stored).await;
        }
        let Some(every) = self.every else { return Ok(()) };
        let due_since = self.clock.now() - every;
        if newest.is_some_and(|(_, published_at)| published_at > due_since) {
            return Ok(());
        }
        match self.publish("schedule", false, Some(due_since)).await {
            // By another replica, which had the same thought.
            Err(StoreError::AnotherRelease) => Ok(()),
            // The first release waits for the first load, each for a standby that is not behind.
            Err(error @ (StoreError::NotCollected | StoreError::Behind)) => {
                tracing::info!(%error, "no release yet");
                Ok(())
            }
            outcome => outcome.map(|_| ()),
        }
    }

    /// Writes a release once for all its readers. It stays published where that fails.
    async fn take_up(&self, stored: Stored) {
        #[expect(clippy::cast_precision_loss, reason = "a date is far below 2^52")]
        metrics::gauge!("release_published_seconds").set(stored.head.published_at.timestamp() as f64);
        let answer = match Answer::of(stored).await {
            Ok(answer) => answer,
            Err(error) => return tracing::error!(error = %Chain(&error), "a release cannot be sent"),
        };
        self.newest.send_if_modified(|held| {
            let is_newer = held.as_ref().is_none_or(|held| held.id < answer.id);
            if is_newer {
                *held = Some(answer);
            }
            is_newer
        });
    }
}
