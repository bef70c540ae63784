//! The national table from what is known of each province: pure, what is missing said aloud.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use contracts::dictionary::{Dictionary, Term, UNMAPPED, age_terms};
use contracts::federated::{Source, SourceStatus};
use contracts::release::{Column, Margin, MarginRow, ReleaseDocument, Row};
use contracts::{Problem, ProblemCode};
use fhir::terminology::{SNOMED, vaccine};
use peers::{JurisdictionEntry, JurisdictionState, Role};
use serde::Serialize;

use crate::fan_out::{Held, Holdings};

/// A [`contracts::federated::NationalTable`] whose rows are borrowed: written at once, never copied.
#[derive(Debug, Serialize)]
pub struct Table<'a> {
    /// The rows of all sources that have data.
    pub data: Vec<&'a Row>,
    /// One line for each source that is not `ok`.
    pub errors: Vec<String>,
    /// Every province of the directory.
    pub sources: Vec<Source>,
    /// The margins of all sources that have data.
    pub margins: Vec<Margin>,
    /// Names of the values.
    pub dictionary: Dictionary,
}

/// Puts the provinces of the directory side by side. Data of whoever is suspended, or not in the directory, is left out.
pub fn merge<'a>(
    directory: &[Arc<JurisdictionEntry>],
    held: &'a Holdings,
    now: DateTime<Utc>,
    stale_after: TimeDelta,
) -> Table<'a> {
    let provinces: Vec<&JurisdictionEntry> =
        directory.iter().map(Arc::as_ref).filter(|entry| entry.role == Role::Pt).collect();
    let mut table = Table {
        data: Vec::new(),
        errors: Vec::new(),
        sources: Vec::new(),
        margins: Vec::new(),
        dictionary: Dictionary::default(),
    };
    let mut releases: Vec<&ReleaseDocument> = Vec::new();
    for entry in &provinces {
        let (source, release) = source(entry, held.get(&entry.code), now, stale_after);
        table.errors.extend(line(entry, &source));
        table.sources.push(source);
        releases.extend(release);
    }
    table.data = releases.iter().flat_map(|release| &release.data).collect();
    table.margins = margins(&releases);
    table.dictionary = dictionary(&provinces, &releases);
    table
}

/// Says how it stands with a province, and gives its data if it counts.
fn source<'a>(
    entry: &JurisdictionEntry,
    held: Option<&'a Held>,
    now: DateTime<Utc>,
    stale_after: TimeDelta,
) -> (Source, Option<&'a ReleaseDocument>) {
    let is_active = entry.state == JurisdictionState::Active;
    let document = held.and_then(|held| held.release.as_deref()).filter(|_| is_active);
    let release = document.map(|document| &document.release);
    let problem = if is_active {
        let asked = match held {
            Some(held) => held.problem.clone(),
            None => Some(Problem::new(ProblemCode::PeerUnreachable).detail("it has not been asked yet")),
        };
        asked.or_else(|| {
            release.filter(|release| now - release.as_of > stale_after).map(|_| outdated(stale_after))
        })
    } else {
        Some(Problem::new(ProblemCode::SourceSuspended).detail("the directory has it suspended"))
    };
    let is_refused = problem.as_ref().and_then(Problem::known_code) == Some(ProblemCode::ReleaseInvalid);
    let status = match (is_active, release, &problem) {
        (false, ..) => SourceStatus::Suspended,
        (true, Some(_), None) => SourceStatus::Ok,
        (true, Some(_), Some(_)) => SourceStatus::Stale,
        (true, None, _) if is_refused => SourceStatus::Invalid,
        (true, None, _) => SourceStatus::Unavailable,
    };
    let source = Source {
        jurisdiction: entry.code.clone(),
        status,
        as_of: release.map(|release| release.as_of),
        published_at: release.map(|release| release.published_at),
        age_seconds: release.map(|release| u64::try_from((now - release.as_of).num_seconds()).unwrap_or(0)),
        release_id: release.map(|release| release.id),
        threshold: release.map(|release| release.policy.threshold),
        problem,
    };
    (source, document)
}

fn outdated(stale_after: TimeDelta) -> Problem {
    let hours = stale_after.num_hours();
    Problem::new(ProblemCode::ReleaseOutdated)
        .detail(format!("its current release counts records of more than {hours} hours ago"))
}

/// One readable line for a source that is not `ok`.
fn line(entry: &JurisdictionEntry, source: &Source) -> Option<String> {
    let (name, code) = (&entry.name.en, &entry.code);
    let problem = source.problem.as_ref()?;
    let why = problem.detail.as_deref().unwrap_or(&problem.title);
    let consequence = match (source.status, source.release_id, source.as_of) {
        (SourceStatus::Stale, Some(id), Some(as_of)) => {
            format!("release {id} with records as of {} is shown", as_of.format("%Y-%m-%d"))
        }
        _ => "the table is without its data".to_owned(),
    };
    let (status, word) = (source.status.as_str(), &problem.code);
    Some(format!("{code} ({name}) is {status}: {why}; {consequence} [{word}]"))
}

/// Puts each province's margins side by side, with its total. Nothing is summed over provinces.
fn margins(releases: &[&ReleaseDocument]) -> Vec<Margin> {
    let mut tables: BTreeMap<Vec<Column>, Vec<MarginRow>> = BTreeMap::new();
    for document in releases {
        let jurisdiction = Some(document.release.jurisdiction.clone());
        let total = MarginRow::default().counting(document.release.total);
        let total = Margin { by: Vec::new(), rows: vec![total] };
        for margin in [&total].into_iter().chain(&document.margins) {
            let by = [Column::Jurisdiction].into_iter().chain(margin.by.iter().copied()).collect();
            let rows =
                margin.rows.iter().map(|row| MarginRow { jurisdiction: jurisdiction.clone(), ..row.clone() });
            tables.entry(by).or_default().extend(rows);
        }
    }
    tables.into_iter().map(|(by, rows)| Margin { by, rows }).collect()
}

/// Names the values: vaccines by our own catalogue, and where it does not know one by the first province that does.
fn dictionary(provinces: &[&JurisdictionEntry], releases: &[&ReleaseDocument]) -> Dictionary {
    let rows = || releases.iter().flat_map(|release| &release.data);
    let codes: BTreeSet<&str> = rows().filter_map(|row| row.vaccine_code.as_deref()).collect();
    let named = |code: &str| {
        let said = releases.iter().filter_map(|release| release.release.dictionary.as_ref());
        said.flat_map(|dictionary| &dictionary.vaccines).find(|term| term.code == code).cloned()
    };
    let own = |code: &str| {
        let known = vaccine(SNOMED, code)?;
        Some(Term { code: code.to_owned(), en: known.en.to_owned(), fr: known.fr.to_owned() })
    };
    let mut vaccines: Vec<Term> =
        codes.into_iter().filter_map(|code| own(code).or_else(|| named(code))).collect();
    if rows().any(|row| row.vaccine_code.is_none()) {
        vaccines.push(Term {
            code: UNMAPPED.to_owned(),
            en: "Vaccine that the catalogue does not map".to_owned(),
            fr: "Vaccin absent du catalogue".to_owned(),
        });
    }
    let jurisdictions = provinces.iter().map(|entry| Term {
        code: entry.code.to_string(),
        en: entry.name.en.clone(),
        fr: entry.name.fr.clone(),
    });
    Dictionary { age_groups: age_terms(), vaccines, jurisdictions: jurisdictions.collect() }
}

#[cfg(test)]
mod tests;
