use chrono::{DateTime, Datelike, Utc};
use contracts::dictionary::{AGE_GROUPS, SEXES};
use contracts::release::check_release;
use disclosure::{Facts, FactsBuilder, Key, Place, Policy, Series};
use domain::Jurisdiction;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::count;

/// Doses of one person in one place.
type Doses = (Place, u64, u32);

/// Some generics of the Catalogue, two of which share an abbreviation, and what it does not know.
fn vaccine() -> impl Strategy<Value = String> {
    prop_oneof![Just("871831003"), Just("1003499009"), Just("1181000221105"), Just(UNMAPPED)]
        .prop_map(str::to_owned)
}

/// Dates as they are met, by the rule that reads them.
fn year() -> impl Strategy<Value = Option<i32>> {
    (1890..2035, any::<bool>()).prop_map(|(year, is_whole)| {
        let written = if is_whole { format!("{year}-05-06") } else { String::new() };
        let record = json!({"resourceType": "Immunization", "id": "i", "occurrenceDateTime": written});
        let dose = count::dose(&record, &on(), as_of().year()).expect("it has an id");
        count::year(&dose.occurrence)
    })
}

fn place() -> impl Strategy<Value = Place> {
    let ages = AGE_GROUPS.iter().map(|group| group.en).chain([UNKNOWN]).collect::<Vec<_>>();
    let doses = vec!["1", "2", "14", UNKNOWN, MIXED];
    let year = prop_oneof![3 => Just(Some(2019)), 1 => year()];
    let cell = (vaccine(), year, prop::sample::select(ages), 0..SEXES.len(), prop::sample::select(doses));
    let cell = cell.prop_map(|(vaccine, year, age, sex, dose)| {
        let (age, sex, dose) = (age.to_owned(), SEXES[sex].to_owned(), dose.to_owned());
        Place::Cell(Key { vaccine, year, age, sex, dose })
    });
    let reason = prop::sample::select(vec!["not-done", "received", "reported"]);
    prop_oneof![9 => cell, 1 => reason.prop_map(|reason| Place::Excluded(reason.to_owned()))]
}

/// What a province has: up to thirty places with one to thirty persons each.
fn doses() -> impl Strategy<Value = Vec<Doses>> {
    let here = (place(), 0..200_u64, 1..30_u64, 1..4_u32);
    prop::collection::vec(here, 0..30).prop_map(|groups| {
        let persons = |(place, first, persons, doses): (Place, u64, u64, u32)| {
            (first..first + persons).map(move |person| (place.clone(), person, doses))
        };
        groups.into_iter().flat_map(persons).collect()
    })
}

fn facts(doses: &[Doses]) -> Facts {
    let mut builder = FactsBuilder::new();
    for (place, person, doses) in doses {
        let place = builder.place(place.clone());
        builder.add(place, *person, *doses);
    }
    builder.build()
}

fn on() -> Jurisdiction {
    Jurisdiction::parse("ON").expect("a province")
}

fn as_of() -> DateTime<Utc> {
    DateTime::from_timestamp(1_793_000_000, 0).expect("an instant")
}

fn header(id: u64) -> Header {
    Header { id, series: 1, as_of: as_of(), published_at: as_of() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn whatever_the_facts_a_release_is_taken_over(
        before in doses(), added in doses(), kept in 0.0..1.0_f64, threshold in 3..=20_u32,
    ) {
        let policy = Policy::new(threshold).expect("a threshold of the contract");
        let (series, first) = Series::first(&facts(&before), policy);
        prop_assert_eq!(check_release(&write(&on(), &header(1), &first), &on()), Ok(()));

        let is_kept = |(_, person, _): &&Doses| f64::from(u32::try_from(person % 100).unwrap()) < kept * 100.0;
        let now: Vec<Doses> = before.iter().filter(is_kept).chain(&added).cloned().collect();
        let next = series.next(&facts(&before), &facts(&now)).expect("its own basis");
        prop_assert_eq!(check_release(&write(&on(), &header(2), &next.release), &on()), Ok(()));
    }
}

#[test]
fn a_document_is_read_as_it_was_written() {
    let place = Place::Cell(Key {
        vaccine: "871831003".to_owned(),
        year: Some(2019),
        age: "1 year".to_owned(),
        sex: SEXES[0].to_owned(),
        dose: "1".to_owned(),
    });
    let doses: Vec<Doses> = (0..9).map(|person| (place.clone(), person, 1)).collect();
    let document = write(&on(), &header(1), &Series::first(&facts(&doses), Policy::default()).1);
    let read: ReleaseDocument = serde_json::from_slice(&document.to_bytes()).unwrap();
    assert_eq!(read, document);
    assert_eq!(document.data[0].count, Some(9));
    assert_eq!(document.data[0].vaccine_type, "MMR");
}
