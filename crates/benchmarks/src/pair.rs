//! A pair of services, Ontario's outbound and British Columbia's inbound, on the real PostgreSQL and Redis.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use domain::TransferId;
use futures::StreamExt;
use local_stack::{ProvinceService, Stack};
use serde_json::{Value, json};
use sqlx::PgPool;
use test_kit::{OutboundApi, World};

use crate::people::Person;
use crate::processes::Watched;

/// How the pair is set up.
#[derive(Debug, Clone, Copy)]
pub struct Setup<'a> {
    /// Base of the origin's FHIR server.
    pub origin: &'a str,
    /// Base of the destination's FHIR server.
    pub destination: &'a str,
    /// How many transfers run at once; `None` leaves the services' own value.
    pub concurrency: Option<usize>,
}

/// The pair, running.
pub struct Pair {
    world: World,
    api: OutboundApi,
    database: PgPool,
}

/// What a run of transfers took.
#[derive(Debug, Clone, Copy)]
pub struct Run {
    /// From the first request to the last completion.
    pub took: Duration,
    /// What PostgreSQL has done meanwhile.
    pub database: DatabaseWork,
}

/// What PostgreSQL has done.
#[derive(Debug, Clone, Copy, Default)]
pub struct DatabaseWork {
    /// Committed transactions in the databases of both services.
    pub commits: i64,
    /// Times the log was flushed to disk, of the whole cluster.
    pub flushes: i64,
    /// Bytes of log, of the whole cluster.
    pub log_bytes: i64,
}

const ON: &str = "ON";
const BC: &str = "BC";

impl Pair {
    /// Starts both services.
    pub async fn start(setup: Setup<'_>) -> Result<Self> {
        let (origin, destination) = (setup.origin.to_owned(), setup.destination.to_owned());
        let change = move |config: &mut Value| {
            let base = if config["jurisdiction"] == ON { &origin } else { &destination };
            config["fhir"]["base_url"] = json!(base);
            // What a test hurries is as it would be in service.
            let section = if config["jurisdiction"] == ON { "transfers" } else { "intake" };
            config[section] = json!({});
            if let (ON, Some(concurrency)) =
                (config["jurisdiction"].as_str().unwrap_or_default(), setup.concurrency)
            {
                config[section]["concurrency"] = json!(concurrency);
            }
        };
        let services = [(BC, ProvinceService::Inbound), (ON, ProvinceService::Outbound)];
        let world = World::prepared("bench", &services).await;
        // What one province allows another in a minute is not what is measured.
        let limits = json!({"packages_per_minute": 10_000_000, "concurrent": 256});
        world.write_directory_with(&[], &|entry| entry["limits"] = limits.clone());
        for (province, service) in services {
            world.start(province, service, "", &change, &[]).await;
        }
        let api = world.outbound(ON);
        let database = world.database(ON, ProvinceService::Outbound).await;
        Ok(Self { world, api, database })
    }

    /// Requests a transfer of each of these people and waits until all are completed.
    pub async fn transfer(&self, people: &[Person]) -> Result<Run> {
        let before = self.database_work().await?;
        let already = self.completed().await?;
        let begun = Instant::now();
        let requests = people.iter().map(|person| async {
            let body = json!({"patient_id": person.id(), "transfer_to": BC, "approval_ref": "benchmark"});
            let answer = self.api.ask(TransferId::generate(), &body).await;
            ensure!(answer.status().as_u16() == 202, "a request was answered {}", answer.status());
            Ok(())
        });
        let mut requests = futures::stream::iter(requests).buffer_unordered(8);
        while let Some(answer) = requests.next().await {
            answer?;
        }
        let wanted = already + i64::try_from(people.len())?;
        while self.completed().await? < wanted {
            ensure!(begun.elapsed() < Duration::from_mins(10), "the transfers do not end");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let took = begun.elapsed();
        Ok(Run { took, database: self.database_work().await? - before })
    }

    /// Returns the processes that take part, without the FHIR servers.
    pub fn processes(&self) -> Vec<Watched> {
        let mut watched = Vec::new();
        for (service, code) in [("outbound-transfer", "on"), ("inbound-transfer", "bc")] {
            let record = format!("{code}-{service}-{}", self.world.name());
            watched.extend(stack_process(&self.world, &record, service));
        }
        watched.extend(stack_process(&self.world, "postgres", "PostgreSQL"));
        watched.extend(stack_process(&self.world, "redis", "Redis"));
        watched
    }

    /// Returns the world that the services are in.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// Stops both services.
    pub async fn stop(self) {
        self.database.close().await;
        self.world.terminate(ON, ProvinceService::Outbound).await;
        self.world.terminate(BC, ProvinceService::Inbound).await;
    }

    /// Lets PostgreSQL count what is in its tables, as it does by itself within a minute: statements that were planned
    /// on empty tables are planned again.
    pub async fn analyze(&self) -> Result<()> {
        for (province, service) in [(ON, ProvinceService::Outbound), (BC, ProvinceService::Inbound)] {
            let database = self.world.database(province, service).await;
            sqlx::query("-- benchmarks.analyze\nANALYZE").execute(&database).await?;
            database.close().await;
        }
        Ok(())
    }

    async fn completed(&self) -> Result<i64> {
        let ended: (i64, i64) = sqlx::query_as(
            "-- benchmarks.completed
            SELECT count(*) FILTER (WHERE state = 'completed' AND source = 'closed'),
                count(*) FILTER (WHERE state IN ('rejected', 'dead', 'cancelled')
                    OR (state = 'completed' AND source <> 'closed'))
            FROM transfer",
        )
        .fetch_one(&self.database)
        .await?;
        ensure!(ended.1 == 0, "{} transfers did not end well", ended.1);
        Ok(ended.0)
    }

    async fn database_work(&self) -> Result<DatabaseWork> {
        // Counters of other sessions arrive within a second or so of their last statement.
        tokio::time::sleep(Duration::from_millis(1100)).await;
        let (commits, flushes, log_bytes): (i64, i64, i64) = sqlx::query_as(
            "-- benchmarks.database_work
            SELECT (SELECT sum(xact_commit)::bigint FROM pg_stat_database WHERE datname LIKE '%' || $1 || '%'),
                wal_sync, wal_bytes::bigint FROM pg_stat_wal",
        )
        .bind(self.world.name())
        .fetch_one(&self.database)
        .await
        .context("the counters of PostgreSQL")?;
        Ok(DatabaseWork { commits, flushes, log_bytes })
    }
}

impl std::ops::Sub for DatabaseWork {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            commits: self.commits - before.commits,
            flushes: self.flushes - before.flushes,
            log_bytes: self.log_bytes - before.log_bytes,
        }
    }
}

/// Finds a process of the stack by the name in its record.
pub fn stack_process(world: &World, record: &str, name: &str) -> Option<Watched> {
    let all = Stack::status(world.stack().layout());
    let found = all.into_iter().find(|status| status.running && status.record.name == record)?;
    Some(Watched { name: name.to_owned(), pid: found.record.pid, with_children: record == "postgres" })
}
