//! `audit verify`: the trail against its chains, the chains against the log.

use std::fs::File;
use std::io::BufReader;

use anyhow::{Context, Result};
use audit::{Finding, Report};

use crate::api::read_secret;
use crate::arguments::Audit;
use crate::config::Config;
use crate::exit::Exit;
use crate::output::Output;
use crate::words::Word;

/// Runs the command.
pub async fn run(config: &Config, output: &Output, what: Audit) -> Result<Exit> {
    let Audit::Verify { database_url_file, log } = what;
    let file = database_url_file.as_deref().or(config.database_url_file.as_deref());
    let file =
        file.context("no database: give --database-url-file, or `database_url_file` in the configuration")?;
    let mut heads = Vec::new();
    for path in &log {
        let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
        heads.extend(audit::heads_from_log(BufReader::new(file))?);
    }
    let pool = audit::open(&read_secret(file)?).await.context("cannot connect to the database")?;
    let report = audit::verify(&pool, &heads).await.context("the trail cannot be read")?;
    pool.close().await;
    let exit = if report.is_good() { Exit::Fine } else { Exit::Error };
    if !output.json(&report)? {
        show(output, &report);
        if log.is_empty() {
            output.line(&format!("  {}", output.word(Word::NoHeads)));
        }
    }
    Ok(exit)
}

fn show(output: &Output, report: &Report) {
    let verdict = if report.is_good() { Word::TrailGood } else { Word::TrailBroken };
    output.line(&format!(
        "{}: {} {}, {} {}, {} {}",
        output.word(verdict),
        report.rows + report.young,
        output.word(Word::Rows),
        report.chains,
        output.word(Word::Chains),
        report.heads,
        output.word(Word::Heads),
    ));
    for finding in &report.findings {
        let (word, place) = match finding {
            Finding::Removed { chain, seq, event_id } => {
                (Word::Removed, format!("{chain} #{seq}, audit_event {event_id}"))
            }
            Finding::Altered { chain, seq, event_id } => {
                (Word::Altered, format!("{chain} #{seq}, audit_event {event_id}"))
            }
            Finding::Gap { chain, seq } => (Word::Gap, format!("{chain} #{seq}")),
            Finding::CutOff { chain, seq } => (Word::CutOff, format!("{chain} #{seq}")),
            Finding::Unlinked { event_id, writer } => {
                (Word::Unlinked, format!("audit_event {event_id}, {writer}"))
            }
        };
        output.line(&format!("  {}: {place}", output.word(word)));
    }
}
