//! The connection pool and the migrations.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde::Deserialize;
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection, PgConnection, PgPool, Postgres, Transaction};

/// No statement, lock or forgotten transaction of ours holds others up for long, and the server gives up a process
/// of ours that has gone without a word.
const SESSION_LIMITS: [(&str, &str); 7] = [
    ("lock_timeout", "10s"),
    ("statement_timeout", "30s"),
    ("idle_in_transaction_session_timeout", "60s"),
    ("tcp_keepalives_idle", "20"),
    ("tcp_keepalives_interval", "10"),
    ("tcp_keepalives_count", "3"),
    ("tcp_user_timeout", "60s"),
];

/// How long an idle connection is taken to be alive without asking: a question before each statement would cost as
/// much as the statement. One that died in between fails its statement, and the work is tried again.
const TRUSTED_FOR: Duration = Duration::from_secs(1);

/// A connection that is not alive may be silent (a node that died, a firewall that forgot it): it is given so long
/// for a sign of life before it is used, and when it is given back.
const SIGN_OF_LIFE: Duration = Duration::from_secs(1);

/// The longest that a transaction takes to begin: longer than a connection takes to come about.
const BEGIN_LIMIT: Duration = Duration::from_secs(20);

/// Where the service's database is.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseConfig {
    /// A file that holds the URL of the service's own role (`postgres://…`).
    pub url_file: PathBuf,
    /// A file that holds the URL of the owner, for `migrate` only.
    #[serde(default)]
    pub owner_url_file: Option<PathBuf>,
    /// The most connections that this process opens.
    #[serde(default = "default_connections")]
    pub max_connections: u32,
}

fn default_connections() -> u32 {
    10
}

/// Opens a pool, with bounded patience for a database that is still starting.
///
/// `name` is the `application_name` of its connections, and so the `writer` of audit rows.
pub async fn connect(config: &DatabaseConfig, name: &str) -> anyhow::Result<PgPool> {
    pool(config.max_connections)
        .connect_with(options(&config.url_file, name)?)
        .await
        .context("cannot connect to the database")
}

/// Makes a pool for reading alone, of a standby that may be away now and then: it connects when it is needed.
pub fn reading_pool(url_file: &Path, name: &str) -> anyhow::Result<PgPool> {
    let read_only = [("default_transaction_read_only", "on")];
    Ok(pool(2).connect_lazy_with(options(url_file, name)?.options(read_only)))
}

fn options(url_file: &Path, name: &str) -> anyhow::Result<PgConnectOptions> {
    let options: PgConnectOptions = read_url(url_file)?.parse().context("the database URL is wrong")?;
    Ok(options.options(SESSION_LIMITS).application_name(name))
}

fn pool(max_connections: u32) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(max_connections)
        .acquire_timeout(Duration::from_secs(10))
        .test_before_acquire(false)
        .before_acquire(|connection, known| {
            Box::pin(async move {
                if known.idle_for >= TRUSTED_FOR {
                    shows_life(connection).await?;
                }
                Ok(true)
            })
        })
        // The pool asks as well, for ever: a silent connection would never come back, nor its place.
        .after_release(|connection, _| {
            Box::pin(async move {
                shows_life(connection).await?;
                Ok(given_up().is_none_or(|at| at.elapsed() > 2 * SIGN_OF_LIFE))
            })
        })
}

async fn shows_life(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    tokio::time::timeout(SIGN_OF_LIFE, connection.ping()).await.unwrap_or_else(|_| Err(silent()))
}

/// Brings the database to this version's schema, as its owner.
pub async fn migrate(config: &DatabaseConfig, migrators: &[&Migrator]) -> anyhow::Result<()> {
    let file = config.owner_url_file.as_deref().context("database.owner_url_file is needed to migrate")?;
    let pool = PgPoolOptions::new().max_connections(2).connect(&read_url(file)?).await?;
    for migrator in migrators {
        migrator.run(&pool).await.context("a migration failed")?;
    }
    // The service's own role looks there for pending migrations at start.
    sqlx::query("GRANT SELECT ON _sqlx_migrations TO iidi_service").execute(&pool).await?;
    pool.close().await;
    Ok(())
}

/// Begins a transaction on a task of its own, so that it begins whole even where the caller is dropped meanwhile.
///
/// `Pool::begin` of sqlx 0.9.0 does not: dropped between the statement and its answer (a caller that hangs up, a
/// time-out, the other arm of a `select!`), it gives the connection back inside a transaction that nobody ends, and
/// whatever runs on it next is lost with it (<https://github.com/transact-rs/sqlx/issues/4393>, mended after 0.9.0).
#[expect(clippy::disallowed_methods, reason = "the one place that begins transactions")]
pub async fn begin(pool: &PgPool) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
    let pool = pool.clone();
    let begun = tokio::spawn(async move {
        tokio::time::timeout(BEGIN_LIMIT, pool.begin()).await.unwrap_or_else(|_| {
            *given_up() = Some(Instant::now());
            Err(silent())
        })
    });
    begun.await.unwrap_or(Err(sqlx::Error::WorkerCrashed))
}

/// When this process last gave up a transaction that would not begin. Should it have begun meanwhile, its connection
/// is given back inside it: for a while, none that is given back is used again.
fn given_up() -> MutexGuard<'static, Option<Instant>> {
    static GIVEN_UP: Mutex<Option<Instant>> = Mutex::new(None);
    GIVEN_UP.lock().unwrap_or_else(PoisonError::into_inner)
}

fn silent() -> sqlx::Error {
    sqlx::Error::Io(io::ErrorKind::TimedOut.into())
}

/// Refuses to go on while the schema is older than this version needs.
pub(crate) async fn refuse_if_pending(pool: &PgPool, migrators: &[&Migrator]) -> anyhow::Result<()> {
    let applied: Vec<i64> = sqlx::query_scalar("SELECT version FROM _sqlx_migrations WHERE success")
        .fetch_all(pool)
        .await
        .context("the database has no schema yet: run `migrate` first")?;
    let known = migrators.iter().flat_map(|migrator| migrator.iter());
    let pending: Vec<_> = known.filter(|migration| !applied.contains(&migration.version)).collect();
    if let Some(first) = pending.first() {
        bail!("{} migrations are pending, the first is {}: run `migrate`", pending.len(), first.description);
    }
    Ok(())
}

fn read_url(file: &Path) -> anyhow::Result<String> {
    let url = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(url.trim().to_owned())
}
