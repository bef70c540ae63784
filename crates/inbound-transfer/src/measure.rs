//! Gauges of what has arrived and is not committed: by state and sender, and the oldest plan that waits.

use std::collections::BTreeSet;
use std::time::Duration;

use service_kit::Chain;

use crate::intake::Intake;

const POLL: Duration = Duration::from_secs(5);
const STATES: [&str; 3] = ["received", "planned", "refused"];

/// Measures for ever. Where the ledger cannot be read the gauges show no number rather than an old one.
#[expect(clippy::cast_precision_loss, reason = "gauges of counts and seconds far below 2^52")]
pub async fn run(intake: Intake) {
    let mut seen = BTreeSet::new();
    loop {
        let standing = intake.store.standing().await;
        if let Err(error) = &standing {
            tracing::error!(error = %Chain(error), "the ledger cannot be measured");
        }
        let is_known = standing.is_ok();
        let standing = standing.unwrap_or_default();
        seen.extend(standing.iter().map(|one| one.sender.clone()));
        let number = |value: f64| if is_known { value } else { f64::NAN };
        for sender in &seen {
            for state in STATES {
                let found = standing.iter().find(|one| one.sender == *sender && one.state == state);
                metrics::gauge!("arrivals", "peer" => sender.clone(), "state" => state)
                    .set(number(found.map_or(0.0, |one| one.count as f64)));
            }
        }
        let oldest = standing.iter().filter(|one| one.state == "planned").map(|one| one.oldest).min();
        let age = oldest.map_or(0, |oldest| (intake.clock.now() - oldest).num_seconds().max(0));
        metrics::gauge!("plan_oldest_waiting_seconds").set(number(age as f64));
        tokio::time::sleep(POLL).await;
    }
}
