//! Finishes plans whose worker has died, without waiting for the sender to ask again.

use std::time::Duration;

use service_kit::Chain;

use crate::commit;
use crate::intake::Intake;

const POLL: Duration = Duration::from_secs(5);
const BATCH: i64 = 10;

/// Looks for unfinished plans for ever.
pub async fn run(intake: Intake) {
    loop {
        once(&intake).await;
        tokio::time::sleep(POLL).await;
    }
}

/// Finishes the plans that nobody is carrying out.
pub async fn once(intake: &Intake) {
    let now = intake.clock.now();
    let lease_until = now + intake.lease;
    let claims = match intake.store.claim_unfinished("inbound-transfer", now, lease_until, BATCH).await {
        Ok(claims) => claims,
        Err(error) => {
            tracing::error!(
                error = %Chain(&error),
                "unfinished plans cannot be looked for"
            );
            return;
        }
    };
    for (claim, stored) in claims {
        match intake.keeping(&claim, Box::pin(commit::resume(intake, &claim, &stored))).await {
            Ok(_) => {
                tracing::warn!(transfer.id = %claim.id, peer = %claim.sender, "an unfinished plan was finished");
            }
            Err(error) => {
                tracing::error!(transfer.id = %claim.id, peer = %claim.sender, ?error, "an unfinished plan stays so");
                if let Err(error) = intake.store.given_back(&claim).await {
                    tracing::error!(error = %Chain(&error), "its lease runs out by itself");
                }
            }
        }
    }
}
