//! `release show`: what a release is, and how much of it is hidden.

use anyhow::Result;
use contracts::release::{ReleaseDocument, check_release};

use super::labels;
use crate::exit::Exit;
use crate::output::{Output, ago, now};
use crate::words::Word;

/// Shows a release; one that breaks its contract is told, and is an error.
pub fn run(output: &Output, document: &ReleaseDocument) -> Result<Exit> {
    let fault = check_release(document, &document.release.jurisdiction).err();
    if !output.json(document)? {
        show(output, document);
    }
    let Some(fault) = fault else { return Ok(Exit::Fine) };
    output.complain(&anyhow::Error::new(fault).context(output.word(Word::ContractBroken)));
    Ok(Exit::Error)
}

fn show(output: &Output, document: &ReleaseDocument) {
    let release = &document.release;
    let excluded: Vec<_> = release
        .excluded
        .iter()
        .map(|excluded| format!("{} {}", excluded.reason, labels::number(excluded.count)))
        .collect();
    let hidden = document.data.iter().filter(|row| row.suppressed).count();
    let facts = [
        (Word::Release, release.id.to_string()),
        (Word::Series, release.series.to_string()),
        (Word::Jurisdiction, release.jurisdiction.to_string()),
        (Word::AsOf, ago(release.as_of, now())),
        (Word::Published, ago(release.published_at, now())),
        (Word::Threshold, release.policy.threshold.to_string()),
        (Word::Total, labels::number(release.total)),
        (Word::ChangesWaiting, labels::number(release.waiting.count)),
        (Word::Excluded, if excluded.is_empty() { "-".to_owned() } else { excluded.join(", ") }),
        (Word::Cells, format!("{} ({} {})", document.data.len(), hidden, output.word(Word::Hidden))),
        (Word::Checksum, release.checksum.clone()),
    ];
    for line in pairs(output, &facts) {
        output.line(&line);
    }
    output.line("");
    let rows: Vec<_> = document
        .margins
        .iter()
        .map(|margin| {
            let hidden = margin.rows.iter().filter(|row| row.suppressed).count();
            vec![labels::columns(output, &margin.by), margin.rows.len().to_string(), hidden.to_string()]
        })
        .collect();
    output.table(&[Word::Margin, Word::Sums, Word::HiddenHead], &rows);
    output.line("");
    output.line(output.word(Word::Suppressed));
}

/// Lines of a name and what it is, aligned.
fn pairs(output: &Output, facts: &[(Word, String)]) -> Vec<String> {
    let names: Vec<String> = facts.iter().map(|(word, _)| output.word(*word).to_lowercase()).collect();
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or_default();
    names.iter().zip(facts).map(|(name, (_, what))| format!("{name:<width$}  {what}")).collect()
}
