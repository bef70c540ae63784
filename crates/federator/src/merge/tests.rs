use std::collections::BTreeMap;

use contracts::federated::NationalTable;
use domain::Jurisdiction;
use peers::{Gateway, Identities, Limits, Names};
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::sample::release;

const CODES: [&str; 13] = ["AB", "BC", "MB", "NB", "NL", "NS", "NT", "NU", "ON", "PE", "QC", "SK", "YT"];

/// How it stands with a province.
#[derive(Debug, Clone)]
struct Case {
    is_suspended: bool,
    /// Doses of the shown cell of its release.
    doses: Option<u64>,
    problem: Option<ProblemCode>,
    was_asked: bool,
}

/// A province in the directory.
fn entry(code: &str, state: JurisdictionState) -> JurisdictionEntry {
    JurisdictionEntry {
        code: Jurisdiction::parse(code).unwrap(),
        name: Names { en: format!("{code} in English"), fr: format!("{code} en français") },
        role: Role::Pt,
        state,
        gateway: Gateway::default(),
        identities: Identities::default(),
        limits: Limits::default(),
    }
}

fn case() -> impl Strategy<Value = Case> {
    let problem = prop_oneof![
        Just(ProblemCode::SourceTimeout),
        Just(ProblemCode::PeerUntrusted),
        Just(ProblemCode::ReleaseInvalid),
        Just(ProblemCode::ReleaseOutdated)
    ];
    (any::<bool>(), prop::option::of(5..1_000_u64), prop::option::of(problem), any::<bool>()).prop_map(
        |(is_suspended, doses, problem, was_asked)| Case { is_suspended, doses, problem, was_asked },
    )
}

fn given_by(cases: &[Case]) -> (Vec<Arc<JurisdictionEntry>>, Holdings) {
    let (mut directory, mut held) = (Vec::new(), Holdings::new());
    for (code, case) in CODES.iter().zip(cases) {
        let state = if case.is_suspended { JurisdictionState::Suspended } else { JurisdictionState::Active };
        directory.push(Arc::new(entry(code, state)));
        if case.was_asked {
            let release = case.doses.map(|doses| Arc::new(release(code, 7, doses)));
            let nothing = release.is_none().then_some(ProblemCode::PeerUnreachable);
            let problem = case.problem.or(nothing).map(|code| Problem::new(code).detail("why"));
            held.insert(Jurisdiction::parse(code).unwrap(), Held { release, problem });
        }
    }
    (directory, held)
}

fn now() -> DateTime<Utc> {
    release("ON", 1, 5).release.as_of + TimeDelta::hours(3)
}

/// The answer as a reader has it.
fn read(directory: &[Arc<JurisdictionEntry>], held: &Holdings) -> NationalTable {
    let table = merge(directory, held, now(), TimeDelta::days(8));
    serde_json::from_slice(&serde_json::to_vec(&table).unwrap()).unwrap()
}

proptest! {
    #[test]
    fn each_province_is_named_and_none_changes_another(cases in vec(case(), 0..=13)) {
        let (directory, held) = given_by(&cases);
        let table = read(&directory, &held);
        prop_assert_eq!(table.sources.len(), cases.len());
        let not_ok = table.sources.iter().filter(|source| source.status != SourceStatus::Ok).count();
        prop_assert_eq!(table.errors.len(), not_ok);
        for ((code, case), source) in CODES.iter().zip(&cases).zip(&table.sources) {
            prop_assert_eq!(source.jurisdiction.as_str(), *code);
            let doses = case.doses.filter(|_| case.was_asked && !case.is_suspended);
            prop_assert_eq!(source.status.has_data(), doses.is_some());
            prop_assert_eq!(source.status == SourceStatus::Suspended, case.is_suspended);
            prop_assert_eq!(source.status == SourceStatus::Ok, doses.is_some() && case.problem.is_none());
            prop_assert_eq!(source.release_id.is_some(), doses.is_some());
            prop_assert_eq!(source.problem.is_none(), source.status == SourceStatus::Ok);
            let rows: Vec<&Row> = table.data.iter().filter(|row| row.jurisdiction == source.jurisdiction).collect();
            let alone = doses.map(|doses| release(code, 7, doses).data).unwrap_or_default();
            prop_assert_eq!(rows, alone.iter().collect::<Vec<_>>());
            let named = format!("{code} (");
            prop_assert_eq!(table.errors.iter().any(|line| line.starts_with(&named)), source.problem.is_some());
        }
    }

    #[test]
    fn no_number_is_summed_over_provinces(cases in vec(case(), 0..=13)) {
        let (directory, held) = given_by(&cases);
        let table = read(&directory, &held);
        let mut margins: BTreeMap<Jurisdiction, Vec<MarginRow>> = BTreeMap::new();
        for margin in &table.margins {
            prop_assert_eq!(margin.by[0], Column::Jurisdiction);
            for row in &margin.rows {
                prop_assert_eq!(row.columns(), margin.by.clone());
                let alone = MarginRow { jurisdiction: None, ..row.clone() };
                margins.entry(row.jurisdiction.clone().unwrap()).or_default().push(alone);
            }
        }
        for source in table.sources.iter().filter(|source| source.status.has_data()) {
            let document = held[&source.jurisdiction].release.clone().unwrap();
            let mut expected = vec![MarginRow::default().counting(document.release.total)];
            expected.extend(document.margins.iter().flat_map(|margin| margin.rows.clone()));
            prop_assert_eq!(margins.remove(&source.jurisdiction), Some(expected));
        }
        prop_assert!(margins.is_empty());
    }
}

#[test]
fn an_earlier_dashboard_finds_the_types_that_it_reads() {
    let all = Case { is_suspended: false, doses: Some(40), problem: None, was_asked: true };
    let gone = Case { doses: None, ..all.clone() };
    let (directory, held) = given_by(&[all, gone]);
    let table = merge(&directory, &held, now(), TimeDelta::days(8));
    let answer = serde_json::to_value(&table).unwrap();
    let number_or_null = |value: &serde_json::Value| value.is_null() || value.is_u64();
    let rows = answer["data"].as_array().unwrap();
    assert_eq!(rows.len(), 3);
    for row in rows {
        for column in ["Jurisdiction", "Age", "Sex", "VaccineType", "DoseLabel"] {
            assert!(row[column].is_string(), "{column} of {row}");
        }
        for column in ["Count", "Dose", "OccurrenceYear"] {
            assert!(row.get(column).is_some_and(number_or_null), "{column} of {row}");
        }
        assert!(row["Suppressed"].is_boolean());
        assert_eq!(row["Count"].is_null(), row["Suppressed"] == true, "{row}");
        let date = row["ReferenceDate"].as_str();
        assert_eq!(date.is_none(), row["OccurrenceYear"].is_null(), "{row}");
        assert!(date.is_none_or(|date| chrono::NaiveDate::parse_from_str(date, "%Y-%m-%d").is_ok()));
    }
    assert!(rows.iter().any(|row| row["Dose"].is_null()) && rows.iter().any(|row| row["Count"].is_null()));
    assert!(answer["errors"].as_array().unwrap().iter().all(serde_json::Value::is_string));
    assert_eq!(answer["dictionary"]["vaccines"][0]["code"], "871831003");
    assert_eq!(answer["dictionary"]["age_groups"][2]["fr"], "2 à 6 ans");
    assert_eq!(answer["dictionary"]["jurisdictions"][1]["fr"], "BC en français");
}

#[test]
fn a_release_of_long_ago_is_stale_though_its_province_repeats_it() {
    let all = Case { is_suspended: false, doses: Some(40), problem: None, was_asked: true };
    let (directory, held) = given_by(&[all]);
    let later = now() + TimeDelta::days(9);
    let table = merge(&directory, &held, later, TimeDelta::days(8));
    assert_eq!(table.sources[0].status, SourceStatus::Stale);
    assert_eq!(table.sources[0].age_seconds, Some(9 * 86_400 + 3 * 3_600));
    assert_eq!(table.data.len(), 3);
    assert_eq!(
        table.errors,
        [
            "AB (AB in English) is stale: its current release counts records of more than 192 hours ago; release 7 with \
          records as of 2026-02-25 is shown [release-outdated]"
        ]
    );
}
