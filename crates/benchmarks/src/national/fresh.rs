//! How long a change takes from the real FHIR server into the facts, with the pauses that a province has.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use local_stack::ProvinceService::Aggregator;
use serde_json::{Value, json};
use test_kit::{Person, eventually};

use super::{ON, alone};
use crate::latency::Latencies;
use crate::report::say;

/// So often a dose is written: no multiple of the pause between two cycles.
const EVERY: Duration = Duration::from_millis(2_300);
const LOOK: Duration = Duration::from_millis(100);
/// After that a change is taken for lost.
const PATIENCE: Duration = Duration::from_mins(5);

/// Measures and prints.
pub async fn run(changes: usize) -> Result<()> {
    let world = alone("fresh").await;
    let as_in_service = |config: &mut Value| {
        config["collect"] = json!({});
        config["release"] = json!({"every_hours": 0});
    };
    world.start(ON, Aggregator, "", &as_in_service, &[]).await;
    let (facts, fhir) = (world.database(ON, Aggregator).await, world.fhir(ON));
    eventually("the first load", async || {
        let whole = "-- benchmarks.whole\nSELECT count(*) = 2 FROM followed WHERE checked_at IS NOT NULL";
        sqlx::query_scalar::<_, bool>(whole).fetch_one(&facts).await.ok()?.then_some(())
    })
    .await;
    let (mut waiting, mut took) = (Vec::<(String, Instant)>::new(), Vec::new());
    let (mut written, mut due) = (0, Instant::now());
    while took.len() < changes {
        if written < changes && Instant::now() >= due {
            let person = Person::new().doses(1);
            person.upload(&fhir).await;
            waiting.push((person.resource_id(0), Instant::now()));
            written += 1;
            due += EVERY;
        }
        let ids: Vec<String> = waiting.iter().map(|(id, _)| id.clone()).collect();
        let there: Vec<String> = sqlx::query_scalar(
            "-- benchmarks.there
            SELECT id FROM fact WHERE place IS NOT NULL AND id = ANY($1)",
        )
        .bind(&ids)
        .fetch_all(&facts)
        .await?;
        waiting.retain(|(id, at)| {
            let is_there = there.contains(id);
            if is_there {
                took.push(at.elapsed());
            }
            !is_there
        });
        ensure!(waiting.iter().all(|(_, at)| at.elapsed() < PATIENCE), "a change is not in the facts");
        tokio::time::sleep(LOOK).await;
    }
    facts.close().await;
    world.terminate(ON, Aggregator).await;
    let took = Latencies::of(took);
    let [half, most, all] = [50, 95, 100].map(|percent| took.percent(percent).as_secs_f64());
    say(&format!(
        "\n### From the FHIR server into the facts, {changes} changes, one every {:.1} s\n\n\
        half within {half:.0} s, 95 % within {most:.0} s, all within {all:.0} s",
        EVERY.as_secs_f64()
    ));
    Ok(())
}
