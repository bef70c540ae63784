//! Gauges of what waits: by state and peer, the oldest, and how each lane stands.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use contracts::peer::LaneState;
use domain::Jurisdiction;
use service_kit::Chain;

use crate::store::{Depth, LaneStanding, StoreError};
use crate::worker::Worker;

const POLL: Duration = Duration::from_secs(5);
const STATES: [&str; 4] = ["requested", "sealed", "delivered", "dead"];

/// Measures for ever. Where the ledger cannot be read the gauges show no number rather than an old one.
pub async fn run(worker: Worker) {
    let mut seen = BTreeSet::new();
    loop {
        let read = read(&worker).await;
        if let Err(error) = &read {
            tracing::error!(error = %Chain(error), "the ledger cannot be measured");
        }
        publish(&worker, &mut seen, read.ok());
        tokio::time::sleep(POLL).await;
    }
}

type Standing = (Vec<Depth>, BTreeMap<Jurisdiction, LaneStanding>);

async fn read(worker: &Worker) -> Result<Standing, StoreError> {
    Ok((worker.store.depths().await?, worker.store.lanes().await?))
}

#[expect(clippy::cast_precision_loss, reason = "gauges of counts and seconds far below 2^52")]
fn publish(worker: &Worker, seen: &mut BTreeSet<Jurisdiction>, standing: Option<Standing>) {
    let is_known = standing.is_some();
    let (depths, lanes) = standing.unwrap_or_default();
    seen.extend(worker.directory.all().into_iter().map(|entry| entry.code.clone()));
    seen.extend(depths.iter().map(|depth| depth.peer.clone()).chain(lanes.keys().cloned()));
    seen.remove(&worker.here);
    let number = |value: f64| if is_known { value } else { f64::NAN };
    let now = worker.now();
    for peer in seen.iter() {
        let of_peer = || depths.iter().filter(|depth| depth.peer == *peer);
        for state in STATES {
            let count = of_peer().find(|depth| depth.state == state).map_or(0, |depth| depth.count);
            metrics::gauge!("transfers", "peer" => peer.to_string(), "state" => state)
                .set(number(count as f64));
        }
        let oldest = of_peer().filter(|depth| depth.state != "dead").map(|depth| depth.oldest).min();
        let age = oldest.map_or(0, |oldest| (now - oldest).num_seconds().max(0));
        metrics::gauge!("transfer_oldest_waiting_seconds", "peer" => peer.to_string())
            .set(number(age as f64));
        let parked: u64 = of_peer().map(|depth| depth.parked).sum();
        metrics::gauge!("transfers_parked", "peer" => peer.to_string()).set(number(parked as f64));
        let lane = lanes.get(peer).map_or(LaneState::Open, |lane| lane.state);
        for state in [LaneState::Open, LaneState::Parked, LaneState::Paused] {
            metrics::gauge!("peer_lane", "peer" => peer.to_string(), "lane" => state.as_str())
                .set(number(f64::from(u8::from(lane == state))));
        }
    }
}
