//! Follows a province's FHIR server, counts doses without names, and publishes protected tables.
//!
//! [`collect`] reads what has changed into facts ([`count`] says what a record is, [`pseudonym`] who it is about,
//! without saying it, [`rules`] by which version of both); [`publish`] makes releases of them, which `disclosure` protects and [`document`] writes down;
//! [`http`] answers the federal federator and the province's own systems. Nothing but a release leaves the province.

pub mod answer;
pub mod collect;
pub mod config;
pub mod count;
pub mod document;
pub mod http;
pub mod pseudonym;
pub mod publish;
pub mod rules;
pub mod store;

use std::time::Duration;

use anyhow::Context as _;
use auth::TokenVerifier;
use chrono::TimeDelta;
use disclosure::Policy;
use fhir_client::{FhirServer, FhirServerOptions};
use mtls::{Credentials, ListenerOptions};
use service_kit::{Context, Service};
use sqlx::migrate::Migrator;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::collect::Following;
use crate::config::Config;
use crate::http::ApiState;
use crate::pseudonym::Pseudonyms;
use crate::publish::Publisher;
use crate::store::Store;

/// The schema of facts and releases.
pub static MIGRATIONS: Migrator = Migrator { ignore_missing: true, ..sqlx::migrate!() };

/// The service, for `service_kit::run`.
pub struct Aggregator;

impl Service for Aggregator {
    const NAME: &'static str = "aggregator";
    const ABOUT: &'static str = "Counts a province's immunization doses and publishes protected tables.";
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
            pseudonym_key_file,
            reports_url_file,
            collect,
            release,
        } = config;
        let Context { lifecycle, pool, trail, clock } = context;

        let listener = TcpListener::bind(gateway.listen).await.context("cannot listen on gateway.listen")?;
        let local = TcpListener::bind(api.listen).await.context("cannot listen on api.listen")?;
        let tokens = TokenVerifier::new(api.tokens)?;
        let credentials = Credentials::load(&tls)?;
        let poll = Duration::from_secs(directory.poll_seconds);
        let directory = directory.open()?;
        let pseudonyms = Pseudonyms::load(&pseudonym_key_file)?;
        let reports =
            reports_url_file.map(|file| service_kit::reading_pool(&file, Self::NAME)).transpose()?;
        let store = Store::new(pool, reports, pseudonyms.clone());

        let following = Following {
            here: jurisdiction.clone(),
            fhir: FhirServer::new(&fhir.base_url, FhirServerOptions::default())?,
            store: store.clone(),
            pseudonyms,
            owner: audit::writer_name(Self::NAME),
            every: Duration::from_secs(collect.every_seconds.max(1)),
            grace: TimeDelta::seconds(collect.grace_seconds.into()),
            overlap: TimeDelta::seconds(collect.overlap_seconds.into()),
            reconcile: TimeDelta::hours(collect.reconcile_hours.into()),
            lease: Duration::from_secs(collect.lease_seconds.into()),
            clock: clock.clone(),
        };
        let publisher = Publisher {
            here: jurisdiction,
            store,
            policy: Policy::new(release.threshold)?,
            every: (release.every_hours > 0).then(|| TimeDelta::hours(release.every_hours.into())),
            clock,
            newest: watch::Sender::new(None),
        };
        let state = ApiState { publisher: publisher.clone(), directory: directory.clone(), tokens };

        lifecycle.serve("api", local, http::local_router(state.clone(), trail.clone()));
        lifecycle.spawn("collect", following.run(lifecycle.clone()));
        lifecycle.spawn_again("releases", move || publisher.clone().run());
        lifecycle.watch_credentials(credentials.clone(), tls_poll_seconds);
        lifecycle.spawn("directory", directory.watch(poll, lifecycle.stop.clone()));
        let gateway = http::gateway_router(state, trail);
        lifecycle.serve_gateway(listener, credentials, gateway, ListenerOptions::default());
        Ok(())
    }
}
