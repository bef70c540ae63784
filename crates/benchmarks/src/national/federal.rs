//! A federator of thirteen provinces, one of which hangs.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, ensure};
use contracts::federated::SourceStatus;
use contracts::release::ReleaseDocument;
use domain::Jurisdiction;
use reqwest::header::ACCEPT_ENCODING;
use serde_json::{Value, json};
use test_kit::aggregators::Aggregators;
use test_kit::federal::Federator;
use test_kit::{World, eventually};

use crate::latency::load;
use crate::report::{Table, say};

const CODES: [&str; 13] = ["AB", "BC", "MB", "NB", "NL", "NS", "NT", "NU", "ON", "PE", "QC", "SK", "YT"];
const A_SECOND: u32 = 50;
const SECONDS: u32 = 10;

/// Measures and prints.
pub async fn run(release: &[u8], rounds: usize) -> Result<()> {
    let world = World::prepared("federal", &[]).await;
    let mut releases = BTreeMap::new();
    for code in CODES {
        releases.insert(code.to_owned(), relabelled(release, code)?);
    }
    let folder = world.directory().with_extension("certificates");
    std::fs::create_dir_all(&folder)?;
    let provinces = Aggregators::start(world.stack(), &folder, releases).await;
    let directory = world.directory().with_extension("federal.yaml");
    std::fs::write(&directory, provinces.directory().to_string())?;
    let change = |config: &mut Value| {
        config["sources"]["refresh_seconds"] = json!(5);
        // How often one reader may ask is not what is measured.
        config["readers"]["requests_per_minute"] = json!(1_000_000);
    };
    let federator = Federator::start(world.stack(), world.name(), &directory, &change).await;
    let ok = CODES.map(|code| format!("{code}=ok")).join(", ");
    let whole = federator.until(&ok).await;

    // It leaves answers packed as they come.
    let http = reqwest::Client::builder().timeout(Duration::from_mins(1)).no_proxy().no_gzip().build()?;
    let get = || federator.get_by(&http, "/aggregated-data").header(ACCEPT_ENCODING, "gzip");
    let mut table = Table::new(&["round", "what", "bytes sent", "50 %", "99 %", "all"]);
    let mut measure = async |round: usize, what: &str| -> Result<()> {
        let seen = load(get(), A_SECOND, SECONDS, 200).await?;
        let mut cells = vec![round.to_string(), what.to_owned(), seen.bytes.to_string()];
        cells.extend(seen.cells());
        table.row(&cells);
        Ok(())
    };
    for round in 1..=rounds {
        measure(round, "thirteen answer").await?;
    }
    provinces.hang("NU");
    let partial = eventually("the last good release", async || {
        let table = federator.table().await;
        let is_stale = |code: &str| {
            table
                .sources
                .iter()
                .any(|one| one.jurisdiction.as_str() == code && one.status == SourceStatus::Stale)
        };
        is_stale("NU").then_some(table)
    })
    .await;
    ensure!(partial.data.len() == whole.data.len(), "the last good release is not in the table");
    for round in 1..=rounds {
        measure(round, "twelve answer, one hangs").await?;
    }
    say(&format!("\n### The federator, {A_SECOND} requests/s for {SECONDS} s, {} rows\n", whole.data.len()));
    table.print();
    say(&format!("\nOf the one that hangs it says: {}", partial.errors.join("; ")));
    std::fs::remove_dir_all(folder)?;
    Ok(())
}

/// Makes a release another province's.
fn relabelled(release: &[u8], code: &str) -> Result<Vec<u8>> {
    let mut document: ReleaseDocument = serde_json::from_slice(release)?;
    let code = Jurisdiction::parse(code)?;
    document.release.jurisdiction = code.clone();
    for row in &mut document.data {
        row.jurisdiction = code.clone();
    }
    Ok(document.sealed().to_bytes())
}
