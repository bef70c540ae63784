//! Lets parked transfers go: all of them once nothing holds their lane, one of them to find out whether it may open.

use std::sync::Arc;
use std::time::Duration;

use service_kit::Chain;
use tokio::sync::Notify;

use crate::store::StoreError;
use crate::worker::Worker;

/// How often lanes are looked at.
const POLL: Duration = Duration::from_secs(1);

/// Looks at the lanes for ever.
pub async fn run(worker: Worker, outbox_filled: Arc<Notify>) {
    loop {
        match once(&worker).await {
            Ok(0) => {}
            Ok(_) => outbox_filled.notify_one(),
            Err(error) => tracing::error!(error = %Chain(&error), "parked transfers cannot be looked at"),
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Lets go what may go now; returns how many transfers the outbox holds more.
pub async fn once(worker: &Worker) -> Result<usize, StoreError> {
    let now = worker.now();
    let mut total = worker.store.send_probes(now).await?;
    loop {
        let woken = worker.store.wake(now).await?;
        total += woken;
        if woken == 0 {
            return Ok(total);
        }
        tracing::info!(count = woken, "parked transfers go on");
    }
}
