//! Both services' audit trails: whole, and with a row of each transfer that was accepted or committed.

use std::collections::BTreeSet;

use anyhow::Result;
use uuid::Uuid;

use super::Verdict;
use crate::province::{Database, Province};
use crate::world::World;

/// Judges the trails of a province.
pub async fn judge(verdict: &mut Verdict, province: &Province, world: &World) -> Result<()> {
    let ledgers = &province.ledgers;
    let accepted =
        world.accepted.iter().filter(|(_, wanted)| world.provinces[wanted.from].code == province.code);
    let accepted: BTreeSet<Uuid> = accepted.map(|(id, _)| id.uuid()).collect();
    hold(verdict, &ledgers.sent, &accepted).await?;
    let committed = "-- simulation.committed
        SELECT id FROM inbound_transfer WHERE state = 'committed'";
    let committed: Vec<Uuid> = sqlx::query_scalar(committed).fetch_all(&ledgers.arrived.service).await?;
    hold(verdict, &ledgers.arrived, &committed.into_iter().collect()).await
}

async fn hold(verdict: &mut Verdict, database: &Database, expected: &BTreeSet<Uuid>) -> Result<()> {
    let report = audit::verify(&database.service, &[]).await?;
    if !report.is_good() || report.rows == 0 || report.young > 0 {
        let words =
            format!("{}: {:?}, {} rows, {} young", database.name, report.findings, report.rows, report.young);
        verdict.find(|v| &mut v.bad_audit, words);
    }
    let told = "-- simulation.on_record
        SELECT DISTINCT transfer_id FROM audit_event WHERE transfer_id IS NOT NULL AND action <> 'request'";
    let told: Vec<Uuid> = sqlx::query_scalar(told).fetch_all(&database.service).await?;
    let told: BTreeSet<Uuid> = told.into_iter().collect();
    for id in expected.difference(&told) {
        verdict.find(|v| &mut v.bad_audit, format!("{} has no row of {id}", database.name));
    }
    Ok(())
}
