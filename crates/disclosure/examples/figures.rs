//! What protection costs: `cargo run -p disclosure --release --example figures`.
#![expect(clippy::print_stdout, reason = "its output is for a terminal")]

use std::time::{Duration, Instant};

use disclosure::{Facts, Policy, Release, Series};

#[path = "../tests/protection/figures.rs"]
mod figures;
#[path = "../tests/protection/province.rs"]
mod province;
#[path = "../tests/protection/weeks.rs"]
mod weeks;
#[path = "../tests/protection/wide.rs"]
mod wide;

fn main() {
    let policies = [Policy::new(5), Policy::new(10)].into_iter().flatten();
    for policy in policies {
        for (people, seed) in [(300, 1), (2_000, 1), (20_000, 1), (20_000, 2), (20_000, 3), (350_000, 1)] {
            let facts = province::province(people, seed).build();
            print(&format!("{people} people, seed {seed}"), &facts, policy);
        }
    }
    for people in [300, 2_000, 20_000] {
        let weeks = weeks::weeks(people, 10, Policy::default(), true);
        let total = weeks.releases.last().and_then(|release| release.total).unwrap_or(0);
        let (waiting, doses) = (weeks.waiting(), weeks.doses());
        println!(
            "{people} people after {} weeks: {waiting} of {doses} doses wait ({}), the total is off by {}",
            weeks.counted.len() - 1,
            thousandths(waiting, doses),
            thousandths((doses - total).abs(), doses)
        );
    }
    let start = Instant::now();
    let facts = wide::wide(5_000_000, 2).build();
    println!("five million facts made and grouped in {:.1?}", start.elapsed());
    print("every 2nd cell small", &facts, Policy::default());
    let later = wide::wide(5_100_000, 2).build();
    let (series, _, _) = time(&facts, Policy::default());
    let start = Instant::now();
    let published = series.next(&facts, &later).map_or(0, |next| next.published.len());
    println!("100,000 facts later: {published} places published; {:.2?}; {}", start.elapsed(), peak_memory());
    drop((facts, later));
    for nth in [5, 20, 100, 1000] {
        print(&format!("every {nth}th cell small"), &wide::wide(1_000_000, nth).build(), Policy::default());
    }
}

fn print(name: &str, facts: &Facts, policy: Policy) {
    let (series, release, took) = time(facts, policy);
    let figures = figures::Figures::of(facts, &series, &release);
    println!("{name}, k = {}: {figures}; {took:.2?}", policy.threshold());
}

fn time(facts: &Facts, policy: Policy) -> (Series, Release, Duration) {
    let start = Instant::now();
    let (series, release) = Series::first(facts, policy);
    (series, release, start.elapsed())
}

fn thousandths(part: i64, whole: i64) -> String {
    let share = part * 100_000 / whole.max(1);
    format!("{}.{:03} %", share / 1000, share % 1000)
}

/// The most memory the process had, as Linux tells it.
fn peak_memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or("peak memory unknown").to_owned()
}
