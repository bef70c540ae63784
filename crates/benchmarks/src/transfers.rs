//! Transfers of one pair of provinces, FHIR doubles answering after a delay, beside the FHIR calls and the commits
//! that a transfer cannot do without.

use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Args;
use fhir_client::double::FhirDouble;
use fhir_client::double::serve::DoubleServer;
use fhir_client::{FhirServer, FhirServerOptions};
use futures::future::join_all;
use sqlx::PgPool;

use crate::double::DoubleProcess;
use crate::pair::{Pair, Run, Setup};
use crate::people::{self, Person, SHAPES};
use crate::processes::{Usage, Watched};
use crate::replay::{Recorder, Script, Side};
use crate::report::{Table, per_second, say};

/// Options of `transfers`.
#[derive(Args)]
pub struct Transfers {
    /// How many people move, after a warm-up of a tenth.
    #[arg(long, default_value_t = 2000)]
    people: usize,
    /// How many transfers run at once; the services' own value if not given.
    #[arg(long)]
    concurrency: Option<usize>,
    /// What each call to a FHIR server waits, in milliseconds.
    #[arg(long, default_value_t = 5)]
    delay: u64,
}

/// What a service does if it is not told.
const OWN_CONCURRENCY: usize = 8;

impl Transfers {
    /// Measures and prints.
    pub async fn run(self) -> Result<()> {
        let run = std::process::id();
        let script = record(run).await?;
        let origin = DoubleProcess::start("FHIR double of ON", self.delay, 0).await?;
        let destination = DoubleProcess::start("FHIR double of BC", self.delay, 0).await?;
        let bases = (origin.base.as_str(), destination.base.as_str());
        let pair =
            Pair::start(Setup { origin: bases.0, destination: bases.1, concurrency: self.concurrency })
                .await?;
        let people: Vec<Person> = (0..self.people + self.people / 10).map(|n| Person::new(run, n)).collect();
        people::upload(&FhirServer::new(bases.0, FhirServerOptions::default())?, &people).await;
        let (warm_up, measured) = people.split_at(self.people / 10);
        pair.transfer(warm_up).await?;
        pair.analyze().await?;

        let mut watched = pair.processes();
        watched.extend([origin.watched(), destination.watched()]);
        watched.push(Watched {
            name: "this benchmark".to_owned(),
            pid: std::process::id(),
            with_children: false,
        });
        let before: Vec<Usage> = watched.iter().map(Watched::usage).collect();
        let run_of_pair = pair.transfer(measured).await?;
        let used: Vec<Usage> =
            watched.iter().zip(before).map(|(one, before)| since(one.usage(), before)).collect();

        let concurrency = self.concurrency.unwrap_or(OWN_CONCURRENCY);
        let others: Vec<(usize, Person)> =
            (0..self.people).map(|n| (n, Person::new(run ^ 0xffff, n))).collect();
        let twins: Vec<Person> = others.iter().map(|(_, person)| person.clone()).collect();
        people::upload(&FhirServer::new(bases.0, FhirServerOptions::default())?, &twins).await;
        let calls_only = script.run(bases, &others, concurrency).await?;
        let commits = run_of_pair.database.commits / i64::try_from(self.people)?;
        let commits_only = commits_alone(&pair, concurrency, u64::try_from(commits)?).await?;
        pair.stop().await;

        self.print(&run_of_pair, (calls_only, commits_only), &script, (&watched, &used));
        Ok(())
    }

    fn print(
        &self,
        run: &Run,
        (calls_only, commits_only): (Duration, f64),
        script: &Script,
        (watched, used): (&[Watched], &[Usage]),
    ) {
        let count = self.people;
        let concurrency =
            self.concurrency.map_or("8 (the services' own value)".to_owned(), |n| n.to_string());
        let rate = per_second(count, run.took);
        say(&format!(
            "\n### Transfers of one pair: {count} people, {} ms a FHIR call, {concurrency} at once\n",
            self.delay
        ));
        let mut table = Table::new(&["what", "transfers/s", "transfers take of it"]);
        let share = |floor: f64| format!("{:.0} %", rate / floor * 100.0);
        table.row(&["transfers, completed and closed".to_owned(), format!("{rate:.0}"), "-".to_owned()]);
        let calls = per_second(count, calls_only);
        table.row(&["the FHIR calls of a transfer alone".to_owned(), format!("{calls:.0}"), share(calls)]);
        table.row(&[
            "the commits of a transfer alone".to_owned(),
            format!("{commits_only:.0}"),
            share(commits_only),
        ]);
        table.print();
        let (at_origin, at_destination) = script.calls();
        let each = |total: i64| as_f64(total) / as_f64(i64::try_from(count).unwrap_or(1));
        say(&format!(
            "\nA transfer makes {at_origin:.1} FHIR calls at the origin and {at_destination:.1} at the destination, and \
             {:.1} commits with {:.2} flushes and {:.0} kB of log.\n",
            each(run.database.commits),
            each(run.database.flushes),
            each(run.database.log_bytes) / 1000.0,
        ));
        let mut table = Table::new(&["process", "CPU a transfer", "of 2 cores", "peak memory"]);
        for (one, used) in watched.iter().zip(used) {
            let cpu = used.cpu.as_secs_f64();
            table.row(&[
                one.name.clone(),
                format!("{:.2} ms", cpu * 1000.0 / as_f64(i64::try_from(count).unwrap_or(1))),
                format!("{:.0} %", cpu / run.took.as_secs_f64() / 2.0 * 100.0),
                format!("{} MB", used.peak_rss >> 20),
            ]);
        }
        table.print();
    }
}

/// Records the FHIR calls of one transfer for each shape, on doubles in this process.
pub async fn record(run: u32) -> Result<Script> {
    let recorder = Recorder::default();
    let (on, bc) = (FhirDouble::default(), FhirDouble::default());
    recorder.listen(&on, Side::Origin);
    recorder.listen(&bc, Side::Destination);
    let origin = DoubleServer::start(on, 0, Duration::ZERO).await?;
    let destination = DoubleServer::start(bc, 0, Duration::ZERO).await?;
    let setup = Setup { origin: origin.base(), destination: destination.base(), concurrency: Some(1) };
    let pair = Pair::start(setup).await?;
    let fhir = FhirServer::new(origin.base(), FhirServerOptions::default())?;
    let mut script = Script::default();
    for n in 0..SHAPES {
        let person = Person::new(run ^ 0x00ff_0000, n);
        people::upload(&fhir, std::slice::from_ref(&person)).await;
        recorder.take();
        pair.transfer(std::slice::from_ref(&person)).await?;
        script.keep(n, person, recorder.take());
    }
    pair.stop().await;
    Ok(script)
}

/// Commits one small row at a time, so many at once, for three seconds; returns how many transfers that would be.
async fn commits_alone(pair: &Pair, concurrency: usize, commits_per_transfer: u64) -> Result<f64> {
    let pool = pair.world().database("ON", local_stack::ProvinceService::Outbound).await;
    sqlx::query("-- benchmarks.floor_table\nCREATE TABLE floor (id uuid PRIMARY KEY, state text)")
        .execute(&pool)
        .await?;
    let begun = Instant::now();
    let loops = (0..concurrency).map(|_| commit_for(&pool, begun));
    let mut commits = 0;
    for done in join_all(loops).await {
        commits += done?;
    }
    let took = begun.elapsed();
    pool.close().await;
    Ok(per_second(usize::try_from(commits / commits_per_transfer.max(1))?, took))
}

async fn commit_for(pool: &PgPool, begun: Instant) -> Result<u64> {
    let mut connection = pool.acquire().await?;
    let mut commits = 0;
    while begun.elapsed() < Duration::from_secs(3) {
        sqlx::query("-- benchmarks.floor\nINSERT INTO floor (id, state) VALUES ($1, 'x')")
            .bind(uuid::Uuid::new_v4())
            .execute(&mut *connection)
            .await?;
        commits += 1;
    }
    Ok(commits)
}

fn since(now: Usage, before: Usage) -> Usage {
    Usage { cpu: now.cpu.saturating_sub(before.cpu), peak_rss: now.peak_rss }
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn as_f64(count: i64) -> f64 {
    count as f64
}
