//! The step `sealed` → `delivered`: the same bytes, until a verified receipt says they are committed.

use std::collections::BTreeMap;
use std::sync::Arc;

use auth::{ExpectedReceipt, ReceiptMismatch};
use contracts::{ContentDigest, ProblemCode, Receipt};
use peers::{JurisdictionEntry, JurisdictionState};

use crate::peer_client::{Peer, PeerAnswer};
use crate::step::{FaultClass, StepError};
use crate::store::{Claim, Leaving};
use crate::worker::Worker;

/// Hands the package over and keeps the verified receipt.
pub async fn deliver(
    worker: &Worker,
    claim: &Claim,
    destination: &JurisdictionEntry,
    leaving: Leaving,
) -> Result<(), StepError> {
    let Leaving { digest, counts, sealed, .. } = leaving;
    let peer = worker.peers.inbound(destination)?;
    let package = worker.keys.open(&sealed.key_id, &sealed.bytes, claim.id.uuid().as_bytes());
    let package = package.map_err(|error| ours(error.to_string()))?;
    if ContentDigest::of(&package) != digest {
        return Err(ours("the stored package does not have its digest".to_owned()));
    }
    service_kit::hold::point("before-delivery").await;
    let left_at = worker.now();
    let answer = peer.put(claim.id, digest, package).await?;
    service_kit::hold::point("before-receipt").await;
    match answer {
        PeerAnswer::Receipt(jws) => {
            let receipt = verified(worker, claim, &peer, (digest, counts), &jws, FaultClass::PeerOrTrust)?;
            let now = worker.now();
            worker.store.delivered(claim, &receipt, &jws, now).await?;
            service_kit::hold::point("after-receipt").await;
            let latency = (now - left_at).to_std().unwrap_or_default();
            metrics::histogram!("transfer_receipt_seconds", "peer" => claim.transfer_to.to_string())
                .record(latency.as_secs_f64());
            Ok(())
        }
        PeerAnswer::OtherBytes if fetch_receipt(worker, claim).await? => Ok(()),
        PeerAnswer::OtherBytes => {
            Err(ours("the destination knows this transfer with other bytes".to_owned()))
        }
        PeerAnswer::Unknown => Err(StepError::failed(
            FaultClass::PeerOrTrust,
            ProblemCode::PeerFault,
            "the destination's gateway has no inbound-transfer at the address in the directory",
        )),
    }
}

/// Asks the destination for the receipt of an earlier delivery; tells whether it had one and it was good.
pub async fn fetch_receipt(worker: &Worker, claim: &Claim) -> Result<bool, StepError> {
    match ask_for_receipt(worker, claim).await? {
        Some((receipt, jws)) => {
            worker.store.delivered(claim, &receipt, &jws, worker.now()).await?;
            service_kit::hold::point("after-receipt").await;
            Ok(true)
        }
        None => Ok(false),
    }
}

/// Returns the destination's receipt, verified, if it has one.
pub async fn ask_for_receipt(worker: &Worker, claim: &Claim) -> Result<Option<(Receipt, String)>, StepError> {
    let peer = worker.peers.inbound(&*active_entry(worker, claim)?)?;
    let sealed = worker.store.sealed_as(claim).await?;
    match peer.receipt(claim.id).await? {
        // Other bytes that it committed it once got from us: our ledger is older than that.
        PeerAnswer::Receipt(jws) => {
            Ok(Some((verified(worker, claim, &peer, sealed, &jws, FaultClass::Ours)?, jws)))
        }
        PeerAnswer::Unknown | PeerAnswer::OtherBytes => Ok(None),
    }
}

/// Verifies a receipt; `other_bytes` says whose fault it is if it proves the commit of other bytes.
fn verified(
    worker: &Worker,
    claim: &Claim,
    peer: &Peer,
    (digest, counts): (ContentDigest, BTreeMap<String, u64>),
    jws: &str,
    other_bytes: FaultClass,
) -> Result<Receipt, StepError> {
    let invalid = |class, what: String| StepError::failed(class, ProblemCode::ReceiptInvalid, what);
    let now = u64::try_from(worker.now().timestamp()).unwrap_or_default();
    let receipt = auth::verify_receipt(jws, worker.peers.credentials(), peer.identity(), now)
        .map_err(|error| invalid(FaultClass::PeerOrTrust, error.to_string()))?;
    let expected = ExpectedReceipt {
        issuer: claim.transfer_to.clone(),
        audience: worker.here.clone(),
        transfer_id: claim.id,
        digest: digest.to_string(),
        counts,
    };
    auth::check_receipt(&receipt, &expected).map_err(|error| {
        let class = if error == ReceiptMismatch::Digest { other_bytes } else { FaultClass::PeerOrTrust };
        invalid(class, error.to_string())
    })?;
    Ok(receipt)
}

/// Returns the destination's entry, as long as it takes part.
pub fn active_entry(worker: &Worker, claim: &Claim) -> Result<Arc<JurisdictionEntry>, StepError> {
    match worker.directory.get(&claim.transfer_to) {
        Some(entry) if entry.state == JurisdictionState::Active => Ok(entry),
        _ => Err(StepError::failed(
            FaultClass::PeerOrTrust,
            ProblemCode::UnknownDestination,
            format!("{} is not active in the directory", claim.transfer_to),
        )),
    }
}

fn ours(what: String) -> StepError {
    StepError::failed(FaultClass::Ours, ProblemCode::Internal, what)
}
