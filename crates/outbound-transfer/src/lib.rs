//! Seals a person's immunization record, delivers it to another province, and closes the source on proof.
//!
//! PostgreSQL holds the truth, Redis only dispatches ids. Each step of a transfer has its file: [`seal`],
//! [`deliver`], [`close`]; [`dispatch`] claims a transfer and runs the steps, [`lanes`] is the queue's side, and
//! [`http`] the API of the province's own systems. The service refuses to send anything that it has not sealed,
//! and to close anything without a verified receipt.

pub mod breaker;
pub mod close;
pub mod config;
pub mod deliver;
pub mod dispatch;
pub mod dry_run;
pub mod error;
pub mod http;
pub mod lanes;
pub mod measure;
pub mod operations;
pub mod package;
pub mod peer_client;
pub mod peer_transport;
pub mod record;
pub mod requests;
pub mod retention;
pub mod seal;
pub mod step;
pub mod store;
pub mod wake;
pub mod worker;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use auth::TokenVerifier;
use chrono::TimeDelta;
use fhir_client::{FhirServer, FhirServerOptions};
use mtls::Credentials;
use service_kit::{Context, PackageKeys, Service};
use sqlx::migrate::Migrator;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use work_queue::{Queue, QueueOptions, RetryPolicy};

use crate::breaker::BreakerPolicy;
use crate::config::Config;
use crate::dispatch::Dispatcher;
use crate::http::ApiState;
use crate::lanes::Lanes;
use crate::peer_client::PeerClients;
use crate::requests::Requests;
use crate::store::Store;
use crate::worker::Worker;

/// The schema of the ledger.
pub static MIGRATIONS: Migrator = Migrator { ignore_missing: true, ..sqlx::migrate!() };

/// The service, for `service_kit::run`.
pub struct OutboundTransfer;

impl Service for OutboundTransfer {
    const NAME: &'static str = "outbound-transfer";
    const ABOUT: &'static str = "Hands a person's immunization record to another province.";
    type Config = Config;

    fn migrators() -> Vec<&'static Migrator> {
        vec![&audit::MIGRATIONS, &MIGRATIONS]
    }

    async fn start(context: Context, config: Config) -> anyhow::Result<()> {
        let Config {
            jurisdiction,
            common: _,
            api,
            fhir,
            queue,
            tls,
            tls_poll_seconds,
            directory,
            package_keys_file,
            transfers,
        } = config;
        let Context { lifecycle, pool, trail, clock } = context;

        let listener = TcpListener::bind(api.listen).await.context("cannot listen on api.listen")?;
        let tokens = TokenVerifier::new(api.tokens)?;
        let credentials = Credentials::load(&tls)?;
        let poll = Duration::from_secs(directory.poll_seconds);
        let directory = directory.open()?;
        let queue_url = std::fs::read_to_string(&queue.url_file).context("cannot read queue.url_file")?;
        let owner = format!("{}-{}", hostname(), std::process::id());
        // A dead worker's entry is taken over when its lease is over, not later.
        let lease = Duration::from_secs(transfers.lease_seconds);
        let options = QueueOptions { min_idle: lease, reclaim_every: lease / 3, ..QueueOptions::default() };
        let queue = Queue::connect_with(queue_url.trim(), &queue.prefix, "transfer", &owner, options).await?;
        let store = Store::new(pool);
        let outbox_filled = Arc::new(Notify::new());

        let request_timeout = Duration::from_secs(transfers.request_timeout_seconds);
        let worker = Worker {
            here: jurisdiction.clone(),
            store: store.clone(),
            fhir: FhirServer::new(&fhir.base_url, FhirServerOptions::default())?,
            directory: directory.clone(),
            peers: PeerClients::new(credentials.clone(), request_timeout),
            keys: PackageKeys::load(&package_keys_file)?,
            close_source: transfers.close_source,
            clock: clock.clone(),
        };
        let retry = RetryPolicy {
            base: Duration::from_millis(transfers.first_retry_milliseconds),
            ..RetryPolicy::default()
        };
        let horizon = TimeDelta::hours(transfers.horizon_hours.into());
        let dispatcher = Dispatcher {
            worker: worker.clone(),
            owner,
            lease: TimeDelta::seconds(i64::try_from(transfers.lease_seconds)?),
            renew_every: lease / 3,
            retry,
            breaker: BreakerPolicy {
                failures: transfers.breaker_failures,
                first_pause: Duration::from_secs(transfers.first_probe_seconds),
                longest_pause: Duration::from_secs(transfers.longest_probe_seconds),
            },
            horizon,
            late_receipt: TimeDelta::hours(transfers.late_receipt_hours.into()),
            random: rand::random,
        };
        let lanes = Lanes {
            queue,
            dispatcher,
            concurrency: transfers.concurrency,
            sweep_after: Duration::from_secs(transfers.sweep_after_seconds),
            outbox_filled: outbox_filled.clone(),
        };
        let requests = Requests {
            here: jurisdiction,
            store,
            directory: directory.clone(),
            horizon,
            outbox_filled: outbox_filled.clone(),
            clock,
        };
        let api = http::router(ApiState { requests, worker: worker.clone(), tokens, trail });

        lifecycle.watch_credentials(credentials, tls_poll_seconds);
        lifecycle.spawn("directory", directory.clone().watch(poll, lifecycle.stop.clone()));
        lanes.start(&directory, &lifecycle);
        let keep = TimeDelta::days(transfers.package_days.into());
        let all = worker.clone();
        lifecycle.spawn_again("wake", move || wake::run(all.clone(), outbox_filled.clone()));
        let all = worker.clone();
        lifecycle.spawn_again("retention", move || retention::run(all.clone(), keep));
        lifecycle.spawn_again("measure", move || measure::run(worker.clone()));
        lifecycle.serve("api", listener, api);
        Ok(())
    }
}

fn hostname() -> String {
    std::env::var("HOSTNAME").unwrap_or_else(|_| "local".to_owned())
}
