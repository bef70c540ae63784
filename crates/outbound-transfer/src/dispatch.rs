//! From an id to work: claim → step → save, until the transfer ends or has to wait.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use contracts::{Problem, ProblemCode};
use domain::{TransferId, TransferState};
use work_queue::RetryPolicy;

use service_kit::spans::{Span, SpanKind};
use service_kit::trace::TraceContext;
use service_kit::{Chain, with_heartbeat};

use crate::breaker::BreakerPolicy;
use crate::step::{Failure, FaultClass, StepError};
use crate::store::{Admission, AfterFailure, Claim, ClaimAnswer, Ending, PeerFailure, StoreError};
use crate::worker::Worker;
use crate::{close, deliver, seal};

/// The pause before an id is tried again whose row could not be read or written.
const LEDGER_PAUSE: Duration = Duration::from_secs(5);

/// How transfers are claimed and tried again.
#[derive(Clone)]
pub struct Dispatcher {
    /// What the steps work with.
    pub worker: Worker,
    /// The name of this process, for leases.
    pub owner: String,
    /// How long a claim is held.
    pub lease: TimeDelta,
    /// How often a worker renews its lease, in the computer's own time.
    pub renew_every: Duration,
    /// How long to wait between attempts.
    pub retry: RetryPolicy,
    /// When a peer's lane is parked.
    pub breaker: BreakerPolicy,
    /// How long a transfer is tried.
    pub horizon: TimeDelta,
    /// How long between two questions for the receipt of a dead transfer.
    pub late_receipt: TimeDelta,
    /// Numbers in 0..1 that spread attempts.
    pub random: fn() -> f64,
}

/// What is to be done with an id after it was worked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Nothing: it has ended, is parked, or somebody else has it.
    Settled,
    /// It is due again after this time.
    After(Duration),
}

/// How far a step has come.
enum Stepped {
    To(TransferState),
    /// The claim was given back; this is next.
    Rests(Next),
}

impl Dispatcher {
    /// Works on a transfer as far as it goes now.
    pub async fn advance(&self, id: TransferId) -> Next {
        let now = self.worker.now();
        match self.worker.store.claim(id, &self.owner, now, now + self.lease).await {
            Ok(ClaimAnswer::Claimed(claim)) => {
                let trace = claim.traceparent.as_deref().and_then(TraceContext::parse);
                let trace = trace.map_or_else(TraceContext::begin, |request| request.child());
                let mut span = Span::begin(&trace, SpanKind::Consumer, "transfer");
                span.note("transfer.id", claim.id.to_string());
                span.note("peer", claim.transfer_to.to_string());
                trace.scope(Box::pin(self.run(*claim))).await
            }
            Ok(ClaimAnswer::NotDue(due)) => Next::After((due - now).to_std().unwrap_or_default()),
            Ok(ClaimAnswer::NothingToDo) => Next::Settled,
            Err(error) => {
                tracing::error!(transfer.id = %id, error = %Chain(&error), "a transfer could not be claimed");
                Next::After(LEDGER_PAUSE)
            }
        }
    }

    async fn run(&self, mut claim: Claim) -> Next {
        loop {
            let stepped = match claim.state {
                TransferState::Requested => self
                    .keeping(&claim, seal::seal(&self.worker, &claim))
                    .await
                    .map(|()| TransferState::Sealed.into()),
                TransferState::Sealed => self.send(&claim).await,
                TransferState::Delivered => self
                    .keeping(&claim, close::close(&self.worker, &claim))
                    .await
                    .map(|()| TransferState::Completed.into()),
                TransferState::Dead => self.revive(&mut claim).await,
                TransferState::Completed | TransferState::Rejected | TransferState::Cancelled => {
                    return Next::Settled;
                }
            };
            match stepped {
                Ok(Stepped::To(state)) => {
                    tracing::info!(
                        transfer.id = %claim.id, transfer.state = state.as_str(), peer = %claim.transfer_to,
                        "a transfer has moved on"
                    );
                    metrics::counter!("transfers_moved_total", "state" => state.as_str(),
                        "peer" => claim.transfer_to.to_string())
                    .increment(1);
                    claim.state = state;
                    claim.attempts = 0;
                    claim.is_parked = false;
                }
                Ok(Stepped::Rests(next)) => return next,
                Err(StepError::Store(error)) => return give_back(&claim, &error),
                Err(StepError::Failed(failure)) => return self.write_down(&claim, *failure).await,
            }
        }
    }

    /// Sends the package through its peer's lane, if nothing holds that.
    async fn send(&self, claim: &Claim) -> Result<Stepped, StepError> {
        let store = &self.worker.store;
        let destination = match deliver::active_entry(&self.worker, claim) {
            Ok(entry) => entry,
            Err(StepError::Failed(failure)) => {
                return self.peer_failed(claim, *failure, claim.is_parked).await;
            }
            Err(error @ StepError::Store(_)) => return Err(error),
        };
        let now = self.worker.now();
        let leaving = match store.admit(claim, now, now + self.lease).await? {
            Admission::Go(leaving) => *leaving,
            Admission::Parked => return Ok(Stepped::Rests(Next::Settled)),
        };
        let (is_probe, has_failures) = (leaving.is_probe, leaving.has_failures);
        service_kit::hold::point("after-admission").await;
        let delivering = Box::pin(deliver::deliver(&self.worker, claim, &destination, leaving));
        match self.keeping(claim, delivering).await {
            Err(StepError::Failed(failure)) if is_the_peers(&failure) => {
                self.peer_failed(claim, *failure, is_probe).await
            }
            Err(error @ StepError::Store(_)) => Err(error),
            answered => {
                // A receipt for other bytes is an answer, though ours is the fault.
                let is_ours = matches!(&answered, Err(StepError::Failed(failure)) if failure.class == FaultClass::Ours
                    && failure.problem.known_code() != Some(ProblemCode::ReceiptInvalid));
                if (is_probe || has_failures) && !is_ours {
                    self.peer_answered(claim).await;
                }
                answered.map(|()| TransferState::Delivered.into())
            }
        }
    }

    async fn peer_answered(&self, claim: &Claim) {
        match self.worker.store.peer_answered(&claim.transfer_to, self.worker.now()).await {
            Ok(true) => tracing::info!(peer = %claim.transfer_to, "a peer answers again; its lane is open"),
            Ok(false) => {}
            // The next probe finds the same out again.
            Err(error) => tracing::error!(error = %Chain(&error), "a lane could not be opened"),
        }
    }

    /// Writes a peer's failure down, for the transfer and for its lane.
    async fn peer_failed(
        &self,
        claim: &Claim,
        failure: Failure,
        is_probe: bool,
    ) -> Result<Stepped, StepError> {
        let now = self.worker.now();
        if now >= claim.horizon_ends_at {
            return Err(StepError::Failed(Box::new(failure)));
        }
        log(claim, &failure);
        let delay = self.delay(claim, &failure);
        let failed = PeerFailure { problem: &failure.problem, is_probe, next_attempt_at: due(now, delay) };
        let (class, retry_after) = (failure.class, failure.retry_after);
        let random = (self.random)();
        let park_for = |failures| self.breaker.park(failures, class, retry_after, random);
        match self.worker.store.peer_failed(claim, &failed, park_for, now).await? {
            AfterFailure::Waits => return Ok(Stepped::Rests(Next::After(delay))),
            AfterFailure::Parked => {}
            AfterFailure::ParkedNow if class == FaultClass::PeerOrTrust => {
                tracing::error!(peer = %claim.transfer_to, code = failure.problem.code,
                    "a peer's lane was parked; somebody must act");
            }
            AfterFailure::ParkedNow => {
                tracing::warn!(peer = %claim.transfer_to, code = failure.problem.code,
                    "a peer's lane was parked until it answers again");
            }
        }
        Ok(Stepped::Rests(Next::Settled))
    }

    /// Wakes a dead transfer whose receipt is there, or has come late.
    async fn revive(&self, claim: &mut Claim) -> Result<Stepped, StepError> {
        let (worker, store) = (&self.worker, &self.worker.store);
        let is_delivered = store.kept_receipt(claim).await?.is_some();
        let late = if is_delivered {
            None
        } else {
            self.keeping(claim, deliver::ask_for_receipt(worker, claim)).await.unwrap_or_else(|error| {
                tracing::debug!(transfer.id = %claim.id, ?error, "no late receipt");
                None
            })
        };
        let now = worker.now();
        let receipt = late.as_ref().map(|(receipt, jws)| (receipt, jws.as_str()));
        if (is_delivered || receipt.is_some())
            && store.revived(claim, receipt, now + self.horizon, now).await?
        {
            claim.horizon_ends_at = now + self.horizon;
            tracing::warn!(transfer.id = %claim.id, peer = %claim.transfer_to, "a dead transfer was woken");
            return Ok(TransferState::Delivered.into());
        }
        store.ask_again(claim, now + self.late_receipt).await?;
        Ok(Stepped::Rests(Next::Settled))
    }

    /// Runs a step and keeps the claim meanwhile, so that a lease may be short and a dead worker soon replaced.
    async fn keeping<T>(
        &self,
        claim: &Claim,
        step: impl Future<Output = Result<T, StepError>>,
    ) -> Result<T, StepError> {
        let heartbeat = async {
            loop {
                tokio::time::sleep(self.renew_every).await;
                match self.worker.store.renew(claim, self.worker.now() + self.lease).await {
                    Err(error @ StoreError::LeaseLost) => return error.into(),
                    Err(error) => {
                        tracing::warn!(transfer.id = %claim.id, error = %Chain(&error), "a lease was not renewed");
                    }
                    Ok(()) => {}
                }
            }
        };
        with_heartbeat(step, heartbeat).await
    }

    async fn write_down(&self, claim: &Claim, failure: Failure) -> Next {
        log(claim, &failure);
        let now = self.worker.now();
        let store = &self.worker.store;
        let written =
            if failure.class == FaultClass::Content && claim.state.may_become(TransferState::Rejected) {
                let ending = Ending {
                    problem: &failure.problem,
                    live_patient_id: failure.live_patient_id.as_ref(),
                    ask_again_at: None,
                };
                store.ended(claim, TransferState::Rejected, ending, now).await.map(|()| Next::Settled)
            } else if now >= claim.horizon_ends_at {
                self.give_up(claim, &failure).await
            } else {
                self.try_again(claim, &failure).await
            };
        written.unwrap_or_else(|error| give_back(claim, &error))
    }

    async fn try_again(&self, claim: &Claim, failure: &Failure) -> Result<Next, StoreError> {
        let (now, delay) = (self.worker.now(), self.delay(claim, failure));
        self.worker.store.attempt_failed(claim, &failure.problem, due(now, delay), now).await?;
        Ok(Next::After(delay))
    }

    fn delay(&self, claim: &Claim, failure: &Failure) -> Duration {
        // A peer that says it is at work is no failure to back off from.
        let attempt = if failure.is_progress { 0 } else { claim.attempts.unsigned_abs() };
        self.retry.delay(attempt, failure.retry_after, (self.random)())
    }

    /// The horizon is spent. The destination may have committed all the same: it is asked once more.
    async fn give_up(&self, claim: &Claim, failure: &Failure) -> Result<Next, StoreError> {
        if claim.state == TransferState::Sealed {
            let asked = async { deliver::fetch_receipt(&self.worker, claim).await };
            match self.keeping(claim, asked).await {
                // Delivered after all: the next claim closes the source, however late it is.
                Ok(true) => return Ok(Next::After(Duration::ZERO)),
                Err(StepError::Failed(answer)) if answer.is_progress => {
                    return self.try_again(claim, &answer).await;
                }
                Ok(false) | Err(_) => {}
            }
        }
        let detail = format!("the last problem was {}", failure.problem.code);
        let problem = Problem::new(ProblemCode::HorizonSpent).detail(detail);
        let now = self.worker.now();
        let is_sealed = claim.state != TransferState::Requested;
        let ask_again_at = is_sealed.then_some(now + self.late_receipt);
        let ending = Ending { problem: &problem, live_patient_id: None, ask_again_at };
        self.worker.store.ended(claim, TransferState::Dead, ending, now).await?;
        tracing::error!(transfer.id = %claim.id, peer = %claim.transfer_to, code = failure.problem.code,
            "a transfer is dead: its horizon is spent");
        Ok(Next::Settled)
    }
}

impl From<TransferState> for Stepped {
    fn from(state: TransferState) -> Self {
        Self::To(state)
    }
}

fn due(now: DateTime<Utc>, delay: Duration) -> DateTime<Utc> {
    now + TimeDelta::from_std(delay).unwrap_or(TimeDelta::hours(24))
}

/// Whether the breaker counts it: the peer did not answer, or not as the contract says, or is overloaded.
fn is_the_peers(failure: &Failure) -> bool {
    matches!(failure.class, FaultClass::Transient | FaultClass::PeerOrTrust) && !failure.is_progress
}

/// The lease runs out by itself; the sweep brings the transfer back.
fn give_back(claim: &Claim, error: &StoreError) -> Next {
    if matches!(error, StoreError::LeaseLost) {
        tracing::warn!(transfer.id = %claim.id, "another worker has taken over");
        return Next::Settled;
    }
    tracing::error!(transfer.id = %claim.id, error = %Chain(error), "the ledger could not be written");
    Next::After(LEDGER_PAUSE)
}

fn log(claim: &Claim, failure: &Failure) {
    let (class, code) = (failure.class.as_str(), failure.problem.code.as_str());
    let detail = failure.problem.detail.as_deref().unwrap_or_default();
    let (state, attempt) = (claim.state.as_str(), claim.attempts + 1);
    metrics::counter!("transfer_attempts_failed_total", "class" => class, "code" => code.to_owned(),
        "peer" => claim.transfer_to.to_string())
    .increment(1);
    if matches!(failure.class, FaultClass::Transient | FaultClass::Content) {
        tracing::warn!(transfer.id = %claim.id, transfer.state = state, peer = %claim.transfer_to, attempt, class,
            code, detail, "an attempt has failed");
    } else {
        tracing::error!(transfer.id = %claim.id, transfer.state = state, peer = %claim.transfer_to, attempt, class,
            code, detail, "an attempt has failed; somebody must act");
    }
}
