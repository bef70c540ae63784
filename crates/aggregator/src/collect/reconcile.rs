//! Whether anything was missed: asked at the end of the first load, and once a day from then on.
//!
//! What has changed or was deleted since the last time is read once more, and must bring nothing new: a patient whose
//! birth date, number or merge was missed is found so, which no number of records tells. Then the records are counted
//! on both sides; where the counts differ, all are read and what the server does not have is dropped.
//!
//! It cannot find a change that the server has dated before the last comparison (records restored or imported with the
//! times of old), nor as many records that vanished without a trace as others that appeared so.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use super::{CollectError, Following, PATIENT, TYPES};
use crate::store::Collector;

/// How often counts are taken before they are believed to differ: people write while they are.
const TRIES: usize = 3;

impl Following {
    /// Compares what is here with the server, each type that is due; `until` is up to when it was followed.
    pub(super) async fn reconcile(
        &self,
        collector: Collector,
        until: DateTime<Utc>,
    ) -> Result<(), CollectError> {
        let mut due = Vec::new();
        for resource_type in TYPES {
            let compared = self.store.followed(resource_type).await?.and_then(|followed| followed.compared);
            if compared.is_none_or(|compared| (until - compared).abs() >= self.reconcile) {
                due.push((resource_type, compared));
            }
        }
        for (resource_type, compared) in &due {
            let Some(compared) = compared else { continue };
            let begin = *compared.min(&until) - self.overlap;
            let missed = self.catch_up(collector, resource_type, begin, until).await?;
            if missed > 0 {
                metrics::counter!("changes_missed_total", "type" => *resource_type).increment(missed);
                tracing::warn!(resource_type, missed, "changes had been missed; they are in the facts now");
            }
        }
        for resource_type in self.differing(collector, &due, until).await? {
            metrics::counter!("reconciliations_total", "type" => resource_type).increment(1);
            self.read_all(collector, resource_type, until).await?;
        }
        for (resource_type, _) in due {
            self.store.has_compared(collector, resource_type, until).await?;
        }
        Ok(())
    }

    /// Returns the types of which there are more records here, or at the server, that were last changed before `until`.
    ///
    /// What has changed or gone since then stands at the server with a later time, or not at all; so it is read first.
    async fn differing(
        &self,
        collector: Collector,
        due: &[(&'static str, Option<DateTime<Utc>>)],
        until: DateTime<Utc>,
    ) -> Result<Vec<&'static str>, CollectError> {
        let mut differing: Vec<&'static str> = due.iter().map(|(resource_type, _)| *resource_type).collect();
        for _ in 0..TRIES {
            if differing.is_empty() {
                break;
            }
            let now = self.fhir.server_time().await?; // one for all: no dose before its patient
            let mut still = Vec::new();
            for resource_type in differing {
                self.catch_up(collector, resource_type, until, now).await?;
                let theirs = self.fhir.count_before(resource_type, until).await?;
                if theirs != self.count_before(resource_type, until).await? {
                    still.push(resource_type);
                }
            }
            differing = still;
        }
        Ok(differing)
    }

    async fn count_before(&self, resource_type: &str, until: DateTime<Utc>) -> Result<u64, CollectError> {
        let count = match resource_type {
            PATIENT => self.store.patients_before(until).await?,
            _ => self.store.facts_before(until).await?,
        };
        Ok(count.cast_unsigned())
    }

    /// Reads all records of a type, and drops what is not among them.
    async fn read_all(
        &self,
        collector: Collector,
        resource_type: &'static str,
        until: DateTime<Utc>,
    ) -> Result<(), CollectError> {
        let theirs = self.fhir.count_before(resource_type, until).await?;
        let mut ids = Vec::new();
        let mut keep =
            |record: &Value| ids.extend(record.get("id").and_then(Value::as_str).map(str::to_owned));
        let now = self.fhir.server_time().await? + TimeDelta::hours(1);
        let missed =
            self.read_changes(collector, resource_type, DateTime::UNIX_EPOCH, now, &mut keep).await?;
        ids.sort_unstable();
        ids.dedup();
        if (ids.len() as u64) < theirs {
            return Err(CollectError::Incomplete); // nothing may be dropped by a list with gaps
        }
        let before = until - self.overlap;
        let dropped = match resource_type {
            PATIENT => self.store.keep_only_patients(collector, &ids, before).await?,
            _ => self.store.keep_only(collector, &ids, before).await?,
        };
        if dropped > 0 {
            tracing::warn!(
                resource_type,
                dropped,
                "records were gone at the FHIR server without a trace of it"
            );
        }
        tracing::info!(resource_type, theirs, missed, "all records were read again");
        Ok(())
    }
}
