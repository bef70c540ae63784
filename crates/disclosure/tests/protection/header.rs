//! The numbers beside the table: what is excluded, what waits.

use disclosure::{Count, Facts, Place, Policy, Release, Series};

use crate::support::Grid;

/// A table without secrets, and exclusions: reason and persons.
fn facts(excluded: &[(&str, u64)], more: &[u32]) -> Facts {
    let mut facts = Grid::new(&[&[50, 60], &[30, 40], more]).facts();
    for (reason, persons) in excluded {
        let place = facts.place(Place::Excluded((*reason).to_owned()));
        for person in 0..*persons {
            facts.add(place, person, 2);
        }
    }
    facts.build()
}

fn excluded(release: &Release) -> Vec<(&str, Count)> {
    release.excluded.iter().map(|row| (row.reason.as_str(), row.count)).collect()
}

#[test]
fn a_small_exclusion_is_hidden_with_the_smallest_other() {
    let facts = facts(&[("received", 9), ("refused", 3), ("reported", 8)], &[]);
    let (_, release) = Series::first(&facts, Policy::default());
    assert_eq!(excluded(&release), [("received", Some(18)), ("refused", None), ("reported", None)]);
    assert_eq!(release.total, Some(180));
}

#[test]
fn an_exclusion_moves_by_many_persons_or_waits() {
    let before = facts(&[("received", 9)], &[]);
    let (series, _) = Series::first(&before, Policy::default());
    let counts = |after: &Facts| {
        let next = series.next(&before, after).unwrap();
        next.release.excluded.iter().map(|row| row.count).collect::<Vec<_>>()
    };
    assert_eq!(counts(&facts(&[("received", 13)], &[])), [Some(18)]);
    assert_eq!(counts(&facts(&[("received", 14)], &[])), [Some(28)]);
    assert_eq!(counts(&facts(&[("received", 14), ("refused", 4)], &[])), [Some(28)]);
    assert_eq!(counts(&facts(&[("received", 3)], &[])), [Some(18)], "three would be left");
}

#[test]
fn the_number_of_waiting_changes_does_not_tell_of_a_few() {
    let before = facts(&[], &[]);
    let (series, _) = Series::first(&before, Policy::default());
    let waiting = |more: &[u32]| series.next(&before, &facts(&[], more)).unwrap().release.waiting;
    assert_eq!(waiting(&[4]), Some(0));
    assert_eq!(waiting(&[4, 3]), Some(7), "four and three persons, in two cells");
}

#[test]
fn no_facts_are_no_secret() {
    let (series, release) = Series::first(&Facts::default(), Policy::default());
    assert_eq!((release.total, release.cells.len()), (Some(0), 0));
    let grown = facts(&[("refused", 9)], &[]);
    let next = series.next(&Facts::default(), &grown).unwrap();
    assert_eq!((next.release.total, next.published.len()), (Some(180), 5));
}
