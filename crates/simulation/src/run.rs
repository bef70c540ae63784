//! World after world, some at once, on databases of their own.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context, Result};
use local_stack::{Layout, Stack};
use service_kit::DatabaseConfig;
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tempfile::TempDir;

use crate::judge::Verdict;
use crate::mix::Mix;
use crate::province::{Database, Ledgers};
use crate::report::{Sum, print, say};
use crate::scenario;
use crate::schedule::HANGS;
use crate::world::World;
use crate::{Options, judge};

/// Connections of one province: processes stand still without one.
const CONNECTIONS: u32 = 6;

/// Simulates; tells whether every promise was kept.
pub fn run(options: &Options) -> Result<bool> {
    mtls::install_crypto_provider();
    let level = if options.verbose { "info" } else { "off" };
    tracing_subscriber::fmt().with_env_filter(tracing_subscriber::EnvFilter::new(level)).init();
    let folder = std::env::var_os("IIDI_TEST_STACK")
        .context("IIDI_TEST_STACK names no stack: use `cargo xtask simulate`")?;
    let stack = Stack::attach(&Layout::at(PathBuf::from(folder)))?;
    let begun = Instant::now();
    let worlds = options.transfers.div_ceil(options.world);
    let (next, sums) = (AtomicUsize::new(0), Mutex::new(BTreeMap::<Mix, Sum>::new()));
    let bad = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..options.threads.max(1))
            .map(|thread| {
                let (next, sums, bad, stack) = (&next, &sums, &bad, &stack);
                scope.spawn(move || -> Result<()> {
                    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
                    let databases = runtime.block_on(Databases::create(
                        stack,
                        &format!("{}{thread}", options.databases.replace('-', "_")),
                    ))?;
                    loop {
                        let n = next.fetch_add(1, Ordering::Relaxed);
                        if n >= worlds {
                            break;
                        }
                        let requests = options.world.min(options.transfers - n * options.world);
                        let seed = options.seed + n as u64;
                        let mix = options.mix.unwrap_or(Mix::ALL[usize::try_from(seed)? % Mix::ALL.len()]);
                        let verdict =
                            runtime
                                .block_on(one(options, seed, mix, requests, &databases, sums))
                                .with_context(|| format!("the world of seed {seed}, mix {}", mix.as_str()))?;
                        if !verdict {
                            lock(bad).push((seed, mix, requests));
                        }
                        if (n + 1).is_multiple_of(10) {
                            let done = (n + 1) * options.world;
                            say(&format!(
                                "  {:>6.0} s  {done} transfers requested",
                                begun.elapsed().as_secs_f64()
                            ));
                        }
                    }
                    runtime.block_on(databases.remove(stack))
                })
            })
            .collect();
        for thread in threads {
            thread.join().map_err(|_| anyhow::anyhow!("a thread panicked"))??;
        }
        anyhow::Ok(())
    })?;
    print(&lock(&sums));
    let bad = lock(&bad);
    for (seed, mix, requests) in bad.iter() {
        say(&format!(
            "to see it again: cargo xtask simulate -- --seed {seed} --mix {} --transfers {requests} --world {requests} --verbose",
            mix.word()
        ));
    }
    let all =
        |count: fn(&Verdict) -> u64| -> u64 { lock(&sums).values().map(|sum| count(&sum.verdict)).sum() };
    say(&format!(
        "\n{} transfers in {worlds} worlds, seeds {} to {}: {} lost, {} doubled, {} wrongly closed ({:.0} s)",
        all(|verdict| verdict.accepted),
        options.seed,
        options.seed + worlds as u64 - 1,
        all(|verdict| verdict.lost),
        all(|verdict| verdict.doubled),
        all(|verdict| verdict.wrongly_closed),
        begun.elapsed().as_secs_f64()
    ));
    Ok(bad.is_empty())
}

/// Simulates one world; tells whether every promise was kept.
async fn one(
    options: &Options,
    seed: u64,
    mix: Mix,
    requests: usize,
    databases: &Databases,
    sums: &Mutex<BTreeMap<Mix, Sum>>,
) -> Result<bool> {
    databases.empty().await?;
    let mut world =
        World::create(seed, mix, requests, options.sabotage, &databases.provinces, options.verbose)?;
    world.run().await?;
    world.close().await?;
    let verdict = judge::judge(&world).await?;
    for finding in verdict.findings.iter().take(5) {
        say(&format!("  seed {seed}: {finding}"));
    }
    let is_good = verdict.is_good();
    let mut tally = world.shared.tally();
    tally.insert("requests refused as they had to be", world.refused);
    lock(sums).entry(mix).or_default().add(verdict, tally);
    Ok(is_good)
}

/// The databases of the provinces, used by one world after the other.
struct Databases {
    provinces: Vec<Ledgers>,
    folder: TempDir,
}

impl Databases {
    async fn create(stack: &Stack, prefix: &str) -> Result<Self> {
        let mut databases = Self { provinces: Vec::new(), folder: tempfile::tempdir()? };
        for code in scenario::codes() {
            let name = |part| format!("{prefix}_{}_{part}", code.lower());
            let sent = databases.add(stack, &name("out"), &outbound_transfer::MIGRATIONS).await?;
            let arrived = databases.add(stack, &name("in"), &inbound_transfer::MIGRATIONS).await?;
            databases.provinces.push(Ledgers { sent, arrived });
        }
        Ok(databases)
    }

    async fn add(&mut self, stack: &Stack, name: &str, schema: &Migrator) -> Result<Database> {
        let postgres = stack.postgres();
        postgres.drop_database(name).await?;
        let urls = postgres.create_database(name).await?;
        // What a crash of the database would lose is not what is looked at here.
        postgres.sql("postgres", &format!("ALTER DATABASE {name} SET synchronous_commit = off;")).await?;
        let url_file = self.folder.path().join(name);
        std::fs::write(&url_file, &urls.owner_url)?;
        let owner =
            DatabaseConfig { url_file: url_file.clone(), owner_url_file: Some(url_file), max_connections: 1 };
        service_kit::migrate(&owner, &[&audit::MIGRATIONS, schema]).await?;
        let owner = pool(1).connect(&urls.owner_url).await?;
        let service: PgConnectOptions = urls.runtime_url.parse()?;
        let service = pool(CONNECTIONS).connect_with(service.application_name(name)).await?;
        Ok(Database { service, owner, name: name.to_owned() })
    }

    fn all(&self) -> impl Iterator<Item = &Database> {
        self.provinces.iter().flat_map(|province| [&province.sent, &province.arrived])
    }

    async fn empty(&self) -> Result<()> {
        for Database { owner, .. } in self.all() {
            let tables: Vec<String> = sqlx::query_scalar(
                "-- simulation.tables
                SELECT tablename::text FROM pg_tables WHERE schemaname = 'public' AND tablename <> '_sqlx_migrations'",
            )
            .fetch_all(owner)
            .await?;
            let truncate = format!("-- simulation.empty\nTRUNCATE {}", tables.join(", "));
            sqlx::raw_sql(sqlx::AssertSqlSafe(truncate)).execute(owner).await?;
        }
        Ok(())
    }

    async fn remove(self, stack: &Stack) -> Result<()> {
        for database in self.all() {
            database.service.close().await;
            database.owner.close().await;
            stack.postgres().drop_database(&database.name).await?;
        }
        Ok(())
    }
}

/// Unlike a service's pool, this one waits for as long as a slow computer takes, and asks no connection whether it is
/// alive: the computer's own time would decide what happens.
fn pool(connections: u32) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(HANGS)
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
