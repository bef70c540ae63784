//! Waiting for a condition instead of sleeping.

use std::time::{Duration, Instant};

/// The longest that any condition may take; a hang, not a speed, is what it catches.
const PATIENCE: Duration = Duration::from_mins(3);

/// Asks `look` again and again until it gives something.
///
/// # Panics
/// When it gives nothing for three minutes; `what` then says what was waited for.
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(started.elapsed() < PATIENCE, "waited in vain for: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
