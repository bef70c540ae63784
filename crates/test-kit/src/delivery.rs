//! A package sent by hand, and what became of it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use contracts::receipt::ReceiptDocument;
use contracts::{Problem, Receipt};
use domain::TransferId;
use serde_json::Value;

use crate::package::package_of;
use crate::{Person, World, eventually};

/// Sends a person's record from one province to another, as it would be sealed there.
///
/// # Errors
/// The problem that it was refused with.
///
/// # Panics
/// When the gateway answers neither.
pub async fn deliver(world: &World, person: &Person, from: &str, to: &str) -> Result<Receipt, Problem> {
    let id = TransferId::generate();
    deliver_package(world, &package_of(person, from, id), from, to, id).await
}

/// Sends a package; a receipt's four outcomes must sum to what was sent.
///
/// # Errors
/// The problem that it was refused with.
///
/// # Panics
/// When the gateway answers neither, or the receipt does not account for everything.
pub async fn deliver_package(
    world: &World,
    package: &Value,
    from: &str,
    to: &str,
    id: TransferId,
) -> Result<Receipt, Problem> {
    let bytes = package.to_string().into_bytes();
    // A gateway that is busy, or still at it, is asked again, as a sender would.
    let (status, body) = eventually("an answer to a package", async || {
        let answer = world.put(from, to, id, &bytes).await;
        let status = answer.status().as_u16();
        let body = answer.bytes().await.expect("a body");
        (![202, 503].contains(&status)).then_some((status, body))
    })
    .await;
    if ![200, 201].contains(&status) {
        return Err(serde_json::from_slice(&body).expect("a problem"));
    }
    let document: ReceiptDocument = serde_json::from_slice(&body).expect("a receipt document");
    let payload = document.receipt.split('.').nth(1).expect("a payload");
    let payload = URL_SAFE_NO_PAD.decode(payload).expect("base64url");
    let receipt: Receipt = serde_json::from_slice(&payload).expect("a receipt");
    let accounted: u64 = receipt.counts.values().filter_map(contracts::OutcomeCounts::total).sum();
    let sent = package["entry"].as_array().map_or(0, Vec::len) as u64;
    assert_eq!(accounted, sent, "the outcomes do not sum to what was sent: {:?}", receipt.counts);
    Ok(receipt)
}
