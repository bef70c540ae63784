//! The connection pool and the migrations.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use serde::Deserialize;
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection, PgPool};

/// No statement, lock or forgotten transaction of ours holds others up for long.
const SESSION_LIMITS: [(&str, &str); 3] =
    [("lock_timeout", "10s"), ("statement_timeout", "30s"), ("idle_in_transaction_session_timeout", "60s")];

/// How long an idle connection is taken to be alive without asking: a question before each statement would cost as
/// much as the statement. One that died in between fails its statement, and the work is tried again.
const TRUSTED_FOR: Duration = Duration::from_secs(1);

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
    let options: PgConnectOptions =
        read_url(&config.url_file)?.parse().context("the database URL is wrong")?;
    let options = options.options(SESSION_LIMITS).application_name(name);
    PgPoolOptions::new()
        .max_connections(config.max_connections)
        .acquire_timeout(Duration::from_secs(10))
        .test_before_acquire(false)
        .before_acquire(|connection, known| {
            Box::pin(async move {
                if known.idle_for >= TRUSTED_FOR {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
        .connect_with(options)
        .await
        .context("cannot connect to the database")
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
