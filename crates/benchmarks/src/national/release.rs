//! A release over millions of facts, and the next one.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use local_stack::ProvinceService::Aggregator;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;
use test_kit::{World, eventually};

use super::{ON, alone, follow};
use crate::pair::stack_process;
use crate::report::{Table, say};

/// Nobody listens there: the facts are as they were made.
pub const NOBODY: &str = "http://127.0.0.1:9/fhir";

/// Generics of the Catalogue.
const VACCINES: [&str; 12] = [
    "871831003",
    "1003499009",
    "1119349007",
    "1252708008",
    "1252709000",
    "20641000087100",
    "20861000087100",
    "23701000087103",
    "28441000087100",
    "28481000087105",
    "56011000087109",
    "61741000087109",
];

/// Measures and prints.
pub async fn run(facts: i64, rounds: usize) -> Result<()> {
    let mut table =
        Table::new(&["round", "release", "seconds", "reading", "protecting", "writing", "peak memory"]);
    let mut sizes = (0, 0);
    for round in 1..=rounds {
        let world = alone("release").await;
        world.start(ON, Aggregator, "", &|config: &mut Value| follow(config, NOBODY), &[]).await;
        let database = world.database(ON, Aggregator).await;
        if round == 1 {
            say(&format!("\n### A release over {facts} facts\n"));
        }
        make(&database, facts, 27).await?;
        publish(&world, round, "the first", &mut table).await?;
        // Two in a hundred have changed: half are new, half in another place.
        sqlx::query(
            "-- benchmarks.change
            UPDATE fact SET place = 1 + place % (SELECT count(*) FROM place) WHERE hashtext(id) % 100 = 0",
        )
        .execute(&database)
        .await?;
        publish(&world, round, "the next, a hundredth of the facts changed", &mut table).await?;
        sizes = sqlx::query_as::<_, (i64, i64)>(
            "-- benchmarks.sizes
            SELECT (SELECT count(DISTINCT place) FROM fact), (SELECT octet_length(document)::bigint FROM release WHERE id = 1)",
        )
        .fetch_one(&database)
        .await?;
        database.close().await;
        world.terminate(ON, Aggregator).await;
        world.stack().postgres().drop_database(&format!("on_ag_{}", world.name())).await?;
    }
    table.print();
    say(&format!("\n{} cells; the document has {} kB.", sizes.0, sizes.1 / 1000));
    Ok(())
}

/// Makes facts of persons with ten doses each, in cells of so many years; a few cells have most of them.
pub async fn make(database: &PgPool, facts: i64, years: i32) -> Result<()> {
    // Before it has put its rules down, the aggregator would begin anew over whatever is there.
    eventually("the aggregator to follow its server, which never answers", async || {
        let rules = "-- benchmarks.rules\nSELECT rules IS NOT NULL FROM collector";
        sqlx::query_scalar::<_, bool>(rules).fetch_optional(database).await.ok()??.then_some(())
    })
    .await;
    let mut connection = database.acquire().await?;
    let vaccines = VACCINES.map(str::to_owned).to_vec();
    sqlx::query(
        "-- benchmarks.places
        INSERT INTO place (year, age, sex, vaccine, dose)
        SELECT year, age, sex, vaccine, dose FROM generate_series(2027 - $2, 2026) year, unnest($1::text[]) vaccine,
            unnest(ARRAY['Female', 'Male']) sex, unnest(ARRAY['1', '2', '3', '4', 'Unknown']) dose,
            unnest(ARRAY['Under 1 year', '1 year', '2–6 years', '7–11 years', '12–16 years', '17–29 years',
                '30–49 years', '50–64 years', '65–79 years', '80 years and over']) age",
    )
    .bind(&vaccines)
    .bind(years)
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "-- benchmarks.facts
        INSERT INTO fact (id, patient_id, occurrence, vaccine, dose, place, person, version, last_updated)
        SELECT 'imm-' || n, 'pat-' || n / 10, '2020-05-06', '871831003', '1',
            1 + floor(power(abs(hashtext('place' || n) / 2147483648.0), 3) * (SELECT count(*) FROM place))::integer,
            hashtextextended('person' || n / 10, 0), 1, now() FROM generate_series(1, $1) n",
    )
    .bind(facts)
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "-- benchmarks.followed_all
        INSERT INTO followed (resource_type, until, checked_at) SELECT kind, now(), now() FROM unnest(ARRAY['Patient', 'Immunization']) kind",
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query("-- benchmarks.analyze\nVACUUM ANALYZE fact").execute(&mut *connection).await?;
    Ok(())
}

async fn publish(world: &World, round: usize, which: &str, table: &mut Table) -> Result<()> {
    let before = steps(world).await;
    let begun = Instant::now();
    let body = json!({"reason": "benchmark"});
    let call = world.releases(ON).call(Method::POST, "/releases").timeout(Duration::from_mins(5));
    let answer = call.json(&body).send().await?;
    let took = begun.elapsed();
    ensure!(answer.status().is_success(), "{}", answer.text().await.unwrap_or_default());
    let own = stack_process(world, &format!("on-aggregator-{}", world.name()), "aggregator");
    let peak = own.context("no aggregator")?.usage().peak_rss;
    let mut cells = vec![round.to_string(), which.to_owned(), format!("{:.1}", took.as_secs_f64())];
    cells.extend(steps(world).await.iter().zip(before).map(|(now, before)| format!("{:.1}", now - before)));
    cells.push(format!("{} MB", peak >> 20));
    table.row(&cells);
    Ok(())
}

/// Returns the seconds that went into each step so far.
async fn steps(world: &World) -> [f64; 3] {
    let metrics = world.metrics(ON, Aggregator).await;
    ["read", "protect", "write"].map(|step| {
        let name = format!("release_step_seconds_sum{{step=\"{step}\"}} ");
        let found = metrics.lines().find_map(|line| line.strip_prefix(&name)?.parse().ok());
        found.unwrap_or_default()
    })
}
