//! What every release must be, checked by whoever takes it over.

use std::collections::{BTreeMap, BTreeSet};

use chrono::Datelike;
use domain::Jurisdiction;

use super::{AGE_BASIS, CONTRACT_VERSION, Column, Margin, MarginRow, ReleaseDocument, Row};
use crate::dictionary::{MIXED, SEXES, Term, UNKNOWN, UNMAPPED, age_terms};

/// Why a release is not taken over. Says where, never a value of an unagreed kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Another province's release.
    #[error("the release is of another jurisdiction")]
    Jurisdiction,
    /// Counted by rules that this version does not know.
    #[error("contract version or age basis is not {CONTRACT_VERSION} and {AGE_BASIS}")]
    Version,
    /// A threshold that the federal contract does not allow.
    #[error("the threshold is not between 3 and 20")]
    Threshold,
    /// The bytes are not those that were published.
    #[error("the checksum is wrong")]
    Checksum,
    /// A value that is in no dictionary, or two columns that contradict each other.
    #[error("{0}: a value is not in its dictionary, or contradicts another")]
    Value(String),
    /// A margin whose rows have other columns than it names, or that is not in the policy.
    #[error("{0}: its columns are not those of the policy")]
    Columns(String),
    /// A count of 1 to k−1.
    #[error("{0}: a count is below the threshold")]
    Small(String),
    /// Shown and hidden at once, or neither.
    #[error("{0}: a count must be null exactly if it is suppressed")]
    Suppression(String),
    /// The same group twice.
    #[error("{0}: the group is there twice")]
    Duplicate(String),
    /// Shown sums that contradict their shown cells, or give away what is hidden.
    #[error("{0}: the sum does not agree with its cells")]
    Sum(String),
}

/// Checks that a document is a release of `expected` as the contract says, and that it shows nothing small.
pub fn check_release(document: &ReleaseDocument, expected: &Jurisdiction) -> Result<(), Fault> {
    let release = &document.release;
    if release.jurisdiction != *expected {
        return Err(Fault::Jurisdiction);
    }
    if release.contract_version != CONTRACT_VERSION || release.age_basis != AGE_BASIS {
        return Err(Fault::Version);
    }
    let threshold = release.policy.threshold;
    if !(3..=20).contains(&threshold) {
        return Err(Fault::Threshold);
    }
    if release.checksum != document.checksum() {
        return Err(Fault::Checksum);
    }
    header(document)?;
    rows(document, expected)?;
    let named: BTreeSet<&[Column]> = release.policy.margins.iter().map(Vec::as_slice).collect();
    let there: BTreeSet<&[Column]> = document.margins.iter().map(|margin| margin.by.as_slice()).collect();
    if named != there || there.len() != document.margins.len() {
        return Err(Fault::Columns("margins".to_owned()));
    }
    for (index, margin) in document.margins.iter().enumerate() {
        check_margin(&format!("margins[{index}]"), margin, document)?;
    }
    let total = MarginRow::default().counting(release.total);
    check_sum("total", &total, document.data.iter(), threshold)
}

fn header(document: &ReleaseDocument) -> Result<(), Fault> {
    let release = &document.release;
    let threshold = release.policy.threshold;
    number("total", release.total, release.total.is_none(), threshold)?;
    number("waiting", release.waiting.count, release.waiting.suppressed, threshold)?;
    if let Some(dictionary) = &release.dictionary {
        let is_agreed = dictionary.age_groups == age_terms() && dictionary.jurisdictions.is_empty();
        if !is_agreed || !dictionary.vaccines.iter().all(is_term) {
            return Err(Fault::Value("dictionary".to_owned()));
        }
    }
    let mut reasons = BTreeSet::new();
    for (index, excluded) in release.excluded.iter().enumerate() {
        let place = format!("excluded[{index}]");
        number(&place, excluded.count, excluded.suppressed, threshold)?;
        let is_word = |byte: u8| byte.is_ascii_lowercase() || matches!(byte, b'-' | b'_');
        if !(1..=40).contains(&excluded.reason.len()) || !excluded.reason.bytes().all(is_word) {
            return Err(Fault::Value(place));
        }
        if !reasons.insert(&excluded.reason) {
            return Err(Fault::Duplicate(place));
        }
    }
    Ok(())
}

/// Tells whether a vaccine of a release's own dictionary has a code and two names, and nothing else in them.
fn is_term(term: &Term) -> bool {
    let is_code = (1..=20).contains(&term.code.len()) && term.code.bytes().all(|byte| byte.is_ascii_digit());
    let is_name = |name: &str| (1..=400).contains(&name.len()) && !name.contains(char::is_control);
    (is_code || term.code == UNMAPPED) && is_name(&term.en) && is_name(&term.fr)
}

fn rows(document: &ReleaseDocument, expected: &Jurisdiction) -> Result<(), Fault> {
    let values = Values::of(document);
    let mut groups = BTreeSet::new();
    let mut names: BTreeMap<Option<&str>, &str> = BTreeMap::new();
    for (index, row) in document.data.iter().enumerate() {
        let place = || format!("data[{index}]");
        number(&place(), row.count, row.suppressed, document.release.policy.threshold)?;
        if row.jurisdiction != *expected {
            return Err(Fault::Jurisdiction);
        }
        let code = row.vaccine_code.as_deref();
        // Several generics share an abbreviation (`Inf`); a generic has one.
        let one_name = *names.entry(code).or_insert(&row.vaccine_type) == row.vaccine_type;
        if !values.hold(row) || !one_name {
            return Err(Fault::Value(place()));
        }
        if !groups.insert((row.occurrence_year, &row.age, &row.sex, code, &row.dose_label)) {
            return Err(Fault::Duplicate(place()));
        }
    }
    Ok(())
}

fn number(place: &str, count: Option<u64>, suppressed: bool, threshold: u64) -> Result<(), Fault> {
    if count.is_none() != suppressed {
        return Err(Fault::Suppression(place.to_owned()));
    }
    match count {
        Some(count) if (1..threshold).contains(&count) => Err(Fault::Small(place.to_owned())),
        _ => Ok(()),
    }
}

/// The values that columns may have.
struct Values {
    ages: BTreeSet<String>,
    vaccines: BTreeSet<String>,
    last_year: i32,
}

impl Values {
    fn of(document: &ReleaseDocument) -> Self {
        let named = document.release.dictionary.iter().flat_map(|dictionary| &dictionary.vaccines);
        Self {
            ages: age_terms().into_iter().map(|term| term.code).collect(),
            vaccines: named.map(|term| term.code.clone()).collect(),
            last_year: document.release.as_of.year() + 1, // a time zone's width past the turn of the year
        }
    }

    fn hold(&self, row: &Row) -> bool {
        let year = row.occurrence_year.is_none_or(|year| (1900..=self.last_year).contains(&year));
        let date = row.reference_date.map(|date| date.year()) == row.occurrence_year;
        let dose = match row.dose {
            Some(dose) => dose > 0 && row.dose_label == dose.to_string(),
            None => [UNKNOWN, MIXED].contains(&row.dose_label.as_str()),
        };
        year && date
            && self.ages.contains(&row.age)
            && SEXES.contains(&row.sex.as_str())
            && dose
            && self.holds_vaccine(row)
    }

    fn holds_vaccine(&self, row: &Row) -> bool {
        let name = &row.vaccine_type;
        let is_name = (1..=120).contains(&name.len()) && !name.contains(char::is_control);
        match row.vaccine_code.as_deref() {
            None => name == UNMAPPED,
            Some(code) => {
                let is_known = self.vaccines.contains(code)
                    || fhir::terminology::vaccine(fhir::terminology::SNOMED, code).is_some();
                is_name && name != UNMAPPED && is_known
            }
        }
    }
}

fn check_margin(place: &str, margin: &Margin, document: &ReleaseDocument) -> Result<(), Fault> {
    let mut sorted = margin.by.clone();
    sorted.sort_unstable();
    sorted.dedup();
    if sorted != margin.by || margin.by.contains(&Column::Jurisdiction) {
        return Err(Fault::Columns(place.to_owned()));
    }
    let mut cells: BTreeMap<MarginRow, Vec<&Row>> = BTreeMap::new();
    for row in &document.data {
        cells.entry(MarginRow::group_of(row, &margin.by)).or_default().push(row);
    }
    let threshold = document.release.policy.threshold;
    let mut groups = BTreeSet::new();
    for (index, row) in margin.rows.iter().enumerate() {
        let place = format!("{place}.rows[{index}]");
        if row.columns() != margin.by {
            return Err(Fault::Columns(place));
        }
        number(&place, row.count, row.suppressed, threshold)?;
        let group = row.group();
        let its_cells = cells.get(&group).map(Vec::as_slice).unwrap_or_default();
        check_sum(&place, row, its_cells.iter().copied(), threshold)?;
        if !groups.insert(group) {
            return Err(Fault::Duplicate(place));
        }
    }
    match cells
        .iter()
        .find(|(group, rows)| !groups.contains(*group) && rows.iter().any(|row| row.count != Some(0)))
    {
        Some(_) => Err(Fault::Sum(place.to_owned())), // an absent sum is zero, its cells are not
        None => Ok(()),
    }
}

/// Checks a shown sum: it is that of its cells, or what they hide adds up to nothing small.
fn check_sum<'a>(
    place: &str,
    sum: &MarginRow,
    cells: impl Iterator<Item = &'a Row>,
    threshold: u64,
) -> Result<(), Fault> {
    let Some(sum) = sum.count else { return Ok(()) };
    let (mut shown, mut hides) = (0_u64, false);
    for cell in cells {
        shown = shown.saturating_add(cell.count.unwrap_or_default());
        hides |= cell.suppressed;
    }
    let hidden = sum.checked_sub(shown).ok_or_else(|| Fault::Sum(place.to_owned()))?;
    let agrees = if hides { !(1..threshold).contains(&hidden) } else { hidden == 0 };
    if agrees { Ok(()) } else { Err(Fault::Sum(place.to_owned())) }
}
