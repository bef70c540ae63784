//! What the services need is away, for longer than anybody holds anything: work stops, nothing is lost, nothing is
//! done twice, and all of it goes on by itself.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use chrono::{DateTime, Utc};
use domain::{TransferId, TransferState};
use local_stack::ProvinceService::{Inbound, Outbound};
use reqwest::Method;
use serde_json::{Value, json};
use test_kit::wire::Wire;
use test_kit::{Person, World, copy_id, eventually};

const PEOPLE: usize = 30;
/// More than a service has connections to its database.
const CROWD: usize = 20;
/// A dead worker's transfers are taken over after so many seconds.
const LEASE: u32 = 10;

/// A world whose services reach one of their dependencies over a wire.
struct Severed {
    world: World,
    wires: Vec<Wire>,
    people: Vec<(Person, TransferId)>,
}

/// Where a service's configuration says what it depends on.
#[derive(Clone, Copy)]
enum Dependency {
    Database,
    Queue,
    Fhir,
}

impl Severed {
    async fn begin(name: &str, dependency: Dependency) -> Self {
        let services = [("BC", Inbound), ("ON", Outbound)];
        let world = World::prepared(name, &services).await;
        let mut wires = Vec::new();
        for (province, service) in services {
            let stack = world.stack();
            let wire = Wire::to(&match dependency {
                Dependency::Database => format!("postgres://127.0.0.1:{}/", stack.postgres().port()),
                Dependency::Queue => stack.redis_url(province).unwrap(),
                Dependency::Fhir => stack.fhir_url(province).unwrap(),
            })
            .await;
            let change = |config: &mut Value| {
                if service == Outbound {
                    config["transfers"]["lease_seconds"] = json!(LEASE);
                    config["transfers"]["sweep_after_seconds"] = json!(2);
                    config["transfers"]["concurrency"] = json!(2);
                } else {
                    config["intake"]["lease_seconds"] = json!(LEASE);
                }
                match (dependency, service) {
                    (Dependency::Fhir, _) => {
                        let base = config["fhir"]["base_url"].as_str().unwrap();
                        config["fhir"]["base_url"] = json!(wire.through(base));
                    }
                    (Dependency::Database, _) => {
                        reach_over(&wire, &mut config["common"]["database"]["url_file"]);
                    }
                    (Dependency::Queue, Outbound) => reach_over(&wire, &mut config["queue"]["url_file"]),
                    (Dependency::Queue, _) => {}
                }
            };
            world.start(province, service, "", &change, &[]).await;
            wires.push(wire);
        }
        Self { world, wires, people: Vec::new() }
    }

    async fn request(&mut self) {
        let outbound = self.world.outbound("ON");
        let people: Vec<Person> = (0..PEOPLE).map(|_| Person::new().doses(2)).collect();
        for person in &people {
            person.upload(&self.world.fhir("ON")).await;
        }
        let requests = people.iter().map(async |person| outbound.request(&person.id(), "BC").await);
        let ids = futures::future::join_all(requests).await;
        self.people = people.into_iter().zip(ids).collect();
    }

    /// How many transfers are on their way.
    async fn unfinished(&self) -> i64 {
        let ledger = self.world.database("ON", Outbound).await;
        let unfinished = "SELECT count(*) FROM transfer WHERE state <> 'completed'";
        sqlx::query_scalar(unfinished).fetch_one(&ledger).await.unwrap()
    }

    /// Waits until whatever a worker held at the cut has long been anybody's.
    async fn outlast_all_leases(&self) {
        let ledger = self.world.database("ON", Outbound).await;
        let cut_at: DateTime<Utc> = sqlx::query_scalar("SELECT now()").fetch_one(&ledger).await.unwrap();
        eventually("all leases to end", async || {
            let is_past = "SELECT now() > $1 + make_interval(secs => $2)";
            let is_past = sqlx::query_scalar(is_past).bind(cut_at).bind(f64::from(LEASE) * 1.5);
            let is_past: bool = is_past.fetch_one(&ledger).await.unwrap();
            is_past.then_some(())
        })
        .await;
    }

    /// Everybody has arrived, once.
    async fn everybody_has_arrived_once(self) {
        let outbound = self.world.outbound("ON");
        for (person, id) in &self.people {
            outbound.until(*id, TransferState::Completed).await;
            let copy = copy_id("ON", "Patient", &person.id());
            let doses = self.world.fhir("BC").count("Immunization", &[("patient", &copy)]).await.unwrap();
            assert_eq!(doses, 2, "{id}");
        }
        let ledger = self.world.database("BC", Inbound).await;
        let states: Vec<(String, i64)> =
            sqlx::query_as("SELECT state, count(*) FROM inbound_transfer GROUP BY state")
                .fetch_all(&ledger)
                .await
                .unwrap();
        let states: BTreeMap<String, i64> = states.into_iter().collect();
        assert_eq!(states, BTreeMap::from([("committed".to_owned(), i64::try_from(PEOPLE).unwrap())]));
        self.world.terminate("ON", Outbound).await;
        self.world.terminate("BC", Inbound).await;
    }

    fn cut(&self) {
        self.wires.iter().for_each(Wire::cut);
    }

    fn swallow(&self) {
        self.wires.iter().for_each(Wire::swallow);
    }

    /// Waits until both services say of themselves that they are ready, or that they are not.
    async fn until_ready(&self, is_ready: bool) {
        for (province, service) in [("BC", Inbound), ("ON", Outbound)] {
            let url = format!("{}/readyz", self.world.admin(province, service));
            eventually("a word on readiness", async || {
                let answer = reqwest::get(&url).await.expect("the admin port answers");
                (answer.status().is_success() == is_ready).then_some(())
            })
            .await;
        }
    }

    /// The answers of both services' own APIs to more requests at once than they have connections.
    async fn answers(&self) -> BTreeSet<u16> {
        let (sends, receives) = (self.world.outbound("ON"), self.world.arrivals("BC"));
        let asked = (0..CROWD).flat_map(|_| {
            [sends.call(Method::GET, "/transfer-request"), receives.call(Method::GET, "/inbound-transfer")]
        });
        let answers = futures::future::join_all(asked.map(reqwest::RequestBuilder::send)).await;
        answers.into_iter().map(|answer| answer.expect("an answer").status().as_u16()).collect()
    }

    fn mend(&self) {
        self.wires.iter().for_each(Wire::mend);
    }
}

/// Lets a service reach over a wire what the URL in this file names.
fn reach_over(wire: &Wire, file: &mut Value) {
    let named = PathBuf::from(file.as_str().expect("a file"));
    let url = std::fs::read_to_string(&named).expect("a URL");
    let over = named.with_extension("over-a-wire");
    std::fs::write(&over, wire.through(url.trim())).expect("a file beside it");
    *file = json!(over);
}

async fn goes_on_after(name: &str, dependency: Dependency) {
    let mut severed = Severed::begin(name, dependency).await;
    severed.request().await;
    severed.cut();
    assert!(severed.unfinished().await > 0, "nothing was on its way");
    severed.outlast_all_leases().await;
    severed.mend();
    severed.everybody_has_arrived_once().await;
}

#[tokio::test]
async fn a_database_that_was_away_for_longer_than_a_lease_has_lost_nothing() {
    goes_on_after("awaydb", Dependency::Database).await;
}

#[tokio::test]
async fn a_queue_that_was_away_for_longer_than_a_lease_has_lost_nothing() {
    goes_on_after("awayqueue", Dependency::Queue).await;
}

#[tokio::test]
async fn fhir_servers_that_were_away_for_longer_than_a_lease_have_lost_nothing() {
    goes_on_after("awayfhir", Dependency::Fhir).await;
}

#[tokio::test]
async fn a_database_that_falls_silent_makes_services_unready_and_is_found_again() {
    let mut severed = Severed::begin("silentdb", Dependency::Database).await;
    severed.request().await;
    severed.until_ready(true).await;
    severed.swallow();
    assert!(severed.unfinished().await > 0, "nothing was on its way");
    assert_eq!(severed.answers().await, BTreeSet::from([503]), "nobody waits for ever");
    severed.until_ready(false).await;
    severed.outlast_all_leases().await;
    severed.mend();
    severed.until_ready(true).await;
    assert_eq!(severed.answers().await, BTreeSet::from([200]), "whoever is ready answers");
    severed.everybody_has_arrived_once().await;
}
