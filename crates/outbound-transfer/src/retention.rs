//! Deletes package bytes some days after a transfer was completed or cancelled; ids, digests, receipts and audit stay.

use std::time::Duration;

use chrono::TimeDelta;
use service_kit::Chain;

use crate::store::StoreError;
use crate::worker::Worker;

/// How often it is looked for packages whose time is over.
const POLL: Duration = Duration::from_mins(10);

/// Looks for packages whose time is over, for ever.
pub async fn run(worker: Worker, keep: TimeDelta) {
    loop {
        match once(&worker, keep).await {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "packages were deleted whose time was over"),
            Err(error) => tracing::error!(error = %Chain(&error), "old packages could not be deleted"),
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Deletes every package whose time is over; returns how many.
pub async fn once(worker: &Worker, keep: TimeDelta) -> Result<usize, StoreError> {
    let now = worker.now();
    let mut total = 0;
    loop {
        match worker.store.purge_old(now - keep, "outbound-transfer", now).await? {
            0 => return Ok(total),
            purged => total += purged,
        }
    }
}
