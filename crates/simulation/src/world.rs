//! One world: its provinces, and what happens until all is quiet again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use chrono::{DateTime, TimeDelta, Utc};
use contracts::transfer::NewTransfer;
use domain::{PatientId, TransferId};
use inbound_transfer::recovery;
use mtls::pki::LocalCa;
use outbound_transfer::dispatch::Next as After;
use outbound_transfer::operations::Operation;
use outbound_transfer::wake;
use peers::Directory;
use serde_json::json;
use service_kit::PackageKeys;
use tempfile::TempDir;

use crate::mix::Mix;
use crate::network::Network;
use crate::people::Person;
use crate::province::{Ground, LEASE, Ledgers, Province, base_of};
use crate::sabotage::Sabotage;
use crate::scenario::{self, Event, Wanted};
use crate::schedule::{Next, Schedule};
use crate::shared::{AT_WORK_FOR, Shared};

/// How often the services look at what waits.
const TICK: Duration = Duration::from_secs(5);
/// Of how many such looks one is at what the queue may have lost, and at plans that nobody carries out.
const RARELY: u64 = 4;
/// How long a quiet world is still watched: dead transfers ask for receipts meanwhile.
const QUIET: TimeDelta = TimeDelta::hours(5);
/// When the world ends, quiet or not.
const LONGEST: TimeDelta = TimeDelta::days(5);
/// When an id is put on the queue again that nobody has worked on.
const SWEEP_AFTER: TimeDelta = TimeDelta::seconds(60);
const OPERATOR: &str = "simulated-operator";

/// What people and clinics have done to records and transfers.
#[derive(Debug, Default)]
pub struct Causes {
    /// Transfers that were called off.
    pub cancelled: BTreeSet<TransferId>,
    /// Records that no destination takes: whose, and where.
    pub impossible: BTreeSet<(Person, usize)>,
    /// Records that a clinic has changed: whose, and where.
    pub edited: BTreeSet<(Person, usize)>,
}

/// A world.
pub struct World {
    /// What its parts share.
    pub shared: Shared,
    /// Its provinces.
    pub provinces: Vec<Province>,
    /// Transfers that were answered 202.
    pub accepted: BTreeMap<TransferId, Wanted>,
    /// How many requests were refused, as they had to be.
    pub refused: u64,
    /// What was done that explains why a transfer did not complete, or did not close its source.
    pub causes: Causes,
    schedule: Schedule<Event, After>,
    network: Network,
    authority: LocalCa,
    lives_of_queues: Vec<u64>,
    ticks: Vec<u64>,
    edits: usize,
    calm_since: Option<DateTime<Utc>>,
    is_verbose: bool,
    _folder: TempDir,
}

impl World {
    /// Makes a world on empty databases, one for each province.
    pub fn create(
        seed: u64,
        mix: Mix,
        requests: usize,
        sabotage: Option<Sabotage>,
        ledgers: &[Ledgers],
        is_verbose: bool,
    ) -> Result<Self> {
        let (shared, standing) = Shared::new(seed, mix, sabotage);
        let schedule = Schedule::new(shared.clone(), standing, seed);
        let network = Network::new(shared.clone());
        let folder = tempfile::tempdir()?;
        let authority = LocalCa::create(&folder.path().join("ca"))?;
        let (directory, keys) = (write_directory(folder.path())?, write_keys(folder.path())?);
        let codes = scenario::codes();
        let ground = Ground {
            shared: &shared,
            network: &network,
            authority: &authority,
            folder: folder.path(),
            directory: &directory,
            keys: &keys,
        };
        let founded =
            codes.iter().zip(ledgers).map(|(code, ledgers)| Province::found(&ground, code, ledgers));
        let provinces = founded.collect::<Result<Vec<_>>>()?;
        let mut world = Self {
            shared,
            lives_of_queues: vec![0; provinces.len()],
            ticks: vec![0; provinces.len()],
            provinces,
            accepted: BTreeMap::new(),
            refused: 0,
            causes: Causes::default(),
            schedule,
            network,
            authority,
            edits: 0,
            calm_since: None,
            is_verbose,
            _folder: folder,
        };
        let scenario = scenario::draw(seed, requests, codes.len(), mix == Mix::Away);
        for (person, at, doses, is_impossible) in scenario.records {
            let code = &codes[at];
            if is_impossible {
                world.causes.impossible.insert((person, at));
            }
            let record =
                if is_impossible { person.impossible_record(code) } else { person.record(code, doses) };
            world.provinces[at].fhir.put_all(&record)?;
        }
        for (when, event) in scenario.events {
            world.schedule.after(when, event);
        }
        Ok(world)
    }

    /// Lets everything happen, until all is quiet.
    pub async fn run(&mut self) -> Result<()> {
        loop {
            for call in self.shared.going_on() {
                self.start(call).await?;
            }
            match self.schedule.next().await? {
                Next::Nothing => return Ok(()),
                Next::Ended(event, after) => self.ended(event, after),
                Next::Event(event) => {
                    if self.is_verbose {
                        crate::report::say(&format!(
                            "{} {event:?}",
                            self.shared.now().format("%d %H:%M:%S%.3f")
                        ));
                    }
                    if self.happens(event).await? {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Tells whether it was the last one.
    async fn happens(&mut self, event: Event) -> Result<bool> {
        match event {
            Event::Request(wanted, is_twice) => {
                let patient_id = wanted.person.patient_id(&self.provinces[wanted.from].code);
                self.request(&wanted, &patient_id).await?;
                if is_twice {
                    self.request(&wanted, &patient_id).await?;
                }
            }
            Event::Return(wanted, after) => self.come_back(wanted, after).await?,
            Event::Edit(person, at) => self.edit(person, at)?,
            Event::Cancel(wanted) => {
                let requests = self.provinces[wanted.from].requests.clone();
                // Refused once it has left; both are right.
                if requests.operate(Operation::Cancel, wanted.id, OPERATOR, "asked to").await.is_ok() {
                    self.causes.cancelled.insert(wanted.id);
                }
                self.publish(wanted.from).await?;
            }
            Event::RetryAll(at) => {
                let requests = self.provinces[at].requests.clone();
                for (id, wanted) in self.accepted.clone() {
                    if wanted.from == at && self.shared.happens(0.2) {
                        let _ = requests.operate(Operation::Retry, id, OPERATOR, "try now").await;
                    }
                }
                self.publish(at).await?;
            }
            Event::Pause(at, to) => self.set_paused(at, to, true).await?,
            Event::Resume(at, to) => self.set_paused(at, to, false).await?,
            Event::Work(at, id, life) => self.work(at, id, life).await?,
            Event::Tick(at) => return self.tick(at).await,
            Event::LoseQueue(at) => {
                self.shared.count("queues that lost everything");
                self.lives_of_queues[at] += 1;
            }
            Event::Renew(at) => {
                self.shared.count("certificates renewed, both services of a province");
                self.provinces[at].renew_certificates(&self.authority)?;
            }
            Event::BringAgain => {
                let network = self.network.clone();
                self.start(async move { network.bring_again().await }).await?;
            }
            Event::Away(at) => self.network.set_away(at.map(|at| self.provinces[at].base.clone())),
            Event::Calm => {
                self.shared.calm_down();
                self.network.set_away(None);
                self.calm_since = Some(self.shared.now());
            }
        }
        Ok(false)
    }

    async fn request(&mut self, wanted: &Wanted, patient_id: &str) -> Result<()> {
        let province = &self.provinces[wanted.from];
        let new = NewTransfer {
            patient_id: PatientId::parse(patient_id).context("a patient id")?,
            transfer_to: self.provinces[wanted.to].code.clone(),
            approval_ref: "simulation".to_owned(),
            destination_identifier: None,
        };
        if province.requests.accept(wanted.id, new, "simulated-registry").await.is_ok() {
            self.accepted.insert(wanted.id, wanted.clone());
        } else {
            self.refused += 1;
        }
        if self.shared.is_sabotaged(Sabotage::ClosedEarly) && self.accepted.len() == 10 {
            let mut patient = wanted.person.patient(&province.code);
            patient["active"] = json!(false);
            patient["link"] = json!([{"type": "refer", "other": {"identifier": {"system": "urn:test",
                "value": format!("{}/Patient/x", self.provinces[wanted.to].code)}}}]);
            province.fhir.put_all(&[patient])?;
        }
        self.publish(wanted.from).await
    }

    /// Somebody who has arrived gets a dose there, and goes back.
    async fn come_back(&mut self, wanted: Wanted, after: TransferId) -> Result<()> {
        let there = &self.provinces[wanted.from];
        let held = crate::doses::by_number(&there.fhir);
        let Some(held) = held.get(&wanted.person.number()).and_then(|held| held.first()) else {
            return Ok(()); // not there yet
        };
        let Some(first) = self.accepted.get(&after).filter(|first| first.to == wanted.from) else {
            return Ok(());
        };
        let earlier = self.provinces[first.from].requests.find(after).await;
        if !earlier.is_ok_and(|earlier| earlier.state == domain::TransferState::Completed) {
            return Ok(());
        }
        let id = held.id().to_owned();
        there.fhir.put_all(&[wanted.person.dose(20, &there.code, &id)])?;
        self.shared.count("people who came back");
        self.request(&wanted, &id).await
    }

    /// A clinic adds a dose to an open record.
    fn edit(&mut self, person: Person, at: usize) -> Result<()> {
        let province = &self.provinces[at];
        let id = person.patient_id(&province.code);
        let is_open = |patient: serde_json::Value| patient["active"] != false;
        if province.fhir.read("Patient", &id).is_some_and(is_open) {
            self.edits += 1;
            self.causes.edited.insert((person, at));
            self.shared.count("doses added while a transfer was under way");
            let number = 30 + self.edits % 50;
            province.fhir.put_all(&[person.dose(number, &province.code, &id)])?;
        }
        Ok(())
    }

    async fn set_paused(&mut self, at: usize, to: usize, is_paused: bool) -> Result<()> {
        let code = self.provinces[to].code.clone();
        let requests = &self.provinces[at].requests;
        let paused = requests.set_paused(&code, is_paused, OPERATOR, "maintenance").await;
        anyhow::ensure!(paused.is_ok(), "a lane could not be paused or opened");
        Ok(())
    }

    /// Puts on the queue what the outbox holds.
    async fn publish(&mut self, at: usize) -> Result<()> {
        let ids = Arc::new(Mutex::new(Vec::new()));
        let taken = ids.clone();
        let publish = |lanes: outbound_transfer::store::Enqueued| async move {
            let mut ids = taken.lock().unwrap_or_else(PoisonError::into_inner);
            ids.extend(lanes.into_values().flatten());
            Ok::<(), std::convert::Infallible>(())
        };
        self.provinces[at].requests.store.publish_outbox(1000, publish).await?;
        let ids = std::mem::take(&mut *ids.lock().unwrap_or_else(PoisonError::into_inner));
        self.put_on_queue(at, &ids)
    }

    fn put_on_queue(&mut self, at: usize, ids: &[String]) -> Result<()> {
        for id in ids {
            let id = TransferId::parse(id).context("an id of the outbox")?;
            let life = self.lives_of_queues[at];
            // At least once, in no order.
            for _ in 0..if self.shared.happens(0.02) { 2 } else { 1 } {
                let delay = Duration::from_secs_f64(0.01 + 0.2 * self.shared.draw());
                self.schedule.after(delay, Event::Work(at, id, life));
            }
        }
        Ok(())
    }

    async fn work(&mut self, at: usize, id: TransferId, life: u64) -> Result<()> {
        if life != self.lives_of_queues[at] {
            return Ok(()); // that queue is gone
        }
        let replica = self.shared.draw_below(self.provinces[at].dispatchers.len());
        let dispatcher = self.provinces[at].dispatchers[replica].clone();
        let work = AT_WORK_FOR.scope(id, async move { Box::pin(dispatcher.advance(id)).await });
        self.schedule.start(Some(Event::Work(at, id, life)), work).await
    }

    /// Starts what is not tried again when it dies.
    async fn start(&mut self, work: impl Future<Output = ()> + Send + 'static) -> Result<()> {
        let work = async move {
            work.await;
            After::Settled
        };
        self.schedule.start(None, work).await
    }

    fn ended(&mut self, event: Option<Event>, after: Option<After>) {
        let Some(event) = event else { return };
        let again = match after {
            Some(After::Settled) => return,
            Some(After::After(delay)) => delay,
            // Its entry stays pending, and goes to another worker once it was idle for as long as a lease.
            None => LEASE.to_std().unwrap_or_default(),
        };
        self.schedule.after(again, event);
    }

    /// Tells whether the world may end.
    async fn tick(&mut self, at: usize) -> Result<bool> {
        let now = self.shared.now();
        let store = self.provinces[at].requests.store.clone();
        wake::once(&self.provinces[at].dispatchers[0].worker).await?;
        self.publish(at).await?;
        self.ticks[at] += 1;
        if self.calm_since.is_some() || self.ticks[at].is_multiple_of(RARELY) {
            let swept = store.sweep(now - SWEEP_AFTER, now, 10_000).await?;
            for ids in swept.into_values() {
                self.put_on_queue(at, &ids)?;
            }
            let intake = self.provinces[at].intake.clone();
            self.start(async move { recovery::once(&intake).await }).await?;
        }
        let Some(calm_since) = self.calm_since else {
            self.schedule.after(TICK, Event::Tick(at));
            return Ok(false);
        };
        let quiet_for = now - calm_since;
        if quiet_for > LONGEST || (quiet_for > QUIET && !self.is_anything_unfinished().await?) {
            return Ok(true);
        }
        // In a calm world less happens, and longer ago.
        let pause = (quiet_for / 10).to_std().unwrap_or_default().clamp(TICK, Duration::from_mins(30));
        self.schedule.after(pause, Event::Tick(at));
        Ok(false)
    }

    async fn is_anything_unfinished(&self) -> Result<bool> {
        for province in &self.provinces {
            let unfinished = "-- simulation.unfinished
                SELECT EXISTS (SELECT 1 FROM transfer WHERE state IN ('requested', 'sealed', 'delivered'))";
            if sqlx::query_scalar(unfinished).fetch_one(&province.ledgers.sent.service).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Ends what runs beside the processes.
    pub async fn close(&mut self) -> Result<()> {
        for province in &mut self.provinces {
            province.close().await?;
        }
        Ok(())
    }
}

fn write_directory(folder: &std::path::Path) -> Result<Directory> {
    let entries = scenario::codes().into_iter().map(|code| {
        let identity = |service| local_stack::spiffe_id(code.as_str(), service).unwrap_or_default();
        json!({
            "code": code, "name": {"en": code, "fr": code}, "role": "pt", "state": "active",
            "gateway": {"inbound_transfer": base_of(&code)},
            "identities": {
                "outbound_transfer": identity("outbound-transfer"),
                "inbound_transfer": identity("inbound-transfer"),
            },
            "limits": {"concurrent": 1000, "packages_per_minute": 10_000_000},
        })
    });
    let file = folder.join("jurisdictions.yaml");
    std::fs::write(&file, json!({"jurisdictions": entries.collect::<Vec<_>>()}).to_string())?;
    Ok(Directory::from_file(&file)?)
}

fn write_keys(folder: &std::path::Path) -> Result<PackageKeys> {
    use base64::Engine;
    let key = base64::engine::general_purpose::STANDARD.encode(rand::random::<[u8; 32]>());
    let file = folder.join("keys.yaml");
    std::fs::write(&file, json!({"current": "k1", "keys": {"k1": key}}).to_string())?;
    Ok(PackageKeys::load(&file)?)
}
