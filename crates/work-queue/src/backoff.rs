//! How long to wait between attempts: pure.

use std::time::Duration;

/// Doubling pauses with full jitter, then long steps of hours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The pause after the first failure.
    pub base: Duration,
    /// Where doubling ends.
    pub early_cap: Duration,
    /// The pauses after that, the last one for ever.
    pub late: Vec<Duration>,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        let hours = |hours: u64| Duration::from_secs(hours * 3600);
        Self {
            base: Duration::from_secs(2),
            early_cap: Duration::from_mins(15),
            late: vec![hours(1), hours(4), hours(12), hours(24)],
        }
    }
}

impl RetryPolicy {
    /// Returns the pause after `failures` failed attempts before this one (0 = the first has just failed).
    ///
    /// `random` in 0..1 places it in the upper nine tenths of its range. A peer's `retry_after` is honoured where
    /// it is longer, up to the longest pause of the policy.
    pub fn delay(&self, failures: u32, retry_after: Option<Duration>, random: f64) -> Duration {
        let full = self.full(failures);
        let jittered = full.mul_f64(0.1 + 0.9 * random.clamp(0.0, 1.0));
        let longest = self.late.last().copied().unwrap_or(self.early_cap).max(self.early_cap);
        match retry_after {
            Some(asked) => jittered.max(asked.min(longest)),
            None => jittered,
        }
    }

    fn full(&self, failures: u32) -> Duration {
        let doublings = self.doublings();
        if failures < doublings {
            return self.base.saturating_mul(1u32 << failures.min(31)).min(self.early_cap);
        }
        let step = usize::try_from(failures - doublings).unwrap_or(usize::MAX);
        self.late.get(step).or(self.late.last()).copied().unwrap_or(self.early_cap)
    }

    /// Returns after how many failures the early cap is reached.
    fn doublings(&self) -> u32 {
        (0..31).find(|&n| self.base.saturating_mul(1 << n) >= self.early_cap).map_or(31, |n| n + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(failures: u32, retry_after: Option<u64>, random: f64) -> u64 {
        RetryPolicy::default().delay(failures, retry_after.map(Duration::from_secs), random).as_secs()
    }

    #[test]
    fn pauses_grow_from_seconds_to_a_day() {
        let full: Vec<_> = (0..16).map(|failures| seconds(failures, None, 1.0)).collect();
        assert_eq!(
            full,
            [2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 3600, 4 * 3600, 12 * 3600, 86_400, 86_400, 86_400]
        );
        assert_eq!(seconds(u32::MAX, None, 1.0), 86_400);
    }

    #[test]
    fn jitter_spreads_but_never_to_nothing() {
        assert_eq!(seconds(9, None, 0.0), 90);
        assert!(RetryPolicy::default().delay(0, None, 0.0) >= Duration::from_millis(200));
        assert_eq!(seconds(9, None, f64::NAN.max(0.0)), 90);
    }

    #[test]
    fn the_peers_wish_is_honoured_and_clamped() {
        assert_eq!(seconds(0, Some(30), 1.0), 30);
        assert_eq!(seconds(9, Some(30), 1.0), 900);
        assert_eq!(seconds(0, Some(10_000_000), 1.0), 86_400);
    }
}
