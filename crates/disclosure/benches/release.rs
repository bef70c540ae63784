//! How fast releases are made: `cargo bench -p disclosure`.
#![expect(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use disclosure::{Policy, Series};

#[path = "../tests/protection/province.rs"]
mod province;
#[path = "../tests/protection/wide.rs"]
mod wide;

fn releases(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("release");
    group.sample_size(10);
    let cases = [
        ("of 20,000 people", province::province(20_000, 1), province::province(20_400, 1)),
        ("of 100,000 cells", wide::wide(1_000_000, 20), wide::wide(1_020_000, 20)),
        ("of 5 million facts", wide::wide(5_000_000, 2), wide::wide(5_100_000, 2)),
    ];
    for (name, facts, later) in cases {
        let (facts, later) = (facts.build(), later.build());
        group.bench_function(format!("first, {name}"), |b| {
            b.iter(|| Series::first(black_box(&facts), Policy::default()));
        });
        let (series, _) = Series::first(&facts, Policy::default());
        group.bench_function(format!("next, {name}"), |b| {
            b.iter(|| series.next(black_box(&facts), black_box(&later)).unwrap());
        });
    }
    group.bench_function("grouping 5 million facts", |b| {
        b.iter_batched(
            || wide::wide(5_000_000, 2),
            |facts| facts.build().places().len(),
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

criterion_group!(benches, releases);
criterion_main!(benches);
