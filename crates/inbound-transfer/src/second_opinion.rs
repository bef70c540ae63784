//! A second opinion on some packages: the FHIR server's own validator. It changes nothing; it says where our gate and
//! the server differ on what really arrives.

use std::time::Duration;

use contracts::ContentDigest;
use domain::TransferId;
use fhir_client::{FhirError, FhirServer};
use futures::{StreamExt, stream};
use service_kit::Chain;

use crate::unit::{Arriving, Unit};

/// Resources that are validated at a time.
const AT_ONCE: usize = 4;
/// The longest that a package waits for it.
const LIMIT: Duration = Duration::from_secs(10);

/// Tells whether a transfer is one of the sample: always the same answer for the same transfer.
pub fn is_wanted(id: TransferId, sample: f64) -> bool {
    let digest = ContentDigest::of(id.to_string().as_bytes());
    let [a, b, c, d, ..] = *digest.as_bytes();
    f64::from(u32::from_be_bytes([a, b, c, d])) < sample * (f64::from(u32::MAX) + 1.0)
}

/// Has the resources of a package validated that the gate has passed, and counts and logs the errors.
pub async fn ask(fhir: &FhirServer, unit: &Unit) {
    let (id, peer) = (unit.id, &unit.sender);
    let asking = async {
        let calls: Vec<_> = unit.all().map(|arriving| judge(fhir, arriving)).collect();
        let mut judged = stream::iter(calls).buffer_unordered(AT_ONCE);
        while let Some((resource_type, errors)) = judged.next().await {
            let errors = errors?;
            metrics::counter!("inbound_validated_resources_total", "peer" => peer.to_string()).increment(1);
            if !errors.is_empty() {
                metrics::counter!("inbound_validate_disagreements_total", "peer" => peer.to_string())
                    .increment(1);
                tracing::warn!(transfer.id = %id, peer = %peer, resource_type, errors = errors.join(" "),
                    "the FHIR server's validator finds errors in what the gate has passed");
            }
        }
        Ok::<(), FhirError>(())
    };
    match tokio::time::timeout(LIMIT, asking).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::warn!(transfer.id = %id, peer = %peer, error = %Chain(&error), "a package was not validated");
        }
        Err(_) => {
            tracing::warn!(transfer.id = %id, peer = %peer, "a package was not validated to its end in time");
        }
    }
}

async fn judge<'a>(fhir: &FhirServer, arriving: &'a Arriving) -> (&'a str, Result<Vec<String>, FhirError>) {
    (&arriving.resource_type, fhir.validate(&arriving.resource_type, &arriving.resource).await)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_is_the_fraction_that_was_asked_for_and_always_the_same() {
        let ids: Vec<TransferId> = (0..2000).map(|_| TransferId::generate()).collect();
        let count = |sample| ids.iter().filter(|id| is_wanted(**id, sample)).count();
        assert_eq!((count(0.0), count(1.0)), (0, ids.len()));
        assert!((300..500).contains(&count(0.2)), "{}", count(0.2));
        assert_eq!(count(0.2), count(0.2));
    }
}
