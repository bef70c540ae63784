//! Who reads the newest release, at a fixed rate.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use local_stack::ProvinceService::Aggregator;
use reqwest::Method;
use reqwest::header::{ACCEPT_ENCODING, ETAG, IF_NONE_MATCH};
use serde_json::{Value, json};
use test_kit::eventually;

use super::release::{NOBODY, make};
use super::{ON, alone, follow};
use crate::latency::{Latencies, load};
use crate::report::{Table, say};

/// As a province of twenty thousand people: doses, and years with about a thousand cells each.
const FACTS: i64 = 250_000;
const YEARS: i32 = 6;
const A_SECOND: u32 = 200;
const SECONDS: u32 = 10;

/// Measures and prints; returns the release.
pub async fn run(rounds: usize) -> Result<Vec<u8>> {
    let world = alone("readers").await;
    world.start(ON, Aggregator, "", &|config: &mut Value| follow(config, NOBODY), &[]).await;
    let database = world.database(ON, Aggregator).await;
    make(&database, FACTS, YEARS).await?;
    database.close().await;
    let api = world.releases(ON);
    let published = api.call(Method::POST, "/releases").json(&json!({"reason": "benchmark"})).send().await?;
    ensure!(published.status().is_success(), "no release: {}", published.status());
    let token = world.token(ON, &["aggregate.read"]);
    // It leaves answers packed as they come.
    let http = reqwest::Client::builder().timeout(Duration::from_mins(1)).no_proxy().no_gzip().build()?;
    let url = format!("{}/aggregated-data", api.base());
    let get = || http.get(&url).bearer_auth(&token);
    let answer =
        eventually("the release to be served", async || get().send().await.ok()?.error_for_status().ok())
            .await;
    let etag = answer.headers().get(ETAG).context("a release without a tag")?.clone();
    let document = answer.bytes().await?.to_vec();
    say(&format!(
        "\n### GET /aggregated-data, {A_SECOND} requests/s for {SECONDS} s, release of {} kB\n",
        document.len() / 1000
    ));
    let mut table = Table::new(&["round", "what", "bytes sent", "50 %", "99 %", "all"]);
    for round in 1..=rounds {
        let packed = load(get().header(ACCEPT_ENCODING, "gzip"), A_SECOND, SECONDS, 200).await?;
        row(&mut table, round, "200, packed", &packed);
        let plain = load(get().header(ACCEPT_ENCODING, "identity"), A_SECOND, SECONDS, 200).await?;
        row(&mut table, round, "200, plain", &plain);
        let unchanged = load(get().header(IF_NONE_MATCH, etag.clone()), A_SECOND, SECONDS, 304).await?;
        row(&mut table, round, "304", &unchanged);
        let refused = load(http.get(&url), A_SECOND, SECONDS, 401).await?;
        row(&mut table, round, "401: nothing but the row of the audit trail", &refused);
    }
    table.print();
    world.terminate(ON, Aggregator).await;
    Ok(document)
}

fn row(table: &mut Table, round: usize, what: &str, seen: &Latencies) {
    let mut cells = vec![round.to_string(), what.to_owned(), seen.bytes.to_string()];
    cells.extend(seen.cells());
    table.row(&cells);
}
