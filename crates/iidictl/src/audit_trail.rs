//! `audit verify`: the trail against its chains, the chains against the heads that were told of.

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
    let Audit::Verify { database_url_file, log, head } = what;
    let file = database_url_file.as_deref().or(config.database_url_file.as_deref());
    let file =
        file.context("no database: give --database-url-file, or `database_url_file` in the configuration")?;
    let is_told_nothing = log.is_empty() && head.is_empty();
    let mut heads = head;
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
        if is_told_nothing {
            output.line(&format!("  {}", output.word(Word::NoHeads)));
        }
    }
    Ok(exit)
}

fn show(output: &Output, report: &Report) {
    let verdict = if report.is_good() { Word::TrailGood } else { Word::TrailBroken };
    let counted = format!(
        "{} {}, {} {}, {} {}",
        report.rows + report.young,
        output.word(Word::Rows),
        report.chains,
        output.word(Word::Chains),
        report.heads,
        output.word(Word::Heads),
    );
    output.line(&output.of(output.word(verdict), &counted));
    for finding in &report.findings {
        let (word, place) = named(output, finding);
        output.line(&format!("  {}", output.of(output.word(word), &place)));
    }
    if !report.ends.is_empty() {
        output.line(&format!("  {}", output.of(output.word(Word::HeadsToKeep), "").trim_end()));
        for head in &report.ends {
            output.line(&format!("    {head}"));
        }
    }
}

/// Returns what was found, and where.
fn named(output: &Output, finding: &Finding) -> (Word, String) {
    let row = |chain: &str, seq: i64, event_id: i64| format!("{chain} #{seq}, audit_event {event_id}");
    let told = |by: &Option<String>| {
        format!("{} {}", output.word(Word::ToldBy), by.as_deref().unwrap_or(output.word(Word::ToldOutside)))
    };
    match finding {
        Finding::Removed { chain, seq, event_id } => (Word::Removed, row(chain, *seq, *event_id)),
        Finding::Altered { chain, seq, event_id } => (Word::Altered, row(chain, *seq, *event_id)),
        Finding::Moved { chain, seq, event_id, from_chain, from_seq } => {
            (Word::Moved, format!("{} ← {from_chain} #{from_seq}", row(chain, *seq, *event_id)))
        }
        Finding::Gap { chain, seq } => (Word::Gap, format!("{chain} #{seq}")),
        Finding::CutOff { chain, seq, told_by } => {
            (Word::CutOff, format!("{chain} #{seq}, {}", told(told_by)))
        }
        Finding::Rewritten { chain, after, seq, told_by } => {
            let from = after.map_or(0, |after| after + 1);
            (Word::Rewritten, format!("{chain} #{from}–{seq}, {}", told(told_by)))
        }
        Finding::Unlinked { event_id, writer } => {
            (Word::Unlinked, format!("audit_event {event_id}, {writer}"))
        }
    }
}
