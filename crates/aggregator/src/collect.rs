//! Following the FHIR server: what has changed, in pages that nothing is kept for, then what was deleted.
//!
//! A cycle reads from a little before where the last one ended up to a little before the server's present. A page that
//! cannot be read ends the cycle; what was written stays, since it is newer than what was there, and the next cycle reads
//! it again. So the first load is a cycle like any other. At its end, and once a day, `reconcile` asks whether anything
//! was missed.

mod reconcile;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Datelike, TimeDelta, Utc};
use domain::{Clock, Jurisdiction};
use fhir_client::feed::{self, PAGE};
use fhir_client::{FhirError, FhirServer};
use serde_json::Value;
use service_kit::{Chain, Lifecycle};

use crate::pseudonym::Pseudonyms;
use crate::store::{Collector, FactRow, Followed, PatientRow, Store, StoreError};
use crate::{count, rules};

/// Patients before doses, so that a dose finds who it is about.
const TYPES: [&str; 2] = [PATIENT, "Immunization"];
const PATIENT: &str = "Patient";

/// Follows a province's FHIR server. Cheap to clone.
#[derive(Clone)]
pub struct Following {
    /// The province.
    pub here: Jurisdiction,
    /// Its FHIR server.
    pub fhir: FhirServer,
    /// The facts.
    pub store: Store,
    /// Who people are, without saying it.
    pub pseudonyms: Pseudonyms,
    /// The name of this process.
    pub owner: String,
    /// The pause between two cycles.
    pub every: Duration,
    /// What is younger is left for the next cycle.
    pub grace: TimeDelta,
    /// How far a cycle looks back.
    pub overlap: TimeDelta,
    /// How often what is here is compared with the server.
    pub reconcile: TimeDelta,
    /// For how long this process has the right to follow, if it does not take it anew.
    pub lease: Duration,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// Why a cycle ended before its end.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// The FHIR server.
    #[error("the FHIR server cannot be followed")]
    Fhir(#[from] FhirError),
    /// The facts.
    #[error("the facts cannot be written")]
    Store(#[from] StoreError),
    /// A list of all records that is shorter than the server's own count.
    #[error("the FHIR server lists fewer records than it counts")]
    Incomplete,
    /// A resource without what every resource of a server has.
    #[error("a resource of the server has no {0}")]
    Unreadable(&'static str),
}

impl Following {
    /// Follows until the stop; of several replicas one does.
    pub async fn run(self, lifecycle: Lifecycle) {
        lifecycle.stop.run_until_cancelled(lifecycle.again("collect", || self.follow_on())).await;
        if let Err(error) = self.store.let_go(&self.owner, self.clock.now()).await {
            tracing::warn!(error = %Chain(&error), "the right to follow was not given back; its lease ends by itself");
        }
    }

    async fn follow_on(&self) {
        // There from the start, so that the first one is a rise.
        metrics::counter!("collect_cycles_failed_total").increment(0);
        metrics::counter!("reconciliations_total").increment(0);
        loop {
            match self.cycle().await {
                Ok(Some(0) | None) => {}
                Ok(Some(changes)) => tracing::info!(changes, "changes of the FHIR server are in the facts"),
                Err(CollectError::Store(StoreError::LeaseLost)) => {
                    tracing::warn!("another process follows the FHIR server now");
                }
                Err(error) => {
                    metrics::counter!("collect_cycles_failed_total").increment(1);
                    tracing::error!(error = %Chain(&error), "the FHIR server could not be followed; trying again");
                }
            }
            tokio::time::sleep(self.every).await;
        }
    }

    /// Reads what has changed since the last cycle; returns how many records had, `None` where another process does it.
    pub async fn cycle(&self) -> Result<Option<u64>, CollectError> {
        let Some(collector) = self.hold().await? else { return Ok(None) };
        tokio::select! {
            changes = self.follow_all(collector) => changes.map(Some),
            () = self.keep(collector) => Err(StoreError::LeaseLost.into()),
        }
    }

    /// Takes the right to follow, or keeps it.
    async fn hold(&self) -> Result<Option<Collector>, StoreError> {
        let now = self.clock.now();
        self.store.take_collector(&self.owner, now, now + self.lease).await
    }

    /// Keeps the right for as long as a cycle lasts; ends when it is lost.
    async fn keep(&self, collector: Collector) {
        loop {
            tokio::time::sleep(self.lease / 4).await;
            match self.hold().await {
                Ok(Some(held)) if held.fence == collector.fence => {}
                Ok(_) => return,
                // The next time may be better; until then whatever is written asks for the right itself.
                Err(error) => tracing::warn!(error = %Chain(&error), "the right to follow was not renewed"),
            }
        }
    }

    async fn follow_all(&self, collector: Collector) -> Result<u64, CollectError> {
        if self.store.take_rules(collector).await? {
            tracing::warn!(
                rules = rules::version(),
                "the facts were of other rules; everything is read again"
            );
        }
        let until = self.fhir.server_time().await? - self.grace;
        let mut changes = 0;
        for resource_type in TYPES {
            changes += self.follow(collector, resource_type, until).await?;
        }
        self.reconcile(collector, until).await?;
        #[expect(clippy::cast_precision_loss, reason = "a date is far below 2^52")]
        metrics::gauge!("facts_until_seconds").set(until.timestamp() as f64);
        Ok(changes)
    }

    async fn follow(
        &self,
        collector: Collector,
        resource_type: &'static str,
        until: DateTime<Utc>,
    ) -> Result<u64, CollectError> {
        let followed = self.store.followed(resource_type).await?;
        let changes = match followed {
            // Before the first load there is nothing that could have been deleted from the facts.
            None => {
                let begin = DateTime::UNIX_EPOCH;
                self.read_changes(collector, resource_type, begin, until, &mut |_| ()).await?
            }
            Some(Followed { until: ended, .. }) => {
                // A clock that was ahead for a while must not leave a gap behind.
                self.catch_up(collector, resource_type, ended.min(until) - self.overlap, until).await?
            }
        };
        self.store.has_followed(collector, resource_type, until).await?;
        Ok(changes)
    }

    /// Reads what was changed or deleted from `begin` on; returns how many records differed from what was there.
    async fn catch_up(
        &self,
        collector: Collector,
        resource_type: &'static str,
        begin: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<u64, CollectError> {
        let changed = self.read_changes(collector, resource_type, begin, until, &mut |_| ()).await?;
        let deleted = self.fhir.deleted_since(resource_type, begin).await?;
        let (ids, versions): (Vec<_>, Vec<_>) =
            deleted.into_iter().map(|deleted| (deleted.id, deleted.version)).unzip();
        let deleted = match resource_type {
            PATIENT => self.store.delete_patients(collector, &ids, &versions).await?,
            _ => self.store.delete_facts(collector, &ids, &versions).await?,
        };
        Ok(changed + deleted)
    }

    /// Reads and writes all pages; while one is written, the next is read.
    async fn read_changes(
        &self,
        collector: Collector,
        resource_type: &'static str,
        begin: DateTime<Utc>,
        until: DateTime<Utc>,
        seen: &mut (dyn FnMut(&Value) + Send),
    ) -> Result<u64, CollectError> {
        let (mut changes, mut read) = (0, 0_usize);
        let mut next =
            Next { page: self.fhir.changed(resource_type, begin, until).await?, from: begin, rest: vec![] };
        loop {
            let Next { page, from, rest } = next;
            page.iter().chain(&rest).for_each(&mut *seen);
            read += page.len();
            if read.is_multiple_of(PAGE * 20) {
                tracing::info!(resource_type, read, "reading the FHIR server");
            }
            let newest = page.last().map(last_updated).transpose()?;
            // Only an empty page is the end: a server may give less than it was asked for.
            let Some(newest) = newest else {
                return Ok(changes + self.write(collector, resource_type, rest).await?);
            };
            let writing = async {
                let rest = self.write(collector, resource_type, rest).await?;
                Ok::<_, CollectError>(rest + self.write(collector, resource_type, page).await?)
            };
            // Both to their end: what was read is not lost where the next page is.
            let (written, ahead) = tokio::join!(writing, self.ahead(resource_type, from, newest, until));
            changes += written?;
            next = ahead?;
        }
    }

    /// Reads the page behind the one that began at `from` and ended at `newest`.
    async fn ahead(
        &self,
        resource_type: &'static str,
        from: DateTime<Utc>,
        newest: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<Next, FhirError> {
        if newest > from {
            let page = self.fhir.changed(resource_type, newest, until).await?;
            return Ok(Next { page, from: newest, rest: vec![] });
        }
        // A page of one instant brings the reader no further: that instant is read to its end.
        let rest = self.fhir.changed_at(resource_type, newest).await?;
        let from = feed::after(newest);
        Ok(Next { page: self.fhir.changed(resource_type, from, until).await?, from, rest })
    }

    async fn write(
        &self,
        collector: Collector,
        resource_type: &str,
        page: Vec<Value>,
    ) -> Result<u64, CollectError> {
        if page.is_empty() {
            return Ok(0);
        }
        metrics::counter!("resources_read_total", "type" => resource_type.to_owned())
            .increment(page.len() as u64);
        if resource_type == PATIENT {
            let rows = page.iter().map(|patient| self.patient(patient)).collect::<Result<Vec<_>, _>>()?;
            return Ok(self.store.put_patients(collector, &latest(rows, |row| &row.id)).await?);
        }
        let here = self.here.clone();
        let rows = page.iter().map(|record| fact(record, &here)).collect::<Result<Vec<_>, _>>()?;
        Ok(self.store.put_facts(collector, &latest(rows, |row| &row.dose.id)).await?)
    }

    fn patient(&self, patient: &Value) -> Result<PatientRow, CollectError> {
        let text = |name: &str| patient.get(name).and_then(Value::as_str);
        let links = patient.get("link").and_then(Value::as_array);
        let replaced_by = links.into_iter().flatten().find_map(|link| {
            let is_replaced = link.get("type").and_then(Value::as_str) == Some("replaced-by");
            let other = link.pointer("/other/reference").and_then(Value::as_str)?;
            is_replaced.then(|| other.strip_prefix("Patient/").map(str::to_owned))?
        });
        Ok(PatientRow {
            id: text("id").ok_or(CollectError::Unreadable("id"))?.to_owned(),
            person: self.pseudonyms.of_patient(patient),
            birth_date: text("birthDate").unwrap_or_default().to_owned(),
            sex: count::sex(text("gender")),
            replaced_by,
            version: version(patient)?,
            last_updated: last_updated(patient)?,
        })
    }
}

/// What was read and is to be written.
struct Next {
    page: Vec<Value>,
    /// Where the page begins.
    from: DateTime<Utc>,
    /// All of an instant that was too long for the page before.
    rest: Vec<Value>,
}

fn fact(record: &Value, here: &Jurisdiction) -> Result<FactRow, CollectError> {
    let last_updated = last_updated(record)?;
    // Nobody records a dose of a year that has not come: the record's own time is "now", whenever it is read.
    let dose = count::dose(record, here, last_updated.year()).ok_or(CollectError::Unreadable("id"))?;
    Ok(FactRow { dose, version: version(record)?, last_updated })
}

/// Of a record that stands twice in a page, the last one: a statement may change a row only once.
fn latest<T>(rows: Vec<T>, id: impl Fn(&T) -> &String) -> Vec<T> {
    let mut seen = std::collections::HashSet::new();
    let mut kept: Vec<T> = rows.into_iter().rev().filter(|row| seen.insert(id(row).clone())).collect();
    kept.reverse();
    kept
}

fn version(resource: &Value) -> Result<i64, CollectError> {
    let version = resource.pointer("/meta/versionId").and_then(Value::as_str);
    version.and_then(|version| version.parse().ok()).ok_or(CollectError::Unreadable("numbered version"))
}

fn last_updated(resource: &Value) -> Result<DateTime<Utc>, CollectError> {
    let text = resource.pointer("/meta/lastUpdated").and_then(Value::as_str);
    let time = text.and_then(|text| DateTime::parse_from_rfc3339(text).ok());
    time.map(|time| time.to_utc()).ok_or(CollectError::Unreadable("time of its last change"))
}
