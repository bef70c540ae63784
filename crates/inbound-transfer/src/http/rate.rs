//! How many packages a peer may send in a minute, as its entry in the directory allows.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use peers::JurisdictionEntry;

use super::PerPeer;

/// The limiter of each peer. Cheap to clone.
#[derive(Clone, Default)]
pub struct Rates {
    limiters: PerPeer<DefaultDirectRateLimiter>,
}

impl Rates {
    /// Counts a package of this peer, or says when it may send the next one. A changed limit begins anew.
    pub fn admit(&self, peer: &JurisdictionEntry) -> Result<(), Duration> {
        let allowed = peer.limits.packages_per_minute;
        let Some(quota) = NonZeroU32::new(allowed).map(Quota::per_minute) else {
            return Err(Duration::from_mins(1)); // none at all
        };
        let limiter = self.limiters.of(&peer.code, allowed, || RateLimiter::direct(quota));
        limiter.check().map_err(|until| until.wait_time_from(DefaultClock::default().now()))
    }
}

#[cfg(test)]
mod tests {
    use domain::Jurisdiction;
    use peers::{Gateway, Identities, JurisdictionState, Limits, Names, Role};

    use super::*;

    fn peer(code: &str, packages_per_minute: u32) -> JurisdictionEntry {
        JurisdictionEntry {
            code: Jurisdiction::parse(code).unwrap(),
            name: Names { en: code.to_owned(), fr: code.to_owned() },
            role: Role::Pt,
            state: JurisdictionState::Active,
            gateway: Gateway::default(),
            identities: Identities::default(),
            limits: Limits { packages_per_minute, ..Limits::default() },
        }
    }

    #[test]
    fn a_peer_that_has_spent_its_minute_waits_and_no_other_does() {
        let rates = Rates::default();
        for _ in 0..3 {
            assert_eq!(rates.admit(&peer("ON", 3)), Ok(()));
        }
        let wait = rates.admit(&peer("ON", 3)).unwrap_err();
        assert!(wait > Duration::ZERO && wait <= Duration::from_secs(20), "{wait:?}");
        assert_eq!(rates.admit(&peer("BC", 3)), Ok(()));
        assert_eq!(rates.admit(&peer("ON", 4)), Ok(()), "a changed limit holds at once");
        assert!(rates.admit(&peer("QC", 0)).is_err());
    }
}
