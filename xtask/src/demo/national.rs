//! The demo's national table: two provinces publish, the federator puts them side by side, one goes missing, ten people
//! move, and no number changes.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use contracts::federated::{NationalTable, SourceStatus};
use contracts::release::{Column, Margin, PublishRequest, ReleaseDocument, ReleaseHead};
use local_stack::{
    ProvinceService, ServiceProcess, federator_url, releases_url, start_dashboard, start_federator,
    start_service, token_issuer,
};
use reqwest::{Client, Response};

use super::{FROM, TO, World, people};
use crate::say;

/// How long anything may take before the demo gives up.
const PATIENCE: Duration = Duration::from_mins(3);
/// How many people move.
const MOVERS: usize = 10;

/// Tells this part of the story; each province gets so many people more.
pub async fn tell(world: &World, residents: usize) -> Result<()> {
    let client = Client::builder().timeout(Duration::from_mins(1)).build()?;
    let national = Publication { world, client };
    start_federator(&world.stack, &world.binaries).await?;
    let seed = world.next_seed()?;
    for (province, fhir) in [(FROM, &world.from_url), (TO, &world.stack.fhir_url(TO)?)] {
        world.synthesizer.upload_to(province, residents, seed, fhir)?;
    }
    national.collected().await?;
    let releases = national.publish("demo").await?;
    let table = national.table(releases, [SourceStatus::Ok, SourceStatus::Ok]).await?;
    print(&table);

    say(&format!("\n   {TO}'s aggregator stops; its last release stays, and that is said:"));
    let name = format!("{}-aggregator", TO.to_lowercase());
    let aggregator = ServiceProcess::find(world.stack.layout(), &name).context("no aggregator runs")?;
    aggregator.terminate(Duration::from_secs(30)).await?;
    let partial = national.table(releases, [SourceStatus::Ok, SourceStatus::Stale]).await?;
    for line in &partial.errors {
        say(&format!("     {line}"));
    }
    start_service(&world.stack, TO, ProvinceService::Aggregator, &world.binaries).await?.leave_running();

    say(&format!("\n   {MOVERS} people who are counted in {FROM} move to {TO}; both publish again:"));
    let mut movers = people::active(&world.from_fhir, FROM).await?;
    movers.retain(|person| person.origin.jurisdiction.as_str() == FROM);
    movers.truncate(MOVERS);
    let wave = world.out.request_all(&movers, TO).await?;
    world.out.follow(&wave).await?;
    national.collected().await?;
    let releases = national.publish("after the move").await?;
    let after = national.table(releases, [SourceStatus::Ok, SourceStatus::Ok]).await?;
    let is_unchanged = after.data == table.data && after.margins == table.margins;
    ensure!(is_unchanged, "a move has changed the national table");
    say("   every number of the national table is as it was: a dose counts where it was given");
    let dashboard = start_dashboard(&world.stack, &crate::repository().join("dashboard")).await?;
    say(&format!("   the dashboard on it: {dashboard}"));
    Ok(())
}

struct Publication<'a> {
    world: &'a World,
    client: Client,
}

impl Publication<'_> {
    /// Waits until both aggregators have read all that is on their servers now.
    async fn collected(&self) -> Result<()> {
        let begun = Instant::now();
        for (province, fhir) in [(FROM, &self.world.from_fhir), (TO, &self.world.to_fhir)] {
            let now = fhir.server_time().await?.timestamp();
            let now = i32::try_from(now).map_or(f64::INFINITY, f64::from);
            let port =
                self.world.stack.layout().port(&format!("{}/aggregator/admin", province.to_lowercase()))?;
            loop {
                let metrics = self.client.get(format!("http://127.0.0.1:{port}/metrics")).send().await?;
                let metrics = checked(metrics).await?.text().await?;
                let value = metrics.lines().find_map(|line| line.strip_prefix("facts_until_seconds "));
                if value.and_then(|value| value.parse::<f64>().ok()).is_some_and(|until| until > now) {
                    break;
                }
                ensure!(begun.elapsed() < PATIENCE, "{province}'s aggregator does not follow its server");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
        say(&format!(
            "   both aggregators have counted what is there ({:.0} s)",
            begun.elapsed().as_secs_f64()
        ));
        Ok(())
    }

    /// Publishes a release of each province, describes them, and returns their numbers.
    async fn publish(&self, reason: &str) -> Result<[u64; 2]> {
        let mut ids = [0; 2];
        for (province, id) in [FROM, TO].iter().zip(&mut ids) {
            let base = releases_url(self.world.stack.layout(), province)?;
            let issuer = token_issuer(self.world.stack.layout(), province)?;
            let token =
                issuer.mint("demo", &["aggregate.read", "aggregate.operate"], Duration::from_mins(5))?;
            let request = PublishRequest { reason: reason.to_owned(), new_series: false };
            let publish = self.client.post(format!("{base}/releases")).bearer_auth(&token).json(&request);
            let head: ReleaseHead = checked(publish.send().await?).await?.json().await?;
            let release = self.client.get(format!("{base}/releases/{}", head.id)).bearer_auth(&token);
            let release: ReleaseDocument = checked(release.send().await?).await?.json().await?;
            say(&format!("   {}", described(&release)));
            *id = head.id;
        }
        Ok(ids)
    }

    /// Returns the national table once it has these releases of Ontario and British Columbia, and they stand like this.
    async fn table(&self, releases: [u64; 2], wanted: [SourceStatus; 2]) -> Result<NationalTable> {
        let layout = self.world.stack.layout();
        let issuer = token_issuer(layout, "PHAC")?;
        let token = issuer.mint("demo", &["aggregate.read"], Duration::from_mins(5))?;
        let url = format!("{}/aggregated-data", federator_url(layout)?);
        let begun = Instant::now();
        loop {
            let answer = self.client.get(&url).bearer_auth(&token).send().await?;
            if answer.status().is_success() {
                let table: NationalTable = answer.json().await?;
                let is_shown = |province: &str, release: u64, wanted: SourceStatus| {
                    let mut sources = table.sources.iter();
                    let source = sources.find(|one| one.jurisdiction.as_str() == province);
                    source.is_some_and(|source| source.status == wanted && source.release_id == Some(release))
                };
                if is_shown(FROM, releases[0], wanted[0]) && is_shown(TO, releases[1], wanted[1]) {
                    return Ok(table);
                }
            }
            ensure!(begun.elapsed() < PATIENCE, "the federator does not show the releases");
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }
}

fn described(release: &ReleaseDocument) -> String {
    let header = &release.release;
    let hidden = release.data.iter().filter(|row| row.suppressed).count();
    let shown: u64 = release.data.iter().filter_map(|row| row.count).sum();
    let total = header.total.map_or_else(|| "x".to_owned(), |total| total.to_string());
    format!(
        "{} release {}: {total} doses in {} cells; {hidden} cells hidden, {shown} doses in the shown ones; {} wait",
        header.jurisdiction,
        header.id,
        release.data.len(),
        header.waiting.count.map_or_else(|| "x".to_owned(), |count| count.to_string())
    )
}

/// Prints doses by vaccine and province; what is hidden is an x.
fn print(table: &NationalTable) {
    say(&format!(
        "\n   doses by vaccine, as released    {FROM:>10}{TO:>10}      (x: hidden to protect people)"
    ));
    let is_by_vaccine =
        |margin: &&Margin| {
            margin.by.iter().all(|column| {
                matches!(column, Column::Jurisdiction | Column::VaccineType | Column::VaccineCode)
            }) && margin.by.contains(&Column::VaccineCode)
        };
    let Some(margin) = table.margins.iter().find(is_by_vaccine) else { return };
    let mut vaccines: Vec<(String, Option<String>)> = margin
        .rows
        .iter()
        .filter_map(|row| Some((row.vaccine_type.clone()?, row.vaccine_code.clone()?)))
        .collect();
    vaccines.sort_unstable();
    vaccines.dedup();
    let number = |province: &str, vaccine: &(String, Option<String>)| {
        let row = margin.rows.iter().find(|row| {
            row.jurisdiction.as_ref().is_some_and(|code| code.as_str() == province)
                && row.vaccine_code.as_ref() == Some(&vaccine.1)
        });
        row.map_or_else(|| "0".to_owned(), |row| row.count.map_or_else(|| "x".to_owned(), |n| n.to_string()))
    };
    for vaccine in &vaccines {
        let code = vaccine.1.as_deref().unwrap_or_default();
        let name = format!("{} ({code})", vaccine.0);
        say(&format!("     {name:<32}{:>10}{:>10}", number(FROM, vaccine), number(TO, vaccine)));
    }
}

async fn checked(answer: Response) -> Result<Response> {
    let status = answer.status();
    if status.is_success() {
        return Ok(answer);
    }
    let url = answer.url().clone();
    anyhow::bail!("{url} answered {status}: {}", answer.text().await.unwrap_or_default())
}
