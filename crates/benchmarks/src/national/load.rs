//! A province's first load, beside reading the same pages and throwing them away.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use chrono::{DateTime, SecondsFormat, Utc};
use fhir_client::feed::{self, PAGE};
use fhir_client::{FhirServer, FhirServerOptions};
use local_stack::ProvinceService::Aggregator;
use reqwest::header::{CACHE_CONTROL, CONTENT_TYPE};
use serde_json::Value;

use super::{ON, alone, follow};
use crate::double::DoubleProcess;
use crate::pair::stack_process;
use crate::processes::Watched;
use crate::report::{Table, per_second, say};

/// The pages of a server: type and beginning.
type Pages = Vec<(&'static str, DateTime<Utc>)>;

/// Measures and prints.
pub async fn run(base: &str, double: Option<&DoubleProcess>, rounds: usize) -> Result<()> {
    let columns = [
        "round",
        "what",
        "records/s",
        "of throwing away",
        "CPU a record: aggregator",
        "PostgreSQL",
        "FHIR server",
    ];
    let mut table = Table::new(&columns);
    for round in 1..=rounds {
        let fhir = FhirServer::new(base, FhirServerOptions::default())?;
        let doses = usize::try_from(fhir.count("Immunization", &[]).await?)?;
        let records = doses + usize::try_from(fhir.count("Patient", &[]).await?)?;
        let begun = Instant::now();
        let pages = read(&fhir).await?;
        let parsed = per_second(records, begun.elapsed());
        let begun = Instant::now();
        throw_away(base, &pages).await?;
        let thrown = per_second(records, begun.elapsed());
        let loaded = load(base, double, doses).await?;
        let rate = per_second(records, loaded.took);
        let share = |rate: f64| format!("{:.0} %", rate / thrown * 100.0);
        let micros = |cpu: Duration| {
            format!("{:.1} µs", cpu.as_secs_f64() * 1e6 / per_second(records, Duration::from_secs(1)))
        };
        let nothing = || String::from("-");
        let mut row = |what: &str, rate: f64, cpu: [String; 3]| {
            let mut cells = vec![round.to_string(), what.to_owned(), format!("{rate:.0}"), share(rate)];
            cells.extend(cpu);
            table.row(&cells);
        };
        row("read, thrown away", thrown, [nothing(), nothing(), nothing()]);
        row("read and parsed, thrown away", parsed, [nothing(), nothing(), nothing()]);
        let server = loaded.cpu[2].map_or_else(nothing, micros);
        let [own, store] = [0, 1].map(|at| loaded.cpu[at].map_or_else(nothing, micros));
        row("into the facts", rate, [own, store, server]);
        if round == rounds {
            table.print();
            say(&format!(
                "\n{records} records, {doses} of them doses; peak memory {} MB.",
                loaded.peak >> 20
            ));
        }
    }
    Ok(())
}

/// Reads all pages as the aggregator does, and returns which they are.
async fn read(fhir: &FhirServer) -> Result<Pages> {
    let until = fhir.server_time().await?;
    let mut pages = Pages::new();
    for resource_type in ["Patient", "Immunization"] {
        let mut from = DateTime::UNIX_EPOCH;
        loop {
            let page = fhir.changed(resource_type, from, until).await?;
            pages.push((resource_type, from));
            let newest =
                page.last().and_then(|last| last.pointer("/meta/lastUpdated")).and_then(Value::as_str);
            let Some(newest) = newest.filter(|_| page.len() == PAGE) else { break };
            let newest = DateTime::parse_from_rfc3339(newest)?.to_utc();
            from = if newest == from { feed::after(newest) } else { newest };
        }
    }
    Ok(pages)
}

/// Asks for the same pages again and looks at nothing.
async fn throw_away(base: &str, pages: &Pages) -> Result<()> {
    let http = reqwest::Client::builder().timeout(Duration::from_mins(1)).no_proxy().build()?;
    for (resource_type, from) in pages {
        let from = from.to_rfc3339_opts(SecondsFormat::Millis, true);
        let form = format!("_lastUpdated=ge{from}&_sort=_lastUpdated&_total=none&_count={PAGE}");
        let answer = http
            .post(format!("{base}/{resource_type}/_search"))
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(CACHE_CONTROL, format!("no-store, max-results={PAGE}"))
            .body(form)
            .send()
            .await?;
        ensure!(answer.status().is_success(), "a page was answered {}", answer.status());
        answer.bytes().await?;
    }
    Ok(())
}

struct Loaded {
    took: Duration,
    /// Of the aggregator, PostgreSQL, and the FHIR server.
    cpu: [Option<Duration>; 3],
    peak: u64,
}

/// Starts an aggregator on an empty database and waits until it has read everything.
async fn load(base: &str, double: Option<&DoubleProcess>, doses: usize) -> Result<Loaded> {
    let world = alone("load").await;
    let facts = world.database(ON, Aggregator).await;
    let others = [stack_process(&world, "postgres", "PostgreSQL"), double.map(DoubleProcess::watched)];
    let used = |all: &[Option<Watched>]| -> Vec<Option<Duration>> {
        all.iter().map(|one| one.as_ref().map(|one| one.usage().cpu)).collect()
    };
    let before = used(&others);
    let change = |config: &mut Value| follow(config, base);
    // It begins as soon as it has its right to, perhaps before it is ready.
    let measured = async {
        let mut begun = None;
        loop {
            let seen = "-- benchmarks.followed
                SELECT (SELECT count(*) FROM collector), (SELECT count(*) FROM followed)";
            if let Ok((held, followed)) = sqlx::query_as::<_, (i64, i64)>(seen).fetch_one(&facts).await {
                if held > 0 {
                    begun.get_or_insert_with(Instant::now);
                }
                if let (2, Some(begun)) = (followed, begun) {
                    return begun.elapsed();
                }
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let (took, ()) = tokio::join!(measured, world.start(ON, Aggregator, "", &change, &[]));
    let own = stack_process(&world, &format!("on-aggregator-{}", world.name()), "aggregator");
    let own = own.map(|own| own.usage());
    let since: Vec<Option<Duration>> = used(&others)
        .into_iter()
        .zip(before)
        .map(|(now, before)| Some(now?.saturating_sub(before?)))
        .collect();
    let there: i64 =
        sqlx::query_scalar("-- benchmarks.loaded\nSELECT count(*) FROM fact").fetch_one(&facts).await?;
    ensure!(there >= i64::try_from(doses)?, "{there} facts of {doses} doses");
    facts.close().await;
    world.terminate(ON, Aggregator).await;
    let cpu = [own.map(|own| own.cpu), since.first().copied().flatten(), since.get(1).copied().flatten()];
    Ok(Loaded { took, cpu, peak: own.map_or(0, |own| own.peak_rss) })
}
