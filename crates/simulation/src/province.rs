//! A province: both services, two replicas of each, on one ledger and one FHIR server.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use audit::Trail;
use axum::Router;
use chrono::TimeDelta;
use domain::{Clock, Jurisdiction};
use fhir::gate::Limits;
use fhir_client::double::{DoubleOptions, FhirDouble};
use fhir_client::{FhirServer, FhirServerOptions};
use inbound_transfer::http::{GatewayState, PerPeer, Rates};
use inbound_transfer::intake::Intake;
use local_stack::spiffe_id;
use mtls::pki::LocalCa;
use mtls::{Credentials, SpiffeId, TlsFiles};
use outbound_transfer::breaker::BreakerPolicy;
use outbound_transfer::config::CloseSource;
use outbound_transfer::dispatch::Dispatcher;
use outbound_transfer::peer_client::PeerClients;
use outbound_transfer::requests::Requests;
use outbound_transfer::worker::Worker;
use peers::Directory;
use service_kit::PackageKeys;
use sqlx::PgPool;
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use work_queue::RetryPolicy;

use crate::fhir_server::SimulatedFhir;
use crate::network::{Gateway, Network};
use crate::shared::Shared;

/// How long a worker holds what it works on.
pub const LEASE: TimeDelta = TimeDelta::seconds(30);
/// Leases are not renewed, and no call is given up, by the computer's own time: it would decide what happens.
const NEVER: Duration = Duration::from_secs(1 << 30);
/// How long transfers are tried; short, so that some die.
const HORIZON: TimeDelta = TimeDelta::hours(1);
/// How long between two questions for a late receipt.
const LATE_RECEIPT: TimeDelta = TimeDelta::hours(1);
/// No limit of a service is what is looked at here.
const MANY: usize = 1 << 10;

/// A database, as its service and as its owner see it.
#[derive(Clone)]
pub struct Database {
    /// As the service does.
    pub service: PgPool,
    /// As its owner does.
    pub owner: PgPool,
    /// Its name, and that of whoever writes its audit rows.
    pub name: String,
}

/// A province's databases.
#[derive(Clone)]
pub struct Ledgers {
    /// Of the outbound service.
    pub sent: Database,
    /// Of the inbound service.
    pub arrived: Database,
}

/// A province of the world.
pub struct Province {
    /// Its code.
    pub code: Jurisdiction,
    /// Where its gateway is.
    pub base: String,
    /// What its FHIR server holds.
    pub fhir: FhirDouble,
    /// The use cases of its API.
    pub requests: Requests,
    /// The replicas of its outbound service.
    pub dispatchers: Vec<Dispatcher>,
    /// Its inbound service.
    pub intake: Intake,
    /// Its ledgers.
    pub ledgers: Ledgers,
    /// Both services' certificates, to be renewed.
    identities: Vec<(String, TlsFiles, Credentials)>,
    trails: Vec<tokio::task::JoinHandle<()>>,
    stop: CancellationToken,
}

/// What provinces are made with.
pub struct Ground<'a> {
    /// The world.
    pub shared: &'a Shared,
    /// The network.
    pub network: &'a Network,
    /// Who signs certificates.
    pub authority: &'a LocalCa,
    /// Where files are.
    pub folder: &'a Path,
    /// The peer directory.
    pub directory: &'a Directory,
    /// The keys of packages.
    pub keys: &'a PackageKeys,
}

impl Province {
    /// Makes a province on an empty database and connects it.
    pub fn found(ground: &Ground<'_>, code: &Jurisdiction, ledgers: &Ledgers) -> Result<Self> {
        let Ground { shared, network, folder, directory, keys, .. } = *ground;
        let clock: Arc<dyn Clock> = Arc::new(shared.clock());
        let mut identities = Vec::new();
        for service in ["outbound-transfer", "inbound-transfer"] {
            let name = spiffe_id(code.as_str(), service)?;
            let file = |what: &str| folder.join(format!("{}-{service}-{what}.pem", code.lower()));
            let (certificate, key) = (file("certificate"), file("key"));
            ground.authority.issue(&name, &[], &[])?.write(&certificate, &key)?;
            let files = TlsFiles { certificate, key, roots: folder.join("ca/ca.crt"), crl: None };
            let credentials = Credentials::load(&files)?;
            identities.push((name, files, credentials));
        }
        let (calls_with, answers_with) = (identities[0].2.clone(), identities[1].2.clone());

        let double = FhirDouble::new(DoubleOptions { clock: clock.clone(), seed: 0 });
        let simulated = SimulatedFhir { double: double.clone(), shared: shared.clone() };
        let options =
            FhirServerOptions { concurrent_writes: MANY, timeout: NEVER, ..FhirServerOptions::default() };
        let fhir = FhirServer::over(simulated, options);

        let store = outbound_transfer::store::Store::new(ledgers.sent.service.clone());
        let worker = Worker {
            here: code.clone(),
            store: store.clone(),
            fhir: fhir.clone(),
            directory: directory.clone(),
            peers: PeerClients::over(calls_with.clone(), Arc::new(network.way_out_of(code))),
            keys: keys.clone(),
            close_source: CloseSource::Refer,
            clock: clock.clone(),
        };
        let dispatcher = |owner: &str| Dispatcher {
            worker: worker.clone(),
            owner: owner.to_owned(),
            lease: LEASE,
            renew_every: NEVER,
            retry: RetryPolicy::default(),
            breaker: BreakerPolicy {
                failures: 5,
                first_pause: Duration::from_secs(30),
                longest_pause: Duration::from_mins(15),
            },
            horizon: HORIZON,
            late_receipt: LATE_RECEIPT,
            random: crate::schedule::draw_of_thread,
        };
        let requests = Requests {
            here: code.clone(),
            store,
            directory: directory.clone(),
            horizon: HORIZON,
            outbox_filled: Arc::new(Notify::new()),
            clock: clock.clone(),
        };
        let intake = Intake {
            here: code.clone(),
            store: inbound_transfer::store::Store::new(ledgers.arrived.service.clone()),
            fhir,
            credentials: answers_with.clone(),
            keys: keys.clone(),
            limits: Limits::default(),
            lease: LEASE,
            renew_every: NEVER,
            person_wait: Duration::ZERO,
            validate_sample: 0.0,
            clock,
        };
        let stop = CancellationToken::new();
        let trail_of = |database: &Database, service| {
            let (trail, writer) = Trail::new(database.service.clone(), service, database.name.clone());
            (trail, tokio::spawn(writer.run(stop.clone())))
        };
        let (_, sent) = trail_of(&ledgers.sent, "outbound-transfer");
        let (trail, arrived) = trail_of(&ledgers.arrived, "inbound-transfer");
        let replica = |_| gateway(&intake, directory, &trail);
        let base = base_of(code);
        let identity = SpiffeId::parse(&identities[1].0).context("a SPIFFE id")?;
        let gateway =
            Gateway { replicas: (0..2).map(replica).collect(), identity, credentials: answers_with };
        network.connect(code, calls_with, &base, gateway);
        Ok(Self {
            code: code.clone(),
            base,
            fhir: double,
            requests,
            dispatchers: vec![dispatcher("a"), dispatcher("b")],
            intake,
            ledgers: ledgers.clone(),
            identities,
            trails: vec![sent, arrived],
            stop,
        })
    }

    /// Gives both services new certificates with new keys, as every month.
    pub fn renew_certificates(&self, authority: &LocalCa) -> Result<()> {
        for (name, files, credentials) in &self.identities {
            authority.issue(name, &[], &[])?.write(&files.certificate, &files.key)?;
            credentials.reload()?;
        }
        Ok(())
    }

    /// Ends what runs beside the world's processes, and waits until all audit rows are linked.
    pub async fn close(&mut self) -> Result<()> {
        self.stop.cancel();
        for writing in &mut self.trails {
            writing.await.context("an audit trail's writer")?;
        }
        Ok(())
    }
}

/// Returns where a province's gateway is.
pub fn base_of(code: &Jurisdiction) -> String {
    format!("https://{}.gateway.test", code.lower())
}

fn gateway(intake: &Intake, directory: &Directory, trail: &Trail) -> Router {
    inbound_transfer::http::router(GatewayState {
        intake: intake.clone(),
        directory: directory.clone(),
        slots: Arc::new(Semaphore::new(MANY)),
        rates: Rates::default(),
        peer_slots: PerPeer::default(),
        trail: trail.clone(),
        tasks: TaskTracker::new(),
    })
}
