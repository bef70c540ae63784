//! One round of asking: all active provinces at once, one timeout for each, one deadline for all.
//!
//! An answer that comes after its province's timeout is not lost: it is waited for beside the next rounds ([`Late`]), and
//! the round that finds it there takes it over, so that a slow province's data is late by a round and not for ever.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use contracts::release::ReleaseDocument;
use contracts::{Problem, ProblemCode};
use domain::{Clock, Jurisdiction};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use peers::JurisdictionEntry;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::task::AbortOnDropHandle;

use crate::aggregator::{Aggregators, Answer};
use crate::arrival::accept;
use crate::last_good::LastGood;

/// What is known of a province's data.
#[derive(Debug, Clone, Default)]
pub struct Held {
    /// Its last good release.
    pub release: Option<Arc<ReleaseDocument>>,
    /// Why the release is not known to be its current one.
    pub problem: Option<Problem>,
}

/// What is known of all, by code.
pub type Holdings = BTreeMap<Jurisdiction, Held>;

/// Answers that are late: the oldest of each province, until it comes or its own time is over. So of a province that
/// hangs there are at most two requests at once, this one and the round's.
pub type Late = Arc<Mutex<BTreeMap<Jurisdiction, LateAnswer>>>;

/// An answer that is still on its way.
pub struct LateAnswer {
    /// Who was asked, as the directory had it.
    entry: Arc<JurisdictionEntry>,
    answer: AbortOnDropHandle<Result<Answer, Problem>>,
}

/// How provinces are asked. Cheap to clone.
#[derive(Clone)]
pub struct FanOut {
    /// The way to them.
    pub aggregators: Arc<Aggregators>,
    /// Where good releases are kept.
    pub last_good: Arc<LastGood>,
    /// Answers of earlier rounds that may still come.
    pub late: Late,
    /// How long one may take.
    pub timeout: Duration,
    /// How long all may take.
    pub deadline: Duration,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl FanOut {
    /// Asks these provinces and returns what is known of them afterwards.
    ///
    /// Who has not answered by the deadline keeps its last good release and a problem.
    pub async fn ask(&self, provinces: &[Arc<JurisdictionEntry>], held: &Holdings) -> Holdings {
        let deadline = Instant::now() + self.deadline;
        self.forget_others(provinces);
        let mut known = Holdings::new();
        for entry in provinces {
            let release = held.get(&entry.code).and_then(|held| held.release.clone());
            let release = self.take_late(entry, release).await;
            known.insert(entry.code.clone(), Held { release, problem: Some(too_late()) });
        }
        let mut asked: FuturesUnordered<_> = provinces
            .iter()
            .map(|entry| {
                let last = known.get(&entry.code).and_then(|held| held.release.clone());
                async move { (entry.code.clone(), self.ask_one(entry, last).await) }
            })
            .collect();
        while let Ok(Some((code, outcome))) = timeout_at(deadline, asked.next()).await {
            let word = outcome.as_ref().map_or_else(|problem| problem.code.clone(), |_| "ok".to_owned());
            metrics::counter!("source_asks_total", "peer" => code.to_string(), "outcome" => word)
                .increment(1);
            let held = known.entry(code).or_default();
            match outcome {
                Ok(release) => *held = Held { release: Some(release), problem: None },
                Err(problem) => held.problem = Some(problem),
            }
        }
        known
    }

    /// Asks one province. An answer in time makes an earlier one needless; one that is late is kept, unless an earlier
    /// one is still on its way.
    async fn ask_one(
        &self,
        entry: &Arc<JurisdictionEntry>,
        last: Option<Arc<ReleaseDocument>>,
    ) -> Result<Arc<ReleaseDocument>, Problem> {
        let (aggregators, asked) = (self.aggregators.clone(), entry.clone());
        let etag = last.as_ref().map(|last| last.etag());
        let mut answer =
            AbortOnDropHandle::new(tokio::spawn(
                async move { aggregators.ask(&asked, etag.as_deref()).await },
            ));
        let Ok(answered) = timeout(self.timeout, &mut answer).await else {
            let late = LateAnswer { entry: entry.clone(), answer };
            self.late().entry(entry.code.clone()).or_insert(late);
            return Err(too_late());
        };
        let answered = answered.unwrap_or_else(|_| Err(Problem::new(ProblemCode::Internal)))?;
        self.late().remove(&entry.code);
        self.take(entry, answered, last).await
    }

    /// Takes over what has come of a province since the last round; returns the release that is its last good one now.
    async fn take_late(
        &self,
        entry: &Arc<JurisdictionEntry>,
        last: Option<Arc<ReleaseDocument>>,
    ) -> Option<Arc<ReleaseDocument>> {
        let come = {
            let mut late = self.late();
            if late.get(&entry.code).is_some_and(|late| late.answer.is_finished()) {
                late.remove(&entry.code)
            } else {
                None
            }
        };
        let Some(come) = come else { return last };
        let answer = come.answer.await.unwrap_or_else(|_| Err(Problem::new(ProblemCode::Internal)));
        let taken = match answer {
            Ok(Answer::Unchanged) => return last,
            Ok(answer) => self.take(entry, answer, last.clone()).await,
            Err(problem) => Err(problem),
        };
        let outcome = if taken.is_ok() { "late" } else { "late-failed" };
        metrics::counter!("source_asks_total", "peer" => entry.code.to_string(), "outcome" => outcome)
            .increment(1);
        taken.ok().or(last) // why one is refused, this round's answer will say
    }

    /// Checks an answer and keeps it, before it counts.
    async fn take(
        &self,
        entry: &JurisdictionEntry,
        answer: Answer,
        last: Option<Arc<ReleaseDocument>>,
    ) -> Result<Arc<ReleaseDocument>, Problem> {
        let bytes = match (answer, &last) {
            (Answer::Unchanged, Some(last)) => return Ok(last.clone()),
            (Answer::Unchanged, None) => return Err(Problem::new(ProblemCode::PeerFault)), // it was asked for all
            (Answer::Release(bytes), _) => bytes,
        };
        let (kept, code, now) = (self.last_good.clone(), entry.code.clone(), self.clock.now());
        let taking = tokio::task::spawn_blocking(move || {
            let release = accept(&bytes, &code, last.as_deref(), now).map_err(|refusal| refusal.problem())?;
            if last.as_deref() != Some(&release)
                && let Err(error) = kept.write(&release)
            {
                tracing::error!(peer = %code, %error, "the last good release cannot be kept on disk");
                metrics::counter!("last_good_write_failures_total", "peer" => code.to_string()).increment(1);
            }
            Ok(Arc::new(release))
        });
        taking.await.unwrap_or_else(|_| Err(Problem::new(ProblemCode::Internal)))
    }

    /// Waits no longer for whoever is not asked any more, or is asked elsewhere.
    fn forget_others(&self, provinces: &[Arc<JurisdictionEntry>]) {
        self.late().retain(|_, late| provinces.contains(&late.entry));
    }

    fn late(&self) -> MutexGuard<'_, BTreeMap<Jurisdiction, LateAnswer>> {
        self.late.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn too_late() -> Problem {
    Problem::new(ProblemCode::SourceTimeout).detail("its aggregator did not answer in time")
}
