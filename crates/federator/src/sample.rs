//! Releases for tests.

use chrono::DateTime;
use contracts::release::{
    AGE_BASIS, CONTRACT_VERSION, Column, Excluded, Margin, MarginRow, Number, Policy, Release,
    ReleaseDocument, Row,
};
use domain::Jurisdiction;

/// A release with one shown cell of so many doses and two hidden ones of nine together.
pub fn release(code: &str, id: u64, doses: u64) -> ReleaseDocument {
    let jurisdiction = Jurisdiction::parse(code).unwrap();
    let row = |year: Option<i32>, age: &str, dose: Option<u32>, count: Option<u64>| Row {
        jurisdiction: jurisdiction.clone(),
        occurrence_year: year,
        age: age.to_owned(),
        sex: "Female".to_owned(),
        vaccine_type: "MMR".to_owned(),
        vaccine_code: Some("871831003".to_owned()),
        dose,
        dose_label: dose.map_or("Unknown".to_owned(), |dose| dose.to_string()),
        count,
        suppressed: count.is_none(),
        reference_date: year.and_then(|year| chrono::NaiveDate::from_ymd_opt(year, 12, 31)),
    };
    let data = vec![
        row(Some(2019), "1 year", Some(1), Some(doses)),
        row(Some(2019), "2–6 years", Some(2), None),
        row(None, "Unknown", None, None),
    ];
    let by = vec![Column::VaccineType, Column::VaccineCode];
    let sum = MarginRow::group_of(&data[0], &by).counting(Some(doses + 9));
    let at = |seconds: i64| DateTime::from_timestamp(1_772_000_000 + seconds, 0).unwrap();
    let release = Release {
        id,
        series: 1,
        jurisdiction: jurisdiction.clone(),
        as_of: at(0),
        published_at: at(60),
        policy: Policy { threshold: 5, margins: vec![by.clone()] },
        contract_version: CONTRACT_VERSION.to_owned(),
        age_basis: AGE_BASIS.to_owned(),
        dictionary: None,
        total: Some(doses + 9),
        waiting: Number::from(None),
        excluded: vec![Excluded { reason: "received".to_owned(), count: Some(12), suppressed: false }],
        checksum: String::new(),
    };
    ReleaseDocument { release, data, margins: vec![Margin { by, rows: vec![sum] }] }.sealed()
}
