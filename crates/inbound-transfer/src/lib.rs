//! Receives persons' immunization records from other provinces.
//!
//! [`intake`] shows the order of the steps: ledger, gate, rules, [`matching`], [`plan`], one FHIR transaction
//! (`commit`), signed `receipt`. The plan is stored before anything is written, so that a restart carries
//! out exactly it. The service refuses to write part of a package, to let one province speak for another, and
//! to acknowledge anything that is not durable.

mod commit;
pub mod config;
pub mod error;
pub mod http;
pub mod intake;
mod local;
pub mod matching;
pub mod measure;
pub mod plan;
mod receipt;
pub mod recovery;
pub mod refusal;
pub mod same_event;
mod second_opinion;
pub mod store;
pub mod unit;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use auth::TokenVerifier;
use chrono::TimeDelta;
use fhir::gate::Limits;
use fhir_client::{FhirServer, FhirServerOptions};
use mtls::{Credentials, ListenerOptions};
use service_kit::{Context, PackageKeys, Service};
use sqlx::migrate::Migrator;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::config::Config;
use crate::http::{GatewayState, LocalState};
use crate::intake::{Intake, PERSON_WAIT};
use crate::store::Store;

/// The schema of the ledger.
pub static MIGRATIONS: Migrator = Migrator { ignore_missing: true, ..sqlx::migrate!() };

/// The service, for `service_kit::run`.
pub struct InboundTransfer;

impl Service for InboundTransfer {
    const NAME: &'static str = "inbound-transfer";
    const ABOUT: &'static str = "Receives persons' immunization records from other provinces.";
    type Config = Config;

    fn migrators() -> Vec<&'static Migrator> {
        vec![&audit::MIGRATIONS, &MIGRATIONS]
    }

    async fn start(context: Context, config: Config) -> anyhow::Result<()> {
        let Config {
            jurisdiction,
            common: _,
            api,
            gateway,
            fhir,
            tls,
            tls_poll_seconds,
            directory,
            package_keys_file,
            intake,
        } = config;
        let Context { lifecycle, pool, trail, clock } = context;

        let listener = TcpListener::bind(gateway.listen).await.context("cannot listen on gateway.listen")?;
        let local = TcpListener::bind(api.listen).await.context("cannot listen on api.listen")?;
        let tokens = TokenVerifier::new(api.tokens)?;
        let credentials = Credentials::load(&tls)?;
        let poll = Duration::from_secs(directory.poll_seconds);
        let directory = directory.open()?;
        let options = FhirServerOptions { concurrent_writes: fhir.concurrent_writes, ..Default::default() };
        let taking = Intake {
            here: jurisdiction,
            store: Store::new(pool),
            fhir: FhirServer::new(&fhir.base_url, options)?,
            credentials: credentials.clone(),
            keys: PackageKeys::load(&package_keys_file)?,
            limits: Limits { max_bytes: intake.max_package_bytes, ..Limits::default() },
            lease: TimeDelta::seconds(intake.lease_seconds.into()),
            renew_every: Duration::from_secs(intake.lease_seconds.into()) / 3,
            person_wait: PERSON_WAIT,
            validate_sample: intake.validate_sample,
            clock,
        };
        let router = http::router(GatewayState {
            intake: taking.clone(),
            directory: directory.clone(),
            slots: Arc::new(Semaphore::new(intake.concurrency)),
            rates: http::Rates::default(),
            peer_slots: http::PerPeer::default(),
            trail: trail.clone(),
            tasks: lifecycle.tasks.clone(),
        });

        let local_api = http::local_router(LocalState { store: taking.store.clone(), tokens, trail });

        lifecycle.serve("api", local, local_api);
        let all = taking.clone();
        lifecycle.spawn_again("measure", move || measure::run(all.clone()));
        lifecycle.watch_credentials(credentials.clone(), tls_poll_seconds);
        lifecycle.spawn("directory", directory.watch(poll, lifecycle.stop.clone()));
        lifecycle.spawn_again("recovery", move || Box::pin(recovery::run(taking.clone())));
        let options =
            ListenerOptions { drain_timeout: Duration::from_secs(20), ..ListenerOptions::default() };
        lifecycle.serve_gateway(listener, credentials, router, options);
        Ok(())
    }
}
