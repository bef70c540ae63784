//! The national table: every province's release side by side, what is missing said aloud.
//!
//! A round of asking ([`fan_out`]) goes to all active provinces at once over mutual TLS. What arrives is checked again
//! ([`arrival`]), kept on disk ([`last_good`]) and put beside the others ([`merge`]); readers are answered from memory.
//! The service refuses to guess: a province that is away is named and never a zero, and no number is summed over
//! provinces. It never sees a person: releases hold protected counts and nothing else.

pub mod aggregator;
pub mod answer;
pub mod arrival;
pub mod config;
pub mod fan_out;
pub mod http;
pub mod last_good;
pub mod merge;
pub mod national;
#[cfg(test)]
mod sample;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use auth::TokenVerifier;
use chrono::TimeDelta;
use mtls::{Credentials, ListenerOptions};
use service_kit::{Context, Migrator, Service};
use tokio::net::TcpListener;

use crate::aggregator::Aggregators;
use crate::config::{Config, SourcesConfig};
use crate::fan_out::{FanOut, Late};
use crate::http::{Readers, State};
use crate::last_good::LastGood;
use crate::national::National;

/// The service, for `service_kit::run`.
pub struct Federator;

impl Service for Federator {
    const NAME: &'static str = "federator";
    const ABOUT: &'static str = "Answers with the national table: every province's release, side by side.";
    type Config = Config;

    fn migrators() -> Vec<&'static Migrator> {
        vec![&audit::MIGRATIONS]
    }

    async fn start(context: Context, config: Config) -> anyhow::Result<()> {
        let Config {
            common: _,
            api,
            gateway,
            tls,
            tls_poll_seconds,
            directory,
            last_good_folder,
            sources,
            readers,
        } = config;
        let Context { lifecycle, pool: _, trail, clock } = context;
        let SourcesConfig {
            refresh_seconds,
            timeout_milliseconds,
            late_milliseconds,
            deadline_milliseconds,
            max_release_bytes,
            stale_after_hours,
        } = sources;

        let local = TcpListener::bind(api.listen).await.context("cannot listen on api.listen")?;
        let tokens = TokenVerifier::new(api.tokens)?;
        let credentials = Credentials::load(&tls)?;
        let poll = Duration::from_secs(directory.poll_seconds);
        let directory = directory.open()?;
        let timeout = Duration::from_millis(timeout_milliseconds);
        let patience = Duration::from_millis(late_milliseconds);
        let fan_out = FanOut {
            aggregators: Arc::new(Aggregators::new(
                credentials.clone(),
                timeout,
                patience,
                max_release_bytes,
            )),
            last_good: Arc::new(
                LastGood::open(&last_good_folder).context("cannot write into last_good_folder")?,
            ),
            late: Late::default(),
            timeout,
            deadline: Duration::from_millis(deadline_milliseconds),
            clock,
        };
        let stale_after = TimeDelta::hours(stale_after_hours.into());
        let national = National::open(fan_out, directory.clone(), stale_after).await?;
        national.refresh().await; // the first answer has what can be had

        let by_certificate = gateway.iter().flat_map(|gateway| gateway.readers.clone());
        let state = State {
            national: national.clone(),
            tokens,
            readers: Readers::new(by_certificate, readers.requests_per_minute),
        };
        let router = http::router(state, readers.concurrency, trail);

        lifecycle.watch_credentials(credentials.clone(), tls_poll_seconds);
        lifecycle.spawn("directory", directory.watch(poll, lifecycle.stop.clone()));
        lifecycle.spawn_until_stop("refresh", national.run(Duration::from_secs(refresh_seconds)));
        if let Some(gateway) = gateway {
            let listener =
                TcpListener::bind(gateway.listen).await.context("cannot listen on gateway.listen")?;
            let options =
                ListenerOptions { drain_timeout: Duration::from_secs(20), ..ListenerOptions::default() };
            lifecycle.serve_gateway(listener, credentials, router.clone(), options);
        }
        lifecycle.serve("api", local, router);
        Ok(())
    }
}
