//! Says in time that a certificate, or the revocation lists, are about to end.

use super::Credentials;

/// Days left at which it is said, once each.
const WARN_AT_DAYS: [u64; 3] = [60, 30, 7];
const DAY: u64 = 24 * 60 * 60;

/// What was said already.
#[derive(Debug, Default)]
pub(super) struct Warned {
    certificate: Option<(u64, u64)>,
    lists: Option<u64>,
}

impl Warned {
    /// Says what is new to say at this moment, in seconds since 1970.
    pub(super) fn look(&mut self, credentials: &Credentials, now: u64) {
        let ends = credentials.not_after();
        let due = threshold(ends, now).map(|days| (ends, days));
        if due.is_some() && due != self.certificate {
            tracing::warn!(
                spiffe_id = %credentials.spiffe_id(), not_after = ends, days_left = ends.saturating_sub(now) / DAY,
                "our certificate ends soon; peers refuse us from then on"
            );
        }
        self.certificate = due;

        let ended = credentials.trust().lists_end().filter(|end| *end <= now);
        if ended.is_some() && ended != self.lists {
            tracing::error!(
                ended_at = ended,
                "a revocation list is out of date; peers of its issuer are refused"
            );
        }
        self.lists = ended;
    }
}

/// Returns the lowest threshold that is reached.
fn threshold(ends: u64, now: u64) -> Option<u64> {
    let left = ends.saturating_sub(now);
    WARN_AT_DAYS.into_iter().filter(|days| left <= days * DAY).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_at_60_30_and_7_days_and_after_the_end() {
        let now = 1_000_000_000;
        let at = |days| threshold(now + days * DAY, now);
        assert_eq!(
            [at(61), at(60), at(31), at(30), at(8), at(7), at(0)],
            [None, Some(60), Some(60), Some(30), Some(30), Some(7), Some(7)]
        );
        assert_eq!(threshold(now - 1, now), Some(7), "it has ended");
    }
}
