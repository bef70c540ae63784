//! The start and stop sequence.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use audit::Trail;
use clap::{Parser, Subcommand};
use domain::{Clock, SystemClock};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use sqlx::PgPool;
use sqlx::migrate::Migrator;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::admin::{self, AdminConfig, Readiness};
use crate::config;
use crate::database::{self, DatabaseConfig};
use crate::lifecycle::Lifecycle;
use crate::spans::{self, TracesConfig};
use crate::telemetry::{self, LogConfig};

const EXIT_CONFIG: u8 = 64;
const DRAIN: Duration = Duration::from_secs(25);

/// The sections that every service's configuration has.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Common {
    /// The admin port.
    pub admin: AdminConfig,
    /// The database.
    pub database: DatabaseConfig,
    /// The log.
    #[serde(default)]
    pub log: LogConfig,
    /// Where spans of traces are sent.
    #[serde(default)]
    pub traces: TracesConfig,
}

/// A service's whole configuration.
pub trait ServiceConfig: DeserializeOwned + Send {
    /// Returns the sections that all services share.
    fn common(&self) -> &Common;
    /// Finds contradictions between settings; each in one sentence that says what to change.
    fn contradictions(&self) -> Vec<String>;
}

/// What a service is started with.
#[derive(Clone)]
pub struct Context {
    /// The stop token and the tracker of tasks.
    pub lifecycle: Lifecycle,
    /// The pool of the service's own role.
    pub pool: PgPool,
    /// Where requests leave their rows of the audit trail.
    pub trail: Trail,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// A service: a name, a schema, and a way to start.
pub trait Service {
    /// The binary's name, also the prefix of its environment variables.
    const NAME: &'static str;
    /// What it is for, in one sentence.
    const ABOUT: &'static str;
    /// Its configuration.
    type Config: ServiceConfig;
    /// Returns the migrations of its database, in order.
    fn migrators() -> Vec<&'static Migrator>;
    /// Builds everything and spawns it; returns once the service takes work.
    fn start(context: Context, config: Self::Config) -> impl Future<Output = anyhow::Result<()>> + Send;
}

#[derive(Parser)]
struct Arguments {
    /// The configuration file (YAML).
    #[arg(long, global = true, default_value = "config.yaml")]
    config: PathBuf,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Serves until SIGTERM (the default).
    Serve,
    /// Brings the database to this version's schema, as its owner, and ends.
    Migrate,
    /// Reads and checks the configuration and ends.
    CheckConfig,
}

/// Runs a service to its end: the whole of its `main`.
pub fn run<S: Service>() -> ExitCode {
    mtls::install_crypto_provider();
    let command = <Arguments as clap::CommandFactory>::command()
        .name(S::NAME)
        .about(S::ABOUT)
        .version(env!("CARGO_PKG_VERSION"));
    let matches = match command.try_get_matches() {
        Ok(matches) => matches,
        Err(error) => error.exit(),
    };
    let arguments = match <Arguments as clap::FromArgMatches>::from_arg_matches(&matches) {
        Ok(arguments) => arguments,
        Err(error) => error.exit(),
    };
    let config: S::Config = match config::load(&arguments.config, S::NAME) {
        Ok(config) => config,
        Err(error) => return complain(S::NAME, &anyhow::Error::from(error), EXIT_CONFIG),
    };
    let contradictions = config.contradictions();
    if !contradictions.is_empty() {
        return complain(S::NAME, &anyhow::anyhow!("{}", contradictions.join("; ")), EXIT_CONFIG);
    }
    let command = arguments.command.unwrap_or(Command::Serve);
    if matches!(command, Command::CheckConfig) {
        return ExitCode::SUCCESS;
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return complain(S::NAME, &error.into(), 1),
    };
    let outcome = runtime.block_on(async {
        match command {
            Command::Migrate => database::migrate(&config.common().database, &S::migrators()).await,
            Command::Serve | Command::CheckConfig => serve::<S>(config).await,
        }
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => complain(S::NAME, &error, 1),
    }
}

async fn serve<S: Service>(config: S::Config) -> anyhow::Result<()> {
    let common = config.common().clone();
    let telemetry = telemetry::install(&common.log)?;
    spans::install(&common.traces, S::NAME).context("common.traces.otlp_endpoint is no address")?;
    tracing::info!(service = S::NAME, version = env!("CARGO_PKG_VERSION"), "starting");
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;

    let readiness = Readiness::default();
    let admin_stop = tokio_util::sync::CancellationToken::new();
    let listener = TcpListener::bind(common.admin.listen).await.context("cannot listen on admin.listen")?;
    let writer = audit::writer_name(S::NAME);
    let pool = database::connect(&common.database, &writer).await?;
    let (trail, writer) = Trail::new(pool.clone(), S::NAME, writer);
    let admin = tokio::spawn(admin::serve(
        listener,
        readiness.clone(),
        pool.clone(),
        trail.clone(),
        telemetry,
        admin_stop.clone(),
    ));
    database::refuse_if_pending(&pool, &S::migrators()).await?;
    // It ends after everything that it writes down.
    let writer_stop = tokio_util::sync::CancellationToken::new();
    let writer = tokio::spawn(writer.run(writer_stop.clone()));

    let lifecycle = Lifecycle::of(trail.clone());
    let clock = Arc::new(SystemClock);
    let context = Context { lifecycle: lifecycle.clone(), pool: pool.clone(), trail, clock };
    S::start(context, config).await?;
    readiness.set_ready();
    tracing::info!("ready");

    let asked_to_stop = tokio::select! {
        _ = terminate.recv() => true,
        _ = interrupt.recv() => true,
        () = lifecycle.stop.cancelled() => false,
    };
    readiness.set_stopping();
    tracing::info!("stopping");
    let drained = lifecycle.drain(DRAIN).await;
    writer_stop.cancel();
    let _ = tokio::time::timeout(Duration::from_secs(2), writer).await;
    admin_stop.cancel();
    let _ = tokio::time::timeout(Duration::from_secs(2), admin).await;
    let _ = tokio::time::timeout(Duration::from_secs(2), pool.close()).await;
    let _ = tokio::task::spawn_blocking(spans::flush).await;
    anyhow::ensure!(asked_to_stop, "a task ended by itself");
    anyhow::ensure!(drained, "work was still running after {} s", DRAIN.as_secs());
    tracing::info!("stopped");
    Ok(())
}

#[expect(clippy::print_stderr, reason = "the log is not there yet, or the process is at its end")]
fn complain(name: &str, error: &anyhow::Error, code: u8) -> ExitCode {
    eprintln!("{name}: {error:#}");
    ExitCode::from(code)
}
