//! What is left of a world that has become quiet, by what stands in ledgers and on FHIR servers.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use domain::TransferId;
use serde_json::Value;
use sqlx::Row;
use uuid::Uuid;

use crate::doses::{self, Held};
use crate::sabotage::Sabotage;
use crate::world::World;

mod reasons;
mod trails;

/// What was found.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Transfers that were answered 202.
    pub accepted: u64,
    /// How they ended.
    pub states: BTreeMap<String, u64>,
    /// Not in the ledger, not at an end, or completed without everything being at the destination.
    pub lost: u64,
    /// Patients or records that a province holds twice.
    pub doubled: u64,
    /// Closed records without a proven transfer, or with something that the destination does not have.
    pub wrongly_closed: u64,
    /// Receipts without a commit, commits without a receipt.
    pub unproven: u64,
    /// Audit trails that do not verify, or have no row of what was done.
    pub bad_audit: u64,
    /// Transfers that did not complete, or left their source open, and nothing in the world says why.
    pub unexplained: u64,
    /// Worlds in which fewer transfers completed than their faults excuse.
    pub too_few: u64,
    /// What was found, in words, for looking into a seed.
    pub findings: Vec<String>,
}

impl Verdict {
    /// Tells whether every promise was kept.
    pub fn is_good(&self) -> bool {
        self.lost
            + self.doubled
            + self.wrongly_closed
            + self.unproven
            + self.bad_audit
            + self.unexplained
            + self.too_few
            == 0
    }

    /// Adds another world's.
    pub fn add(&mut self, other: Self) {
        self.accepted += other.accepted;
        self.lost += other.lost;
        self.doubled += other.doubled;
        self.wrongly_closed += other.wrongly_closed;
        self.unproven += other.unproven;
        self.bad_audit += other.bad_audit;
        self.unexplained += other.unexplained;
        self.too_few += other.too_few;
        self.findings.extend(other.findings);
        for (state, count) in other.states {
            *self.states.entry(state).or_default() += count;
        }
    }

    fn find(&mut self, what: fn(&mut Self) -> &mut u64, words: String) {
        *what(self) += 1;
        self.findings.push(words);
    }
}

/// A row of an outbound ledger.
struct Sent {
    state: String,
    source: Option<String>,
    problem: Option<String>,
    patient_id: String,
    digest: Option<Vec<u8>>,
    has_receipt: bool,
}

/// What a province's ledgers hold.
struct Entries {
    sent: BTreeMap<Uuid, Sent>,
    arrived: BTreeMap<Uuid, (String, Vec<u8>)>,
}

/// Judges a world.
pub async fn judge(world: &World) -> Result<Verdict> {
    commit_sabotage(world).await?;
    let mut verdict = Verdict { accepted: world.accepted.len() as u64, ..Verdict::default() };
    let mut ledgers = Vec::new();
    let mut held = Vec::new();
    for province in &world.provinces {
        ledgers.push(read(province).await?);
        held.push(doses::by_number(&province.fhir));
        for (origin, count) in doses::by_origin(&province.fhir) {
            if count > 1 {
                let words = format!("{} holds {origin} {count} times", province.code);
                verdict.find(|v| &mut v.doubled, words);
            }
        }
        trails::judge(&mut verdict, province, world).await?;
    }
    for (at, people) in held.iter().enumerate() {
        let code = &world.provinces[at].code;
        for (number, patients) in people {
            if patients.len() > 1 {
                verdict
                    .find(|v| &mut v.doubled, format!("{code} holds {} patients {number}", patients.len()));
            }
            for (event, count) in patients.iter().flat_map(|patient| &patient.doses) {
                if *count > 1 {
                    let words = format!("{code} holds {event:?} of {number} {count} times");
                    verdict.find(|v| &mut v.doubled, words);
                }
            }
        }
    }
    for (id, wanted) in &world.accepted {
        judge_transfer(&mut verdict, world, &ledgers, &held, *id, wanted);
    }
    reasons::judge(&mut verdict, world, &ledgers);
    judge_arrivals(&mut verdict, world, &ledgers);
    judge_closed(&mut verdict, world, &ledgers, &held);
    Ok(verdict)
}

fn judge_transfer(
    verdict: &mut Verdict,
    world: &World,
    ledgers: &[Entries],
    held: &[BTreeMap<String, Vec<Held>>],
    id: TransferId,
    wanted: &crate::scenario::Wanted,
) {
    let code = &world.provinces[wanted.from].code;
    let Some(sent) = ledgers[wanted.from].sent.get(&id.uuid()) else {
        return verdict.find(|v| &mut v.lost, format!("{id} is not in the ledger of {code}"));
    };
    let ended = match &sent.source {
        Some(source) => format!("{}, source {source}", sent.state),
        None => sent.state.clone(),
    };
    *verdict.states.entry(ended).or_default() += 1;
    if !["completed", "rejected", "cancelled", "dead"].contains(&sent.state.as_str()) {
        verdict.find(|v| &mut v.lost, format!("{id} of {code} is still {}", sent.state));
    }
    let arrived = ledgers[wanted.to].arrived.get(&id.uuid());
    let is_committed = arrived.is_some_and(|(state, _)| state == "committed");
    if sent.has_receipt != is_committed {
        let words =
            format!("{id} of {code} is {}, receipt {}, commit {is_committed}", sent.state, sent.has_receipt);
        verdict.find(|v| &mut v.unproven, words);
    }
    if is_committed && arrived.map(|(_, digest)| digest) != sent.digest.as_ref() {
        verdict.find(|v| &mut v.unproven, format!("{id} of {code} was committed with other bytes"));
    }
    if sent.state == "completed" && sent.source.as_deref() == Some("closed") {
        let number = wanted.person.number();
        let missing = missing(&held[wanted.from], &held[wanted.to], &number);
        if !missing.is_empty() {
            let to = &world.provinces[wanted.to].code;
            verdict.find(|v| &mut v.lost, format!("{id}: {to} lacks {missing:?} of {number} from {code}"));
        }
    }
}

/// Every commit is known to its origin as a completed transfer.
fn judge_arrivals(verdict: &mut Verdict, world: &World, ledgers: &[Entries]) {
    for (at, ledger) in ledgers.iter().enumerate() {
        for (id, (state, _)) in &ledger.arrived {
            let origin = ledgers.iter().find_map(|ledger| ledger.sent.get(id));
            let is_known = origin.is_some_and(|sent| sent.state == "completed");
            if state == "committed" && !is_known {
                let code = &world.provinces[at].code;
                let origin = origin.map(|sent| sent.state.clone());
                verdict.find(
                    |v| &mut v.unproven,
                    format!("{code} has committed {id}, its origin says {origin:?}"),
                );
            }
            if state == "planned" {
                let code = &world.provinces[at].code;
                verdict.find(|v| &mut v.lost, format!("{code} has a plan for {id} that nobody carries out"));
            }
        }
    }
}

/// Whoever is closed was sent where the record refers to, with everything that it holds.
fn judge_closed(
    verdict: &mut Verdict,
    world: &World,
    ledgers: &[Entries],
    held: &[BTreeMap<String, Vec<Held>>],
) {
    for (at, people) in held.iter().enumerate() {
        let code = &world.provinces[at].code;
        for (number, patient) in
            people.iter().flat_map(|(number, all)| all.iter().map(move |one| (number, one)))
        {
            let Some(to) = patient.closed_to() else { continue };
            let Some(to) = world.provinces.iter().position(|province| province.code.as_str() == to) else {
                verdict.find(|v| &mut v.wrongly_closed, format!("{code} refers to {to} for {number}"));
                continue;
            };
            let proof = ledgers[at].sent.iter().find(|(id, sent)| {
                sent.patient_id == patient.id()
                    && sent.state == "completed"
                    && sent.source.as_deref() == Some("closed")
                    && ledgers[to].arrived.get(id).is_some_and(|(state, _)| state == "committed")
            });
            if proof.is_none() {
                verdict.find(|v| &mut v.wrongly_closed, format!("{code} has closed {number} without proof"));
            }
            let missing = missing(&held[at], &held[to], number);
            if !missing.is_empty() {
                let to = &world.provinces[to].code;
                let words = format!("{code} has closed {number}, but {to} lacks {missing:?}");
                verdict.find(|v| &mut v.wrongly_closed, words);
            }
        }
    }
}

/// Returns which events of a person one province has and the other has not.
fn missing(
    here: &BTreeMap<String, Vec<Held>>,
    there: &BTreeMap<String, Vec<Held>>,
    number: &str,
) -> BTreeSet<(String, String)> {
    let events = |held: &BTreeMap<String, Vec<Held>>| -> BTreeSet<(String, String)> {
        held.get(number).into_iter().flatten().flat_map(|one| one.doses.keys().cloned()).collect()
    };
    events(here).difference(&events(there)).cloned().collect()
}

async fn read(province: &crate::province::Province) -> Result<Entries> {
    let mut ledgers = Entries { sent: BTreeMap::new(), arrived: BTreeMap::new() };
    let rows = sqlx::query(
        "-- simulation.sent
        SELECT id, state, source, last_problem ->> 'code' AS problem, patient_id, digest,
            receipt IS NOT NULL AS has_receipt FROM transfer",
    );
    for row in rows.fetch_all(&province.ledgers.sent.service).await? {
        let sent = Sent {
            state: row.try_get("state")?,
            source: row.try_get("source")?,
            problem: row.try_get("problem")?,
            patient_id: row.try_get("patient_id")?,
            digest: row.try_get("digest")?,
            has_receipt: row.try_get("has_receipt")?,
        };
        ledgers.sent.insert(row.try_get("id")?, sent);
    }
    let rows = sqlx::query(
        "-- simulation.arrived
        SELECT id, state, digest FROM inbound_transfer",
    );
    for row in rows.fetch_all(&province.ledgers.arrived.service).await? {
        ledgers.arrived.insert(row.try_get("id")?, (row.try_get("state")?, row.try_get("digest")?));
    }
    Ok(ledgers)
}

/// What is done wrong on purpose once the world is quiet.
async fn commit_sabotage(world: &World) -> Result<()> {
    let province = &world.provinces[1];
    let some_copy = || -> Option<Value> {
        province.fhir.all("Immunization").into_iter().find(|dose| dose["identifier"].is_array())
    };
    if world.shared.is_sabotaged(Sabotage::SecondCopy)
        && let Some(mut dose) = some_copy()
    {
        dose["id"] = serde_json::json!("a-second-copy");
        province.fhir.put_all(&[dose])?;
    }
    if world.shared.is_sabotaged(Sabotage::MissingDose)
        && let Some(dose) = some_copy()
    {
        province.fhir.delete("Immunization", dose["id"].as_str().unwrap_or_default());
    }
    if world.shared.is_sabotaged(Sabotage::ForgottenTransfer) {
        let forget = "-- simulation.forget
            WITH one AS (SELECT id FROM transfer LIMIT 1), p AS (DELETE FROM package USING one WHERE transfer_id = id),
                e AS (DELETE FROM transfer_event USING one WHERE transfer_id = one.id)
            DELETE FROM transfer USING one WHERE transfer.id = one.id";
        sqlx::query(forget).execute(&province.ledgers.sent.owner).await?;
    }
    if world.shared.is_sabotaged(Sabotage::AlteredAudit) {
        let alter = "-- simulation.alter
            UPDATE audit_event SET peer = 'PE' WHERE id = (SELECT min(id) FROM audit_event WHERE peer IS NOT NULL)";
        sqlx::query(alter).execute(&province.ledgers.arrived.owner).await?;
    }
    if world.shared.is_sabotaged(Sabotage::AlteredSentAudit) {
        let alter = "-- simulation.alter_sent
            UPDATE audit_event SET actor = 'nobody' WHERE id = (SELECT max(id) FROM audit_event)";
        sqlx::query(alter).execute(&province.ledgers.sent.owner).await?;
    }
    Ok(())
}
