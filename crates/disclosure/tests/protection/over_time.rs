//! Several releases of a series, attacked together.

use disclosure::{Facts, FactsBuilder, Place, Policy, Release, Series};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::attacker::{FIGURES, Knowledge, leaks};
use crate::one_release::{Fact, build, facts, few_cells, of_vaccine, with_total};
use crate::rules::broken;
use crate::support::Grid;
use crate::weeks::{new_basis, weeks};

/// The releases of a series, each with the basis it shows.
fn series(states: &[Facts], policy: Policy) -> Vec<(Facts, Release)> {
    let (mut series, release) = Series::first(&states[0], policy);
    let mut releases = vec![(states[0].clone(), release)];
    for state in &states[1..] {
        let basis = &releases[releases.len() - 1].0;
        let next = series.next(basis, state).unwrap();
        series = next.series;
        releases.push((new_basis(basis, state, &next.published), next.release));
    }
    releases
}

fn as_seen(releases: &[(Facts, Release)]) -> Vec<(&Facts, &Release)> {
    releases.iter().map(|(facts, release)| (facts, release)).collect()
}

fn two_vaccines(most: usize) -> BoxedStrategy<Vec<Fact>> {
    facts(2, most).boxed()
}

/// Three states: facts come, and some go.
fn states(
    facts: impl Fn(usize) -> BoxedStrategy<Vec<Fact>>,
    most: usize,
    withdrawals: bool,
) -> impl Strategy<Value = Vec<Facts>> {
    let more = || facts(most / 2);
    let gone = proptest::collection::vec(any::<(u16, u16)>(), most);
    (facts(most), more(), more(), gone, 0..60u16).prop_map(move |(first, second, third, gone, share)| {
        let share = if withdrawals { share } else { 0 };
        let keep = |facts: &[Fact], nth: usize| -> Vec<Fact> {
            let stays = |number: &usize| {
                let (one, other) = gone[number % gone.len()];
                (if nth == 0 { one } else { other }) % 100 >= share
            };
            (0..facts.len()).filter(stays).map(|number| facts[number]).collect()
        };
        let second = [keep(&first, 0), second].concat();
        let third = [keep(&second, 1), third].concat();
        vec![build(&first), build(&second), build(&third)]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_series_that_only_grows_bounds_no_small_group(states in states(two_vaccines, 300, false), k in 3..7u32) {
        let releases = series(&states, Policy::new(k).unwrap());
        let growing = Knowledge { growing: true, ..FIGURES };
        prop_assert_eq!(leaks(&as_seen(&releases), growing), Vec::<String>::new());
    }

    #[test]
    fn nor_does_a_series_with_withdrawals(states in states(two_vaccines, 300, true), k in 3..11u32) {
        let releases = series(&states, Policy::new(k).unwrap());
        prop_assert_eq!(leaks(&as_seen(&releases), FIGURES), Vec::<String>::new());
        for (facts, release) in &releases {
            prop_assert_eq!(broken(facts, release), Vec::<String>::new());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whoever knows the rule sees more in three releases than in each of them: what a cell was bounds what it is.
    #[test]
    fn nor_whole_numbers_and_the_rule_of_changes(states in states(few_cells, 80, true), k in 3..6u32) {
        let releases = series(&states, Policy::new(k).unwrap());
        prop_assert_eq!(leaks(&as_seen(&releases), RULE_OF_CHANGES), Vec::<String>::new());
    }
}

/// A cell's doses are whole, and change by 0 or at least k.
const RULE_OF_CHANGES: Knowledge = Knowledge { whole: true, growing: false, steps: true };

#[test]
fn that_rule_bites_where_each_release_has_a_pattern_of_its_own() {
    let mut runner = TestRunner::deterministic();
    let mut bounded = 0;
    for _ in 0..20 {
        let states = states(few_cells, 80, true).new_tree(&mut runner).unwrap().current();
        let released = series(&states, Policy::new(3).unwrap());
        // What the series counts, with its changes held back, but hidden anew each time.
        let fresh: Vec<Release> =
            released.iter().map(|(facts, _)| Series::first(facts, Policy::new(3).unwrap()).1).collect();
        let seen: Vec<(&Facts, &Release)> = released.iter().map(|(facts, _)| facts).zip(&fresh).collect();
        bounded += usize::from(!leaks(&seen, RULE_OF_CHANGES).is_empty());
    }
    assert!(bounded >= 3, "only {bounded} of 20 were bounded");
}

#[test]
fn the_attacker_succeeds_where_each_release_has_a_pattern_of_its_own() {
    let mut runner = TestRunner::deterministic();
    let growing = Knowledge { growing: true, ..FIGURES };
    let mut bounded = 0;
    for _ in 0..20 {
        let states = states(two_vaccines, 300, false).new_tree(&mut runner).unwrap().current();
        let fresh: Vec<Release> =
            states.iter().map(|facts| Series::first(facts, Policy::default()).1).collect();
        let seen: Vec<(&Facts, &Release)> = states.iter().zip(&fresh).collect();
        bounded += usize::from(!leaks(&seen, growing).is_empty());
    }
    assert!(bounded >= 3, "only {bounded} of 20 were bounded");
}

/// The small groups that are bounded over two releases of a province, by vaccines whose totals are shown.
fn leaks_of_a_province(releases: [(&Facts, &Release); 2]) -> Vec<String> {
    let growing = Knowledge { growing: true, ..FIGURES };
    let mut found = Vec::new();
    for vaccine in with_total(releases[0].1) {
        let parts = releases.map(|(facts, release)| of_vaccine(facts, release, vaccine));
        if parts.iter().all(|(_, release)| release.total.is_some()) {
            found.extend(leaks(&as_seen(&parts), growing));
        }
    }
    found
}

#[test]
fn four_weeks_of_a_province_bound_no_small_group() {
    let policy = Policy::default();
    let weeks = weeks(6_000, 4, policy, false);
    let (before, after) = (&weeks.counted[0], &weeks.counted[4]);
    assert!(weeks.releases[4].total > weeks.releases[0].total);
    assert_eq!(
        leaks_of_a_province([(before, &weeks.releases[0]), (after, &weeks.releases[4])]),
        Vec::<String>::new()
    );
}

/// A change of one cell of a grid: persons who come, with a dose each, and persons who go.
struct Change {
    row: usize,
    column: usize,
    come: u64,
    go: usize,
}

/// The second release of a grid after a change, beside the first.
fn after(grid: &Grid, change: &Change) -> (Release, Release, Vec<Place>) {
    let before = grid.facts().build();
    let place = Place::Cell(Grid::key(change.row, change.column));
    let mut builder = FactsBuilder::new();
    for other in before.places() {
        let id = builder.place(other.clone());
        let gone = if *other == place { change.go } else { 0 };
        for entry in before.entries(other).iter().skip(gone) {
            builder.add(id, entry.person, entry.doses);
        }
    }
    let id = builder.place(place);
    for person in 0..change.come {
        builder.add(id, 1_000_000 + person, 1);
    }
    let (series, first) = Series::first(&before, Policy::default());
    let next = series.next(&before, &builder.build()).unwrap();
    (first, next.release, next.published)
}

#[test]
fn one_person_waits() {
    let grid = Grid::new(&[&[7, 20], &[30, 40]]);
    let (first, second, published) = after(&grid, &Change { row: 0, column: 0, come: 1, go: 0 });
    assert_eq!(published, []);
    assert_eq!(second, first);
}

#[test]
fn ten_persons_whose_changes_nearly_cancel_wait() {
    let grid = Grid::new(&[&[17, 20], &[30, 40]]);
    let (first, second, _) = after(&grid, &Change { row: 0, column: 0, come: 6, go: 4 });
    assert_eq!(second.cells, first.cells);
    assert_eq!((second.waiting, first.waiting), (Some(10), Some(0)));
}

#[test]
fn what_was_hidden_stays_hidden() {
    let grid = Grid::new(&[&[4, 20], &[30, 40]]);
    let (first, second, published) = after(&grid, &Change { row: 0, column: 0, come: 5, go: 0 });
    assert_eq!(published.len(), 1);
    assert_eq!(second.cells, first.cells);
    assert!(second.cells.iter().all(|row| row.count.is_none()));
    assert_eq!((first.total, second.total), (Some(94), Some(99)));
}

#[test]
fn a_shown_cell_never_gets_small() {
    let grid = Grid::new(&[&[12, 20], &[30, 40]]);
    let (first, second, published) = after(&grid, &Change { row: 0, column: 0, come: 0, go: 8 });
    assert_eq!(published, []);
    assert_eq!(second.cells, first.cells);
    let (_, second, _) = after(&grid, &Change { row: 0, column: 0, come: 0, go: 12 });
    assert_eq!(second.cells.len(), 3);
}

#[test]
fn a_new_cell_appears_only_when_it_is_large() {
    let grid = Grid::new(&[&[12, 20], &[30]]);
    let (first, second, _) = after(&grid, &Change { row: 1, column: 1, come: 4, go: 0 });
    assert_eq!(second.cells, first.cells);
    let (_, second, _) = after(&grid, &Change { row: 1, column: 1, come: 5, go: 0 });
    assert_eq!(second.cells[3].count, Some(5));
}

#[test]
fn a_foreign_basis_is_refused() {
    let grid = Grid::new(&[&[3, 20], &[30, 40]]);
    let (series, _) = Series::first(&grid.facts().build(), Policy::default());
    let other = Grid::new(&[&[3, 20], &[30, 30]]).facts().build();
    assert!(series.next(&other, &other).is_err());
}

#[test]
fn a_series_is_the_same_after_it_was_stored() {
    let states = Grid::new(&[&[3, 20, 12], &[30, 40, 9], &[15, 8, 50]]).facts().build();
    let (series, _) = Series::first(&states, Policy::default());
    let stored = serde_json::to_string(&series).unwrap();
    assert_eq!(serde_json::from_str::<Series>(&stored).unwrap(), series);
}
