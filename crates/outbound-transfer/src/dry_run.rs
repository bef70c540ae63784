//! What a transfer would send, and what stands against it; nothing is stored and nothing leaves.

use contracts::transfer::{NewTransfer, TransferDryRun};
use contracts::{Problem, ProblemCode};
use domain::{TransferId, TransferState};
use fhir::Severity;
use fhir::gate::{self, Limits};
use fhir::rules::{self, RuleKind};

use crate::error::ApiError;
use crate::seal::{Wanted, prepare};
use crate::step::{FaultClass, StepError};
use crate::store::ListFilter;
use crate::worker::Worker;

/// Reads the record and builds the package as sealing would.
pub async fn dry_run(worker: &Worker, new: &NewTransfer) -> Result<TransferDryRun, ApiError> {
    let mut problems = unfinished(worker, new).await?;
    let mut answer = TransferDryRun {
        transfer_to: new.transfer_to.clone(),
        is_sendable: false,
        counts: std::collections::BTreeMap::new(),
        bytes: 0,
        problems: Vec::new(),
    };
    let wanted = Wanted {
        patient_id: &new.patient_id,
        transfer_to: &new.transfer_to,
        id: TransferId::generate(),
        destination_identifier: new.destination_identifier.as_ref(),
    };
    match prepare(worker, wanted).await {
        Ok((_, package)) => {
            answer.counts.clone_from(&package.counts);
            answer.bytes = package.bytes.len() as u64;
            let limits = Limits::default();
            let now = worker.now();
            let checking = tokio::task::spawn_blocking(move || faults(&package.bytes, &limits, now));
            problems.extend(checking.await.map_err(|_| ApiError::Internal("the gate panicked"))?);
        }
        Err(StepError::Failed(failure)) if failure.class == FaultClass::Content => {
            problems.push(failure.problem);
        }
        Err(error) => return Err(ApiError::Step(error)),
    }
    answer.is_sendable = problems.is_empty();
    answer.problems = problems;
    Ok(answer)
}

async fn unfinished(worker: &Worker, new: &NewTransfer) -> Result<Vec<Problem>, ApiError> {
    let filter = ListFilter { patient_id: Some(new.patient_id.clone()), ..ListFilter::default() };
    let transfers = worker.store.list(&filter, 50).await?;
    let unfinished = transfers.iter().filter(|transfer| TransferState::is_unfinished(transfer.state));
    let problem = |id: TransferId| {
        Problem::new(ProblemCode::TransferUnfinished).detail(format!("see /transfer-request/{id}"))
    };
    Ok(unfinished.map(|transfer| problem(transfer.id)).collect())
}

/// What any destination would find fault with: R4 and the rules of the exchange.
fn faults(package: &[u8], limits: &Limits, now: chrono::DateTime<chrono::Utc>) -> Option<Problem> {
    let issues = match gate::parse(package, limits) {
        Err(refusal) => refusal.issues,
        Ok(bundle) => {
            let mut issues = gate::check_bundle(&bundle, limits);
            issues.retain(|issue| issue.severity == Severity::Error);
            let findings = rules::check_package(&bundle, now).into_iter();
            issues.extend(
                findings.filter(|finding| finding.kind != RuleKind::Warn).map(|finding| finding.issue),
            );
            issues
        }
    };
    (!issues.is_empty()).then(|| Problem::new(ProblemCode::PackageInvalid).issues(issues))
}
