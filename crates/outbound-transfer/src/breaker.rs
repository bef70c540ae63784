//! The breaker of a peer: when its lane is parked, and for how long. Pure.
//!
//! A parked lane sends one transfer from time to time, to find out whether the peer answers again. Parked time
//! costs a transfer neither attempts nor horizon.

use std::time::Duration;

use crate::step::FaultClass;

/// When a lane is parked, and how long it stays so.
#[derive(Debug, Clone)]
pub struct BreakerPolicy {
    /// Failures in a row that park it; a fault of trust parks it at once.
    pub failures: u32,
    /// The pause before the first probe; it doubles.
    pub first_pause: Duration,
    /// The longest pause between probes.
    pub longest_pause: Duration,
}

impl Default for BreakerPolicy {
    fn default() -> Self {
        Self { failures: 5, first_pause: Duration::from_secs(5), longest_pause: Duration::from_mins(5) }
    }
}

impl BreakerPolicy {
    /// Returns how long the lane is parked after this many failures in a row, the present one of `class` included;
    /// `None` when it stays open.
    ///
    /// `random` in 0..1 shortens the pause by up to a fifth, so that not everybody asks a peer at once that has come
    /// back. A peer's `retry_after` is honoured where it is longer, up to the longest pause.
    pub fn park(
        &self,
        failures: u32,
        class: FaultClass,
        retry_after: Option<Duration>,
        random: f64,
    ) -> Option<Duration> {
        let is_trust = class == FaultClass::PeerOrTrust;
        if !is_trust && failures < self.failures {
            return None;
        }
        let probes = if is_trust { failures.saturating_sub(1) } else { failures - self.failures };
        let full = self.first_pause.saturating_mul(1 << probes.min(20)).min(self.longest_pause);
        let pause = full.mul_f64(1.0 - random.clamp(0.0, 1.0) / 5.0);
        Some(pause.max(retry_after.unwrap_or_default().min(self.longest_pause)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(failures: u32, class: FaultClass, retry_after: Option<u64>) -> Option<u64> {
        let retry_after = retry_after.map(Duration::from_secs);
        BreakerPolicy::default().park(failures, class, retry_after, 0.0).map(|pause| pause.as_secs())
    }

    #[test]
    fn some_failures_in_a_row_park_a_lane_and_lost_trust_at_once() {
        let transient: Vec<_> = (1..=12).map(|n| seconds(n, FaultClass::Transient, None)).collect();
        let parked = [5, 10, 20, 40, 80, 160, 300, 300].map(Some);
        assert_eq!(transient[..4], [None; 4]);
        assert_eq!(transient[4..], parked);
        assert_eq!(seconds(1, FaultClass::PeerOrTrust, None), Some(5));
        assert_eq!(seconds(u32::MAX, FaultClass::PeerOrTrust, None), Some(300));
    }

    #[test]
    fn the_peers_wish_is_honoured_and_clamped() {
        assert_eq!(seconds(5, FaultClass::Transient, Some(60)), Some(60));
        assert_eq!(seconds(5, FaultClass::Transient, Some(86_400)), Some(300));
        let shortest = BreakerPolicy::default().park(5, FaultClass::Transient, None, 1.0);
        assert_eq!(shortest, Some(Duration::from_secs(4)));
    }
}
