//! Who reads: by a client certificate where the connection has one, else by a bearer token; and how often.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use contracts::ProblemCode;
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use mtls::PeerIdentity;
use service_kit::ProblemResponse;
use service_kit::extract::{Bearer, Scope};

use super::State;

/// More readers than this at once: those that ask seldom are forgotten.
const MANY: usize = 1_000;

/// Who may read by certificate, and how often anyone may. Cheap to clone.
#[derive(Clone)]
pub struct Readers {
    by_certificate: Arc<BTreeSet<String>>,
    limiter: Arc<DefaultKeyedRateLimiter<String>>,
}

impl Readers {
    /// Lets these SPIFFE ids in, and everyone so often in a minute, at least once.
    pub fn new(by_certificate: impl IntoIterator<Item = String>, per_minute: u32) -> Self {
        let quota = Quota::per_minute(NonZeroU32::new(per_minute).unwrap_or(NonZeroU32::MIN));
        Self {
            by_certificate: Arc::new(by_certificate.into_iter().collect()),
            limiter: Arc::new(RateLimiter::keyed(quota)),
        }
    }

    /// Counts a request of this reader, or says when it may send the next one.
    fn admit(&self, reader: &str) -> Result<(), Duration> {
        if self.limiter.len() > MANY {
            self.limiter.retain_recent();
        }
        let checked = self.limiter.check_key(&reader.to_owned());
        checked.map_err(|until| until.wait_time_from(DefaultClock::default().now()))
    }
}

struct Read;
impl Scope for Read {
    const NAME: &'static str = "aggregate.read";
}

/// Someone who may read, within its rate.
pub struct Reader;

impl FromRequestParts<State> for Reader {
    type Rejection = ProblemResponse;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, ProblemResponse> {
        let certificate = parts.extensions.get::<PeerIdentity>();
        let reader = if let Some(identity) = certificate {
            let id = identity.spiffe_id().as_str();
            if !state.readers.by_certificate.contains(id) {
                tracing::warn!(peer.identity = id, "a service that may not read has called");
                return Err(ProblemResponse::new(ProblemCode::UnknownPeer)
                    .detail("the certificate is not that of a reader"));
            }
            id.to_owned()
        } else {
            format!("token:{}", Bearer::<Read>::from_request_parts(parts, state).await?.caller.subject)
        };
        let too_often = |wait| {
            ProblemResponse::new(ProblemCode::RateLimited).detail("too many requests").retry_after(wait)
        };
        state.readers.admit(&reader).map_err(too_often)?;
        Ok(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_has_spent_its_minute_waits_and_no_other_does() {
        let readers = Readers::new([], 2);
        assert_eq!((readers.admit("a"), readers.admit("a")), (Ok(()), Ok(())));
        let wait = readers.admit("a").unwrap_err();
        assert!(wait > Duration::ZERO && wait <= Duration::from_secs(30), "{wait:?}");
        assert_eq!(readers.admit("b"), Ok(()));
    }
}
