//! What a record is in the national table: pure. The rules are those of the design's section 5 and of its knowledge
//! page on aggregation (rules 1 to 12).

use chrono::{Datelike, Days, Months, NaiveDate};
use contracts::dictionary::{self, MIXED, SEXES, UNKNOWN, UNMAPPED};
use domain::Jurisdiction;
use fhir::ORIGIN_SYSTEM;
use fhir::origin::OriginRecord;
use fhir::terminology::{Generic, generic};
use serde_json::Value;

/// What is counted of a record, as far as the record itself says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dose {
    /// The Immunization's id.
    pub id: String,
    /// The Patient's id; empty where the record names none.
    pub patient_id: String,
    /// The date as written; empty where there is none, or none that can be meant.
    pub occurrence: String,
    /// The generic vaccine's SNOMED CT code, or `Unmapped`.
    pub vaccine: String,
    /// The number of the dose, or `Unknown`, or `Mixed`.
    pub dose: String,
    /// Why it is not counted, if it is not.
    pub reason: Option<&'static str>,
}

/// The first year that a dose can be of, by the contract.
const FIRST_YEAR: i32 = 1900;

/// Reads an Immunization of a province's server. A date before 1900, or of a later year than the one after `this_year`,
/// is a slip of the pen: unknown, since the contract has no such years and one would have the release refused.
pub fn dose(immunization: &Value, here: &Jurisdiction, this_year: i32) -> Option<Dose> {
    let text = |name: &str| immunization.get(name).and_then(Value::as_str).unwrap_or_default();
    let generic = generic(immunization.get("vaccineCode").unwrap_or(&Value::Null));
    let patient = immunization.pointer("/patient/reference").and_then(Value::as_str).unwrap_or_default();
    let written = text("occurrenceDateTime");
    let is_possible = year(written).is_none_or(|year| (FIRST_YEAR..=this_year + 1).contains(&year));
    Some(Dose {
        id: immunization.get("id")?.as_str()?.to_owned(),
        patient_id: patient.strip_prefix("Patient/").unwrap_or_default().to_owned(),
        occurrence: if is_possible { written } else { "" }.to_owned(),
        vaccine: match generic {
            Generic::Vaccine { code, .. } => code.to_owned(),
            Generic::Passive | Generic::NoDose | Generic::Unmapped => UNMAPPED.to_owned(),
        },
        dose: dose_label(immunization),
        reason: excluded(immunization, generic, here),
    })
}

/// Says why a record is no dose that was given here.
fn excluded(immunization: &Value, generic: Generic, here: &Jurisdiction) -> Option<&'static str> {
    match immunization.get("status").and_then(Value::as_str) {
        Some("completed") => {}
        Some("not-done") => return Some("not-done"),
        Some("entered-in-error") => return Some("entered-in-error"),
        _ => return Some("no-status"),
    }
    if generic == Generic::NoDose {
        return Some("absent-or-unknown");
    }
    if immunization.get("primarySource") == Some(&Value::Bool(false)) {
        return Some("reported");
    }
    let identifiers = immunization.get("identifier").and_then(Value::as_array);
    let is_received = identifiers.into_iter().flatten().any(|identifier| {
        identifier.get("system").and_then(Value::as_str) == Some(ORIGIN_SYSTEM)
            && identifier
                .get("value")
                .and_then(Value::as_str)
                .and_then(|value| OriginRecord::parse(value).ok())
                .is_none_or(|origin| origin.jurisdiction != *here)
    });
    if is_received {
        return Some("received");
    }
    (generic == Generic::Passive).then_some("passive-agent")
}

/// Returns the number on which all `protocolApplied` agree, else `Mixed`; without a number `Unknown`.
fn dose_label(immunization: &Value) -> String {
    let protocols = immunization.get("protocolApplied").and_then(Value::as_array);
    let mut found: Option<Option<u32>> = None;
    for protocol in protocols.into_iter().flatten() {
        let number = match (protocol.get("doseNumberPositiveInt"), protocol.get("doseNumberString")) {
            (Some(Value::Number(number)), _) => number.to_string(),
            (_, Some(Value::String(text))) => text.clone(),
            _ => String::new(),
        };
        let is_plain = (1..=6).contains(&number.len()) && !number.starts_with('0');
        let number: Option<u32> = if is_plain { number.parse().ok() } else { None };
        match found {
            None => found = Some(number),
            Some(before) if before == number => {}
            Some(_) => return MIXED.to_owned(),
        }
    }
    found.flatten().map_or_else(|| UNKNOWN.to_owned(), |number| number.to_string())
}

/// Returns the value of the column `Sex`.
pub fn sex(gender: Option<&str>) -> &'static str {
    match gender {
        Some("female") => SEXES[0],
        Some("male") => SEXES[1],
        Some("other") => SEXES[2],
        _ => UNKNOWN,
    }
}

/// Returns the calendar year of a date as written, whatever its time zone.
pub fn year(occurrence: &str) -> Option<i32> {
    span(occurrence).map(|(first, _)| first.year())
}

/// Returns the age group at a dose, in completed calendar years; of partial dates only what all possible days agree on.
pub fn age_group(birth_date: &str, occurrence: &str) -> &'static str {
    let (Some((first_birth, last_birth)), Some((first_day, last_day))) = (span(birth_date), span(occurrence))
    else {
        return UNKNOWN;
    };
    let (youngest, oldest) = (years(last_birth, first_day), years(first_birth, last_day));
    let Ok(oldest) = u32::try_from(oldest) else { return UNKNOWN }; // before birth, whatever the day
    let youngest = u32::try_from(youngest).unwrap_or_default();
    let (lower, upper) = (dictionary::age_group(Some(youngest)), dictionary::age_group(Some(oldest)));
    if lower == upper { upper } else { UNKNOWN }
}

/// Who is born on February 29 is a year older on March 1 of common years.
fn years(birth: NaiveDate, day: NaiveDate) -> i32 {
    let had_birthday = (day.month(), day.day()) >= (birth.month(), birth.day());
    day.year() - birth.year() - i32::from(!had_birthday)
}

/// Returns the first and the last day that a whole or partial date may mean.
fn span(text: &str) -> Option<(NaiveDate, NaiveDate)> {
    let date = text.split('T').next()?;
    let mut parts = date.split('-');
    let number = |part: &str, digits: usize| {
        (part.len() == digits && part.bytes().all(|b| b.is_ascii_digit()))
            .then(|| part.parse::<u32>().ok())?
    };
    let year = i32::try_from(number(parts.next()?, 4)?).ok()?;
    let month = parts.next().map(|part| number(part, 2));
    let day = parts.next().map(|part| number(part, 2));
    if parts.next().is_some() || month == Some(None) || day == Some(None) {
        return None;
    }
    let first = NaiveDate::from_ymd_opt(year, month.flatten().unwrap_or(1), day.flatten().unwrap_or(1))?;
    let length = match (month, day) {
        (_, Some(_)) => return Some((first, first)),
        (Some(_), None) => Months::new(1),
        (None, None) => Months::new(12),
    };
    let last = first.checked_add_months(length)?.checked_sub_days(Days::new(1))?;
    Some((first, last))
}

#[cfg(test)]
mod tests;
