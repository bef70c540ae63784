//! Whether a verified receipt proves a transfer: same parties, same transfer, same bytes, all accounted for.

use std::collections::BTreeMap;

use contracts::receipt::Receipt;
use domain::{Jurisdiction, TransferId};

/// What the origin knows about what it sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectedReceipt {
    /// The destination.
    pub issuer: Jurisdiction,
    /// Ourselves, the origin.
    pub audience: Jurisdiction,
    /// The transfer.
    pub transfer_id: TransferId,
    /// The digest of the sealed package, as the receipt writes it.
    pub digest: String,
    /// Resources sent, by type.
    pub counts: BTreeMap<String, u64>,
}

/// The first point in which a receipt proves something else.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptMismatch {
    /// Another destination states it.
    #[error("receipt is issued by another jurisdiction")]
    Issuer,
    /// It is meant for another origin.
    #[error("receipt is meant for another jurisdiction")]
    Audience,
    /// It is about another transfer.
    #[error("receipt is about another transfer")]
    Transfer,
    /// It is about other bytes.
    #[error("receipt is about other bytes")]
    Digest,
    /// Outcomes of a type do not sum to what was sent.
    #[error("receipt accounts for {stated:?} of {sent} resources of type {type_name}")]
    Counts {
        /// The resource type.
        type_name: String,
        /// How many were sent.
        sent: u64,
        /// How many it accounts for; nothing when the sum overflows.
        stated: Option<u64>,
    },
    /// The patient it names is not one of the destination's.
    #[error("receipt names no patient of its issuer")]
    Patient,
}

/// Compares a receipt with what was sent, exactly.
///
/// # Errors
/// [`ReceiptMismatch`], the first one found.
pub fn check_receipt(receipt: &Receipt, expected: &ExpectedReceipt) -> Result<(), ReceiptMismatch> {
    if receipt.iss != expected.issuer {
        return Err(ReceiptMismatch::Issuer);
    }
    if receipt.aud != expected.audience {
        return Err(ReceiptMismatch::Audience);
    }
    if receipt.jti != expected.transfer_id {
        return Err(ReceiptMismatch::Transfer);
    }
    if receipt.digest != expected.digest {
        return Err(ReceiptMismatch::Digest);
    }
    for type_name in receipt.counts.keys().chain(expected.counts.keys()) {
        let sent = expected.counts.get(type_name).copied().unwrap_or(0);
        let stated = receipt.counts.get(type_name).map_or(Some(0), contracts::receipt::OutcomeCounts::total);
        if stated != Some(sent) {
            // A name that was not sent comes from the peer and is not repeated.
            let known = expected.counts.contains_key(type_name);
            let type_name = if known { type_name.clone() } else { "unknown".to_owned() };
            return Err(ReceiptMismatch::Counts { type_name, sent, stated });
        }
    }
    let prefix = format!("{}/Patient/", expected.issuer.as_str());
    match receipt.patient.strip_prefix(&prefix) {
        Some(id) if !id.is_empty() && !id.contains('/') => Ok(()),
        _ => Err(ReceiptMismatch::Patient),
    }
}
