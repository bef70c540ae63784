//! A FHIR server whose clock is not ours.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, TimeDelta, Utc};
use domain::{Clock, SystemClock};
use fhir_client::double::{DoubleOptions, FhirDouble};
use local_stack::ProvinceService::Aggregator;
use serde_json::json;
use test_kit::{World, eventually};

use super::{Alone, cells, dose, follow, recorded};

/// Our time, and so many seconds.
#[derive(Debug, Default)]
pub(super) struct Off(pub(super) AtomicI64);

impl Clock for Off {
    fn now(&self) -> DateTime<Utc> {
        SystemClock.now() + TimeDelta::seconds(self.0.load(Ordering::Relaxed))
    }
}

pub(super) fn double(clock: &Arc<Off>) -> FhirDouble {
    FhirDouble::new(DoubleOptions { clock: clock.clone(), seed: 0 })
}

/// Creates, changes, deletes and brings back; returns how many records there are then.
async fn live_on(alone: &Alone, first: usize) -> usize {
    let double = &alone.double;
    let before = double.count("Immunization");
    for n in first..first + 6 {
        double.put_all(&recorded(n, "2018-05-06", "2019-07-01")).unwrap();
    }
    alone.has_read(before + 6).await;
    double.put_all(&[dose(&format!("d{first}"), first, "2023-07-01")]).unwrap();
    double.delete("Immunization", &format!("d{}", first + 1));
    double.delete("Immunization", &format!("d{}", first + 2));
    alone.has_read(before + 4).await;
    double.put_all(&[dose(&format!("d{}", first + 1), first + 1, "2020-07-01")]).unwrap();
    double.put_all(&recorded(first + 3, "2010-05-06", "2019-07-01")[..1]).unwrap();
    alone.has_read(before + 5).await;
    before + 5
}

/// Waits until the facts are what another aggregator makes of the same server from nothing.
async fn equals_a_fresh_rebuild(alone: &Alone) {
    let base = alone.base().to_owned();
    let fresh = World::with("fresh", &[("ON", Aggregator)], &|config| follow(config, &base)).await;
    let rebuilt = fresh.database("ON", Aggregator).await;
    let wanted: i64 = i64::try_from(alone.double.count("Immunization")).unwrap();
    let expected = eventually("a whole rebuild", async || {
        let found = cells(&rebuilt).await;
        (found.values().sum::<i64>() == wanted).then_some(found)
    })
    .await;
    eventually("the facts to equal it", async || (cells(&alone.facts).await == expected).then_some(())).await;
}

#[tokio::test]
async fn nothing_is_missed_of_a_server_whose_clock_is_five_minutes_off() {
    for seconds in [-300, 300] {
        let clock = Arc::new(Off(AtomicI64::new(seconds)));
        let alone = Alone::over("clock", "ON", double(&clock)).await;
        let first = live_on(&alone, 0).await;
        assert_eq!(live_on(&alone, 100).await, first + 5);
        equals_a_fresh_rebuild(&alone).await;
    }
}

#[tokio::test]
async fn nothing_is_missed_when_the_servers_clock_is_put_right() {
    let clock = Arc::new(Off::default());
    let alone = Alone::with_clock_margin("jump", double(&clock)).await;
    live_on(&alone, 0).await;
    for (first, seconds) in [(100, -300), (200, 0)] {
        clock.0.store(seconds, Ordering::Relaxed);
        live_on(&alone, first).await;
    }
    equals_a_fresh_rebuild(&alone).await;
    let published = json!({"reason": "clock"});
    let answer = alone.world.releases("ON").call(reqwest::Method::POST, "/releases").json(&published);
    assert_eq!(answer.send().await.unwrap().status(), 201);
}
