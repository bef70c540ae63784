//! How fast a package is read and checked, beside `serde_json` alone: `cargo bench -p fhir`.
//!
//! Behind Criterion's figures stands what the machine's other work does not blur: each round reads with both, one
//! after the other, and the ratio is the median over the rounds.
#![expect(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use criterion::{Criterion, Throughput, criterion_group};
use fhir::gate::{Limits, check_bundle, parse};
use fhir::origin::origins;
use fhir::rules::check_package;
use fhir::{Issue, references};
use serde_json::Value;

mod packages;

use packages::{Package, packages};

/// Rounds behind a ratio.
const ROUNDS: usize = 400;

fn gate(bytes: &[u8]) -> (Value, Vec<Issue>) {
    let limits = Limits::default();
    let bundle = parse(bytes, &limits).unwrap();
    let issues = check_bundle(&bundle, &limits);
    (bundle, issues)
}

fn now() -> DateTime<Utc> {
    "2026-06-02T12:00:00Z".parse().unwrap()
}

/// What an arrival does next: each resource by itself, with its origin records and what it refers to.
fn take_apart(bundle: &Value) -> Vec<(Value, usize)> {
    let entries = bundle["entry"].as_array().unwrap();
    let take = |entry: &Value| {
        let resource = entry["resource"].clone();
        let mut count = origins(&resource).len();
        references::for_each(&resource, &mut |_| count += 1);
        (resource, count)
    };
    entries.iter().map(take).collect()
}

fn each_part(criterion: &mut Criterion) {
    for Package { name, bytes } in packages() {
        let (bundle, issues) = gate(&bytes);
        assert_eq!(issues, [], "{name}");
        let refusing = check_package(&bundle, now()).into_iter().filter(|finding| finding.kind.refuses());
        assert_eq!(refusing.collect::<Vec<_>>(), [], "{name}");

        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::BytesDecimal(bytes.len() as u64));
        group.bench_function("serde_json::Value", |b| {
            b.iter(|| serde_json::from_slice::<Value>(black_box(&bytes)).unwrap());
        });
        group.bench_function("gate (parse and check)", |b| b.iter(|| gate(black_box(&bytes))));
        group.bench_function("parse", |b| b.iter(|| parse(black_box(&bytes), &Limits::default()).unwrap()));
        group.bench_function("check", |b| b.iter(|| check_bundle(black_box(&bundle), &Limits::default())));
        group.bench_function("rules", |b| b.iter(|| check_package(black_box(&bundle), now())));
        group.bench_function("take apart", |b| b.iter(|| take_apart(black_box(&bundle))));
        group.finish();
    }
}

fn time<T>(work: impl FnOnce() -> T) -> Duration {
    let start = Instant::now();
    black_box(work());
    start.elapsed()
}

#[expect(clippy::print_stdout, reason = "a benchmark's output is for a terminal")]
fn ratios() {
    for Package { name, bytes } in packages() {
        let round = |_| {
            let alone = time(|| serde_json::from_slice::<Value>(black_box(&bytes)).unwrap());
            let gate = time(|| gate(black_box(&bytes)));
            (alone, gate, alone.as_secs_f64() / gate.as_secs_f64())
        };
        let rounds: Vec<_> = (0..ROUNDS).map(round).collect();
        let mut ratios: Vec<f64> = rounds.iter().map(|(_, _, ratio)| *ratio).collect();
        ratios.sort_by(f64::total_cmp);
        let least = |times: Option<Duration>| times.unwrap().as_nanos();
        let (alone, gate) =
            (rounds.iter().map(|round| round.0).min(), rounds.iter().map(|round| round.1).min());
        println!(
            "{name}: {} bytes; best of {ROUNDS}: serde_json::Value {} MB/s, gate {} MB/s; the gate reads at {:.2} of \
             the speed of serde_json::Value (median)",
            bytes.len(),
            bytes.len() as u128 * 1000 / least(alone),
            bytes.len() as u128 * 1000 / least(gate),
            ratios[ROUNDS / 2],
        );
    }
}

criterion_group!(benches, each_part);

fn main() {
    benches();
    ratios();
    Criterion::default().configure_from_args().final_summary();
}
