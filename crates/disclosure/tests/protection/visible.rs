//! What protection may cost.

use disclosure::{Policy, Series};

use crate::figures::Figures;
use crate::province::province;
use crate::weeks::weeks;

fn figures(people: u64) -> Figures {
    let facts = province(people, 1).build();
    let (series, release) = Series::first(&facts, Policy::default());
    Figures::of(&facts, &series, &release)
}

#[test]
fn of_20_000_people_most_doses_and_margins_stay_visible() {
    let figures = figures(20_000);
    assert!(figures.visible_per_mille() >= 850, "{figures}");
    assert!(figures.hidden_margins * 10 <= figures.margins * 3, "{figures}");
}

#[test]
fn small_provinces_still_get_tables() {
    assert!(figures(2_000).visible_per_mille() >= 750);
    assert!(figures(300).hidden_margins < 600);
}

#[test]
fn the_same_facts_give_the_same_release() {
    let release = || Series::first(&province(2_000, 4).build(), Policy::default());
    assert_eq!(release(), release());
}

#[test]
fn after_ten_weeks_little_waits_and_no_shown_cell_has_moved_by_a_few() {
    let policy = Policy::default();
    let weeks = weeks(5_000, 10, policy, true);
    assert_eq!(weeks.releases.len(), 11);
    assert!(weeks.waiting() * 100 <= weeks.doses() * 2, "{} of {}", weeks.waiting(), weeks.doses());
    let k = i64::from(policy.threshold());
    for pair in weeks.releases.windows(2) {
        for row in &pair[1].cells {
            let before = pair[0].cells.iter().find(|before| before.key == row.key);
            let (Some(before), Some(after)) = (before.map_or(Some(0), |before| before.count), row.count)
            else {
                continue;
            };
            assert!(before == after || (after - before).abs() >= k, "{row:?} was {before}");
        }
    }
}
