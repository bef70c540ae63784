//! `release`: a province's protected tables, as its aggregator has published them.

use std::io::BufRead as _;
use std::time::Duration;

use anyhow::Result;
use contracts::release::{PublishRequest, ReleaseDocument, ReleaseHead, ReleaseList};
use reqwest::Method;

use crate::api::{Api, answer};
use crate::arguments::{Publish, Release};
use crate::config::Config;
use crate::exit::Exit;
use crate::output::{Output, ago, now};
use crate::words::{Word, is_yes};

mod diff;
mod labels;
mod show;

/// A release of a large province is counted and protected while the caller waits.
const PUBLISHING: Duration = Duration::from_mins(10);

/// Runs the command.
pub async fn run(config: &Config, output: &Output, what: Release) -> Result<Exit> {
    let api = Api::aggregator(config)?;
    match what {
        Release::List { limit } => {
            let mut releases = api.get::<ReleaseList>("/releases", &[]).await?.releases;
            releases.truncate(limit);
            list(output, &releases)
        }
        Release::Show { id } => show::run(output, &read(&api, id).await?),
        Release::Publish(publish) => say(&api, output, &publish).await,
        Release::Diff { from, to } => {
            diff::run(output, &read(&api, Some(from)).await?, &read(&api, Some(to)).await?)
        }
    }
}

/// Reads a release, the newest where no number is given.
async fn read(api: &Api, id: Option<u64>) -> Result<ReleaseDocument> {
    let path = id.map_or_else(|| "/aggregated-data".to_owned(), |id| format!("/releases/{id}"));
    api.get(&path, &[]).await
}

async fn say(api: &Api, output: &Output, publish: &Publish) -> Result<Exit> {
    if publish.new_series && !publish.yes && !is_meant(output)? {
        output.complain(&anyhow::anyhow!(output.word(Word::NothingPublished)));
        return Ok(Exit::Error);
    }
    let body = PublishRequest { reason: publish.reason.clone(), new_series: publish.new_series };
    let call = api.call(Method::POST, "/releases").timeout(PUBLISHING).json(&body);
    list(output, &[answer::<ReleaseHead>(call).await?])
}

/// Asks; silence is no.
fn is_meant(output: &Output) -> Result<bool> {
    output.ask(Word::NewSeriesAsk);
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    Ok(is_yes(&line))
}

fn list(output: &Output, releases: &[ReleaseHead]) -> Result<Exit> {
    if output.list(releases)? {
        return Ok(Exit::Fine);
    }
    if releases.is_empty() {
        output.line(output.word(Word::NoReleases));
        return Ok(Exit::Fine);
    }
    let rows: Vec<_> = releases
        .iter()
        .map(|one| {
            vec![
                one.id.to_string(),
                one.series.to_string(),
                ago(one.as_of, now()),
                ago(one.published_at, now()),
                one.published_by.clone(),
            ]
        })
        .collect();
    output.table(&[Word::Release, Word::Series, Word::AsOf, Word::Published, Word::PublishedBy], &rows);
    Ok(Exit::Fine)
}
