//! A release as it is sent: the words of the contract around the numbers of the disclosure control.

use chrono::NaiveDate;
use contracts::dictionary::{MIXED, UNKNOWN, UNMAPPED};
use contracts::release::{
    AGE_BASIS, CONTRACT_VERSION, Column, Excluded, Margin, MarginRow, Policy, Release, ReleaseDocument, Row,
};
use disclosure::{Axis, Label};
use domain::Jurisdiction;

use crate::store::Header;

/// Writes a release down.
pub fn write(here: &Jurisdiction, header: &Header, release: &disclosure::Release) -> ReleaseDocument {
    let margins: Vec<Margin> = release.margins.iter().map(margin).collect();
    let excluded = release.excluded.iter().map(|excluded| {
        let count = number(excluded.count);
        Excluded { reason: excluded.reason.clone(), count, suppressed: count.is_none() }
    });
    ReleaseDocument {
        release: Release {
            id: header.id,
            series: header.series,
            jurisdiction: here.clone(),
            as_of: header.as_of,
            published_at: header.published_at,
            policy: Policy {
                threshold: release.policy.threshold().into(),
                margins: margins.iter().map(|margin| margin.by.clone()).collect(),
            },
            contract_version: CONTRACT_VERSION.to_owned(),
            age_basis: AGE_BASIS.to_owned(),
            dictionary: None,
            total: number(release.total),
            waiting: number(release.waiting).into(),
            excluded: excluded.collect(),
            checksum: String::new(),
        },
        data: release.cells.iter().map(|cell| row(here, cell)).collect(),
        margins,
    }
    .sealed()
}

fn number(count: Option<i64>) -> Option<u64> {
    count.and_then(|count| u64::try_from(count).ok())
}

fn row(here: &Jurisdiction, cell: &disclosure::CellRow) -> Row {
    let key = &cell.key;
    let (vaccine_type, vaccine_code) = vaccine(&key.vaccine);
    let count = number(cell.count);
    Row {
        jurisdiction: here.clone(),
        occurrence_year: key.year,
        age: key.age.clone(),
        sex: key.sex.clone(),
        vaccine_type,
        vaccine_code,
        dose: dose(&key.dose),
        dose_label: key.dose.clone(),
        count,
        suppressed: count.is_none(),
        reference_date: key.year.and_then(|year| NaiveDate::from_ymd_opt(year, 12, 31)),
    }
}

fn margin(table: &disclosure::MarginTable) -> Margin {
    let columns: &[Column] = match table.by {
        Some(Axis::Year) => &[Column::OccurrenceYear],
        Some(Axis::Age) => &[Column::Age],
        Some(Axis::Sex) => &[Column::Sex],
        Some(Axis::Dose) => &[Column::Dose, Column::DoseLabel],
        None => &[],
    };
    let mut by = columns.to_vec();
    by.extend([Column::VaccineType, Column::VaccineCode]);
    by.sort_unstable();
    let rows = table.rows.iter().map(|row| {
        let (vaccine_type, vaccine_code) = vaccine(&row.vaccine);
        let mut sum = MarginRow {
            vaccine_type: Some(vaccine_type),
            vaccine_code: Some(vaccine_code),
            ..MarginRow::default()
        };
        match &row.label {
            Some(Label::Year(year)) => sum.occurrence_year = Some(*year),
            Some(Label::Age(age)) => sum.age = Some(age.clone()),
            Some(Label::Sex(sex)) => sum.sex = Some(sex.clone()),
            Some(Label::Dose(label)) => {
                sum.dose = Some(dose(label));
                sum.dose_label = Some(label.clone());
            }
            None => {}
        }
        sum.counting(number(row.count))
    });
    Margin { by, rows: rows.collect() }
}

fn vaccine(code: &str) -> (String, Option<String>) {
    match fhir::terminology::abbreviation(code) {
        Some(name) => (name.to_owned(), Some(code.to_owned())),
        None => (UNMAPPED.to_owned(), None),
    }
}

fn dose(label: &str) -> Option<u32> {
    if [UNKNOWN, MIXED].contains(&label) { None } else { label.parse().ok() }
}

#[cfg(test)]
mod tests;
