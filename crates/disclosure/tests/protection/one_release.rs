//! Random small tables, attacked.

use disclosure::{Facts, FactsBuilder, Key, Place, Policy, Release, Series};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::attacker::{FIGURES, Knowledge, leaks, small_groups};
use crate::province::province;
use crate::rules::broken;
use crate::support::key;

/// One fact: vaccine, year, age group, sex, dose; person; doses.
pub type Fact = ((u32, i32, u32, u32, u32), u64, u32);

/// Facts of few labels: many cells with one dose, some persons with many doses.
pub fn facts(vaccines: u32, most: usize) -> impl Strategy<Value = Vec<Fact>> {
    let skewed = |n: u32| prop_oneof![3 => Just(0), 2 => 0..n];
    let labels = (0..vaccines, 0..3i32, skewed(3), skewed(2), skewed(2));
    let doses = prop_oneof![9 => Just(1u32), 1 => 2..13u32];
    // few people with many doses each, or many with few
    prop_oneof![Just(8u64), Just(40), Just(300)].prop_flat_map(move |people| {
        proptest::collection::vec((labels.clone(), 0..people, doses.clone()), 1..most)
    })
}

/// Facts of one vaccine and at most 18 cells.
pub fn few_cells(most: usize) -> BoxedStrategy<Vec<Fact>> {
    let one = |(_, year, age, _, dose)| (0, year, age, 0, dose);
    let all = facts(1, most);
    all.prop_map(move |facts| {
        facts.into_iter().map(|(labels, person, doses)| (one(labels), person, doses)).collect()
    })
    .boxed()
}

/// Groups facts by cell.
pub fn build(facts: &[Fact]) -> Facts {
    let mut builder = FactsBuilder::new();
    for ((vaccine, year, age, sex, dose), person, doses) in facts {
        let key = key(&format!("V{vaccine}"), 2000 + year, &age.to_string(), &sex.to_string(), *dose);
        builder.add_to_cell(key, *person, *doses);
    }
    builder.build()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_release_bounds_a_small_group(facts in facts(3, 500), k in prop_oneof![3..8u32, 3..21u32]) {
        let facts = build(&facts);
        let (_, release) = Series::first(&facts, Policy::new(k).unwrap());
        prop_assert_eq!(leaks(&[(&facts, &release)], FIGURES), Vec::<String>::new());
        prop_assert_eq!(broken(&facts, &release), Vec::<String>::new());
    }

    #[test]
    fn nor_do_whole_numbers(facts in few_cells(200), k in 3..6u32) {
        let facts = build(&facts);
        let (_, release) = Series::first(&facts, Policy::new(k).unwrap());
        let whole = Knowledge { whole: true, ..FIGURES };
        prop_assert_eq!(leaks(&[(&facts, &release)], whole), Vec::<String>::new());
    }
}

/// The release if only what is small by itself were hidden.
fn primary_only(facts: &Facts, release: &Release) -> Release {
    let small = small_groups(facts, release.policy.threshold() as usize);
    let mut release = release.clone();
    let doses = |key: &Key| -> i64 {
        facts.entries(&Place::Cell(key.clone())).iter().map(|entry| i64::from(entry.doses)).sum()
    };
    for row in &mut release.cells {
        let is_small = small.iter().any(|group| group.is_cell && group.cells == [row.key.clone()]);
        row.count = (!is_small).then(|| doses(&row.key));
    }
    release.total = release.total.and(Some(release.cells.iter().map(|row| doses(&row.key)).sum()));
    for row in release.margins.iter_mut().flat_map(|table| &mut table.rows) {
        let keys = release.cells.iter().map(|row| &row.key);
        let inside: Vec<Key> = keys
            .filter(|key| key.vaccine == row.vaccine)
            .filter(|key| row.label.as_ref().is_none_or(|label| key.label(label.axis()) == *label))
            .cloned()
            .collect();
        let is_small = small.iter().any(|group| !group.is_cell && group.cells == inside);
        row.count = (!is_small).then(|| inside.iter().map(doses).sum());
    }
    release
}

#[test]
fn the_attacker_succeeds_where_only_small_numbers_are_hidden() {
    let mut runner = TestRunner::deterministic();
    let mut bounded = 0;
    for _ in 0..20 {
        let facts = build(&facts(2, 400).new_tree(&mut runner).unwrap().current());
        let (_, release) = Series::first(&facts, Policy::default());
        if release.total.is_some() {
            let bare = primary_only(&facts, &release);
            bounded += usize::from(!leaks(&[(&facts, &bare)], FIGURES).is_empty());
        }
    }
    assert!(bounded >= 10, "only {bounded} of 20 were bounded");
}

/// What is shown of one vaccine, as a release of its own.
pub fn of_vaccine(facts: &Facts, release: &Release, vaccine: &str) -> (Facts, Release) {
    let mut own = release.clone();
    own.cells.retain(|row| row.key.vaccine == vaccine);
    for table in &mut own.margins {
        table.rows.retain(|row| row.vaccine == vaccine);
    }
    own.total = own.margins[4].rows[0].count;
    let mut builder = FactsBuilder::new();
    for row in &own.cells {
        let place = builder.place(Place::Cell(row.key.clone()));
        for entry in facts.entries(&Place::Cell(row.key.clone())) {
            builder.add(place, entry.person, entry.doses);
        }
    }
    (builder.build(), own)
}

/// The vaccines whose total is shown: each of them is a table of its own.
pub fn with_total(release: &Release) -> Vec<&str> {
    let totals = release.margins[4].rows.iter().filter(|total| total.count.is_some());
    totals.map(|total| total.vaccine.as_str()).collect()
}

#[test]
fn no_vaccine_of_a_province_bounds_a_small_group() {
    let facts = province(20_000, 3).build();
    let (_, release) = Series::first(&facts, Policy::default());
    let vaccines = with_total(&release);
    assert!(vaccines.len() >= 10, "{vaccines:?}");
    for vaccine in vaccines {
        let (facts, release) = of_vaccine(&facts, &release, vaccine);
        assert_eq!(leaks(&[(&facts, &release)], FIGURES), Vec::<String>::new());
    }
}
