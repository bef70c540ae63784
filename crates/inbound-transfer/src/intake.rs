//! The order of the steps: ledger → gate → rules → match → plan → plan stored → one FHIR transaction → commit.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use contracts::{ContentDigest, Issue, Problem, ProblemCode};
use domain::{Clock, Jurisdiction, TransferId};
use fhir::Severity;
use fhir::gate::{self, Limits};
use fhir::rules::{self, RuleKind};
use fhir_client::FhirServer;
use mtls::Credentials;
use serde_json::Value;
use service_kit::{Chain, PackageKeys, with_heartbeat};

use crate::plan::{self, Plan};
use crate::refusal::Refusal;
use crate::store::{Claim, Found, MatchKey, Store, StoreError};
use crate::unit::Unit;
use crate::{commit, local, matching, receipt, second_opinion};

/// How long a package waits for another one of the same person, in a service.
pub const PERSON_WAIT: Duration = Duration::from_secs(5);
const PERSON_POLL: Duration = Duration::from_millis(40);

/// Takes packages in. Cheap to clone.
#[derive(Clone)]
pub struct Intake {
    /// The province that this service belongs to.
    pub here: Jurisdiction,
    /// The ledger.
    pub store: Store,
    /// The province's FHIR server.
    pub fhir: FhirServer,
    /// The key that receipts are signed with.
    pub credentials: Credentials,
    /// The keys of plans at rest.
    pub keys: PackageKeys,
    /// What the gate lets through.
    pub limits: Limits,
    /// How long a worker holds an arrival.
    pub lease: TimeDelta,
    /// How often a worker renews its lease, in the computer's own time.
    pub renew_every: Duration,
    /// How long a package waits for another one of the same person, before its sender is asked to come again.
    pub person_wait: Duration,
    /// The part of the packages that the FHIR server's validator is asked about, 0 to 1.
    pub validate_sample: f64,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// A delivery.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// Who sent it, by certificate.
    pub sender: Jurisdiction,
    /// The SPIFFE id of the sender's service.
    pub actor: String,
    /// The transfer.
    pub id: TransferId,
    /// The digest of the body, computed here.
    pub digest: ContentDigest,
    /// The body.
    pub body: Bytes,
}

/// How a delivery ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// Committed by this delivery: the receipt.
    Committed(String),
    /// Committed before: the receipt again.
    Before(String),
    /// Somebody is working on it.
    InProgress,
    /// The id was used before with other bytes.
    OtherBytes,
}

impl Intake {
    /// Takes a delivery to its end. Safe to repeat, in parallel, on any replica.
    pub async fn take(&self, arrival: Arrival) -> Result<Taken, Refusal> {
        let now = self.clock.now();
        let Arrival { sender, actor, id, digest, body } = arrival;
        let delivery = (digest, body.len() as u64);
        match self.store.receive(&sender, id, delivery, &actor, now, now + self.lease).await? {
            Found::Committed(stored) => {
                let jws = receipt::current(self, &sender, id, *stored).await?;
                Ok(Taken::Before(jws))
            }
            Found::InProgress => Ok(Taken::InProgress),
            Found::OtherBytes(stored) => {
                tracing::error!(transfer.id = %id, peer = %sender, "a transfer came again with other bytes");
                self.store.other_bytes((&sender, id, &actor), (stored, digest), now).await?;
                Ok(Taken::OtherBytes)
            }
            Found::Planned(claim, stored) => {
                let outcome = self.keeping(&claim, Box::pin(commit::resume(self, &claim, &stored))).await;
                self.settle(&claim, outcome).await
            }
            Found::Claimed(claim) => {
                let outcome = self.keeping(&claim, Box::pin(self.work(&claim, body))).await;
                self.settle(&claim, outcome).await
            }
        }
    }

    /// Finds out what would become of a package, as things stand; tells also whether the person is known here.
    pub async fn try_out(&self, sender: &Jurisdiction, body: Bytes) -> Result<(Plan, bool), Refusal> {
        let unit = self.check(sender, TransferId::generate(), body).await?;
        let known = self.known(&unit).await?;
        let is_matched = known.patient.is_some();
        Ok((self.make(&unit, known).await?, is_matched))
    }

    async fn work(&self, claim: &Claim, body: Bytes) -> Result<String, Refusal> {
        let unit = self.check(&claim.sender, claim.id, body).await?;
        if second_opinion::is_wanted(claim.id, self.validate_sample) {
            second_opinion::ask(&self.fhir, &unit).await;
        }
        let (plan, keys) = self.plan(claim, &unit).await?;
        commit::store_plan(self, claim, &plan, keys).await?;
        service_kit::hold::point("after-plan").await;
        commit::carry_out(self, claim, &plan).await
    }

    /// Works and keeps the arrival meanwhile, so that a lease may be short and a dead worker soon replaced.
    pub(crate) async fn keeping<T>(
        &self,
        claim: &Claim,
        work: impl Future<Output = Result<T, Refusal>>,
    ) -> Result<T, Refusal> {
        let heartbeat = async {
            loop {
                tokio::time::sleep(self.renew_every).await;
                let now = self.clock.now();
                match self.store.renew(claim, now, now + self.lease).await {
                    Err(error @ StoreError::LeaseLost) => return error.into(),
                    Err(error) => {
                        tracing::warn!(transfer.id = %claim.id, error = %Chain(&error), "a lease was not renewed");
                    }
                    Ok(()) => {}
                }
            }
        };
        with_heartbeat(work, heartbeat).await
    }

    /// Writes a refusal down, or gives the arrival back.
    async fn settle(&self, claim: &Claim, outcome: Result<String, Refusal>) -> Result<Taken, Refusal> {
        match outcome {
            Ok(jws) => Ok(Taken::Committed(jws)),
            Err(Refusal::Content(problem)) => {
                let forensic = problem.known_code() == Some(ProblemCode::OriginNotProven);
                self.store.refused(claim, &problem, forensic, self.clock.now()).await?;
                tracing::warn!(transfer.id = %claim.id, peer = %claim.sender, code = problem.code, forensic,
                    "a package was refused");
                metrics::counter!("packages_refused_total", "code" => problem.code.clone(),
                    "peer" => claim.sender.to_string())
                .increment(1);
                Err(Refusal::Content(problem))
            }
            Err(Refusal::Store(error)) => Err(Refusal::Store(error)),
            Err(other) => {
                self.store.given_back(claim).await?;
                Err(other)
            }
        }
    }

    /// Size, depth, syntax, R4, the rules of the exchange: everything that the package says about itself.
    async fn check(&self, sender: &Jurisdiction, id: TransferId, body: Bytes) -> Result<Unit, Refusal> {
        let (limits, now) = (self.limits.clone(), self.clock.now());
        let checked = tokio::task::spawn_blocking(move || check_package(&body, &limits, now)).await;
        let (bundle, warnings) = checked
            .map_err(|_| Refusal::Internal("the gate panicked".to_owned()))?
            .map_err(Refusal::Content)?;
        if !warnings.is_empty() {
            tracing::info!(transfer.id = %id, peer = %sender, count = warnings.len(), "warnings");
        }
        Unit::take_apart(&bundle, sender, id, &self.here)
            .ok_or_else(|| Refusal::Internal("a checked package could not be taken apart".to_owned()))
    }

    /// Matches and plans, alone on this person; returns how many keys the plan is held under.
    async fn plan(&self, claim: &Claim, unit: &Unit) -> Result<(Plan, u64), Refusal> {
        let mut keys = matching::match_keys(unit);
        self.lock(claim, &keys).await?;
        let known = self.known(unit).await?;
        if let Some(id) = known.patient.as_ref().and_then(|patient| patient.get("id")?.as_str()) {
            keys.push(MatchKey::new("patient", id));
            self.lock(claim, &keys).await?;
        }
        let provenance = if claim.lease > 1 { self.provenance_of_before(claim).await? } else { None };
        let plan = self.make(unit, plan::Local { provenance, ..known }).await?;
        keys.sort();
        keys.dedup();
        Ok((plan, keys.len() as u64))
    }

    /// Returns the version of the Provenance that a plan has left which was given up and came late all the same.
    async fn provenance_of_before(&self, claim: &Claim) -> Result<Option<String>, Refusal> {
        let id = plan::provenance_id(&claim.sender, claim.id);
        let fhir_client::Found::Present(provenance) = self.fhir.read("Provenance", &id).await? else {
            return Ok(None);
        };
        Ok(provenance.pointer("/meta/versionId").and_then(Value::as_str).map(str::to_owned))
    }

    /// Finds the person, and what was received before.
    async fn known(&self, unit: &Unit) -> Result<plan::Local, Refusal> {
        let known = local::received(&self.store, unit).await?;
        let patient = matching::find(&self.fhir, unit, &self.here, &known.received).await?;
        Ok(plan::Local { patient, ..known })
    }

    /// Reads what else the plan is made from, and makes it.
    async fn make(&self, unit: &Unit, known: plan::Local) -> Result<Plan, Refusal> {
        let known = local::complete(known, &self.fhir, unit, &self.here).await?;
        let (unit, here, now) = (unit.clone(), self.here.clone(), self.clock.now());
        let planning = tokio::task::spawn_blocking(move || plan::make(&unit, &here, &known, now)).await;
        planning.map_err(|_| Refusal::Internal("planning panicked".to_owned()))?.map_err(Refusal::Content)
    }

    async fn lock(&self, claim: &Claim, keys: &[MatchKey]) -> Result<(), Refusal> {
        let until = tokio::time::Instant::now() + self.person_wait;
        loop {
            let now = self.clock.now();
            if self.store.lock(claim, keys.to_vec(), now, now + self.lease).await? {
                return Ok(());
            }
            if tokio::time::Instant::now() >= until {
                return Err(Refusal::PersonBusy);
            }
            tokio::time::sleep(PERSON_POLL).await;
        }
    }
}

/// Checks a package without looking at the destination; returns it with the warnings.
pub fn check_package(
    body: &[u8],
    limits: &Limits,
    now: DateTime<Utc>,
) -> Result<(Value, Vec<Issue>), Problem> {
    let bundle = gate::parse(body, limits).map_err(|refusal| {
        let code = match refusal.kind {
            gate::RefusalKind::TooLarge => ProblemCode::TooLarge,
            gate::RefusalKind::TooDeep => ProblemCode::TooDeep,
            _ => ProblemCode::InvalidJson,
        };
        Problem::new(code).issues(refusal.issues)
    })?;
    let (errors, mut warnings): (Vec<_>, Vec<_>) =
        gate::check_bundle(&bundle, limits).into_iter().partition(|issue| issue.severity == Severity::Error);
    if !errors.is_empty() {
        return Err(Problem::new(ProblemCode::PackageInvalid).issues(errors));
    }
    let (refusing, warning): (Vec<_>, Vec<_>) =
        rules::check_package(&bundle, now).into_iter().partition(|finding| finding.kind != RuleKind::Warn);
    if !refusing.is_empty() {
        let issues = refusing.into_iter().map(|finding| finding.issue).take(limits.max_issues).collect();
        return Err(Problem::new(ProblemCode::PackageInvalid).issues(issues));
    }
    warnings.extend(warning.into_iter().map(|finding| finding.issue));
    Ok((bundle, warnings))
}
