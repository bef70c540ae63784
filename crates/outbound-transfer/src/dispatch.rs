//! From an id to work: claim → step → save, until the transfer ends or has to wait.

use std::time::Duration;

use chrono::TimeDelta;
use contracts::{Problem, ProblemCode};
use domain::{TransferId, TransferState};
use work_queue::RetryPolicy;

use service_kit::{Chain, with_heartbeat};

use crate::step::{Failure, FaultClass, StepError};
use crate::store::{Claim, ClaimAnswer, StoreError};
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
    /// How long to wait between attempts.
    pub retry: RetryPolicy,
}

/// What is to be done with an id after it was worked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Nothing: it has ended, or somebody else has it.
    Settled,
    /// It is due again after this time.
    After(Duration),
}

impl Dispatcher {
    /// Works on a transfer as far as it goes now.
    pub async fn advance(&self, id: TransferId) -> Next {
        let now = self.worker.now();
        match self.worker.store.claim(id, &self.owner, now, now + self.lease).await {
            Ok(ClaimAnswer::Claimed(claim)) => self.run(*claim).await,
            Ok(ClaimAnswer::NotDue(due)) => Next::After((due - now).to_std().unwrap_or_default()),
            Ok(ClaimAnswer::NothingToDo) => Next::Settled,
            Err(error) => {
                tracing::error!(transfer.id = %id, error = %Chain(&error), "a transfer could not be claimed");
                Next::After(LEDGER_PAUSE)
            }
        }
    }

    async fn run(&self, mut claim: Claim) -> Next {
        while claim.state.is_unfinished() {
            let (step, next) = match claim.state {
                TransferState::Requested => {
                    (self.keeping(&claim, seal::seal(&self.worker, &claim)).await, TransferState::Sealed)
                }
                TransferState::Sealed => (
                    self.keeping(&claim, deliver::deliver(&self.worker, &claim)).await,
                    TransferState::Delivered,
                ),
                _ => {
                    (self.keeping(&claim, close::close(&self.worker, &claim)).await, TransferState::Completed)
                }
            };
            match step {
                Ok(()) => {
                    tracing::info!(
                        transfer.id = %claim.id, transfer.state = next.as_str(), peer = %claim.transfer_to,
                        "a transfer has moved on"
                    );
                    metrics::counter!("transfers_moved_total", "state" => next.as_str(),
                        "peer" => claim.transfer_to.to_string())
                    .increment(1);
                    claim.state = next;
                    claim.attempts = 0;
                }
                Err(StepError::Store(error)) => return give_back(&claim, &error),
                Err(StepError::Failed(failure)) => return self.write_down(&claim, *failure).await,
            }
        }
        Next::Settled
    }

    /// Runs a step and keeps the claim meanwhile, so that a lease may be short and a dead worker soon replaced.
    async fn keeping<T>(
        &self,
        claim: &Claim,
        step: impl Future<Output = Result<T, StepError>>,
    ) -> Result<T, StepError> {
        let pause = self.lease.to_std().unwrap_or_default() / 3;
        let heartbeat = async {
            loop {
                tokio::time::sleep(pause).await;
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
                let live = failure.live_patient_id.as_ref();
                store
                    .ended(claim, TransferState::Rejected, &failure.problem, live, now)
                    .await
                    .map(|()| Next::Settled)
            } else if now >= claim.horizon_ends_at && claim.state != TransferState::Delivered {
                self.give_up(claim, &failure).await
            } else {
                self.try_again(claim, &failure).await
            };
        written.unwrap_or_else(|error| give_back(claim, &error))
    }

    async fn try_again(&self, claim: &Claim, failure: &Failure) -> Result<Next, StoreError> {
        // A peer that says it is at work is no failure to back off from.
        let attempt = if failure.is_progress { 0 } else { u32::try_from(claim.attempts).unwrap_or_default() };
        let delay = self.retry.delay(attempt, failure.retry_after, rand::random());
        let now = self.worker.now();
        let due = now + TimeDelta::from_std(delay).unwrap_or(TimeDelta::hours(24));
        self.worker.store.attempt_failed(claim, &failure.problem, due, now).await?;
        Ok(Next::After(delay))
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
        self.worker.store.ended(claim, TransferState::Dead, &problem, None, now).await?;
        Ok(Next::Settled)
    }
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
    metrics::counter!("transfer_attempts_failed_total", "class" => class, "peer" => claim.transfer_to.to_string())
        .increment(1);
    if matches!(failure.class, FaultClass::Transient | FaultClass::Content) {
        tracing::warn!(transfer.id = %claim.id, transfer.state = state, peer = %claim.transfer_to, attempt, class,
            code, detail, "an attempt has failed");
    } else {
        tracing::error!(transfer.id = %claim.id, transfer.state = state, peer = %claim.transfer_to, attempt, class,
            code, detail, "an attempt has failed; somebody must act");
    }
}
