//! Receipts: signed by the destination's inbound-transfer, verified against its exact name.
//!
//! A receipt does not expire. Its chain is judged at the moment of reception, and an expired one is asked
//! for again, to come back with the same payload and a renewed signature.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use contracts::receipt::Receipt;
use mtls::{ChainFault, CredentialError, Credentials, Purpose, SpiffeId, verify_es256};
use serde::{Deserialize, Serialize};

/// The one `typ` of a receipt: no other document signed by the same key can be taken for one.
const TYPE: &str = "iidi-receipt+jwt";
const ALGORITHM: &str = "ES256";
/// Largest receipt in bytes.
const LARGEST: usize = 1024 * 1024;

/// Why a receipt could not be made, or proves nothing. Sorted by what to do next.
#[derive(Debug, thiserror::Error)]
pub enum ReceiptError {
    /// Our own key cannot sign: someone must replace it.
    #[error("receipt cannot be signed")]
    Signing {
        /// Why.
        source: CredentialError,
    },
    /// The payload cannot be written as JSON.
    #[error("receipt cannot be written")]
    Writing {
        /// Why.
        source: serde_json::Error,
    },
    /// Not a receipt, or not in the one accepted form: a fault of the peer.
    #[error("receipt is malformed: {what}")]
    Malformed {
        /// What is wrong, without content.
        what: &'static str,
    },
    /// The signer's chain is not trusted now. Where it has only expired, asking again brings a new signature.
    #[error("receipt's signer is not trusted")]
    Chain {
        /// Why.
        source: ChainFault,
    },
    /// Someone else than the expected service signed it: a trust fault.
    #[error("receipt is signed by another service")]
    Signer,
    /// The signature does not belong to this content: a trust fault.
    #[error("receipt's signature is wrong")]
    Signature,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    typ: String,
    x5c: Vec<String>,
}

/// Signs a payload as a compact JWS with the key of our certificate in force, its chain in `x5c`.
///
/// # Errors
/// [`ReceiptError::Signing`] or [`ReceiptError::Writing`].
pub fn sign_receipt(payload: &impl Serialize, credentials: &Credentials) -> Result<String, ReceiptError> {
    let signer = credentials.signer();
    let header = Header {
        alg: ALGORITHM.to_owned(),
        typ: TYPE.to_owned(),
        x5c: signer.chain_der().iter().map(|part| STANDARD.encode(part)).collect(),
    };
    let encode = |json: serde_json::Result<Vec<u8>>| {
        json.map(|json| URL_SAFE_NO_PAD.encode(json)).map_err(|source| ReceiptError::Writing { source })
    };
    let mut jws = encode(serde_json::to_vec(&header))?;
    jws.push('.');
    jws.push_str(&encode(serde_json::to_vec(payload))?);
    let signature = signer.sign_es256(jws.as_bytes()).map_err(|source| ReceiptError::Signing { source })?;
    jws.push('.');
    jws.push_str(&URL_SAFE_NO_PAD.encode(signature));
    Ok(jws)
}

/// Verifies a receipt at a moment (seconds since 1970) and returns what it states.
///
/// What it states is compared with what was sent by [`crate::check_receipt`].
///
/// # Errors
/// [`ReceiptError`], never one of signing or writing.
pub fn verify_receipt(
    jws: &str,
    credentials: &Credentials,
    expected_signer: &SpiffeId,
    now_unix: u64,
) -> Result<Receipt, ReceiptError> {
    if jws.len() > LARGEST {
        return Err(malformed("too large"));
    }
    let (statement, signature) = jws.rsplit_once('.').ok_or(malformed("not a compact JWS"))?;
    let (header, payload) = statement.split_once('.').ok_or(malformed("not a compact JWS"))?;
    let header: Header =
        serde_json::from_slice(&decode(header)?).map_err(|_| malformed("header has other members"))?;
    if header.alg != ALGORITHM {
        return Err(malformed("algorithm is not ES256"));
    }
    if header.typ != TYPE {
        return Err(malformed("type is not that of a receipt"));
    }
    let chain = header
        .x5c
        .iter()
        .map(|part| STANDARD.decode(part).map_err(|_| malformed("x5c cannot be decoded")))
        .collect::<Result<Vec<_>, _>>()?;
    let leaf = chain.first().ok_or(malformed("x5c is empty"))?;
    let signer = credentials
        .verify_chain(&chain, now_unix, Purpose::Server)
        .map_err(|source| ReceiptError::Chain { source })?;
    if signer.spiffe_id() != expected_signer {
        return Err(ReceiptError::Signer);
    }
    if !verify_es256(leaf, statement.as_bytes(), &decode(signature)?) {
        return Err(ReceiptError::Signature);
    }
    serde_json::from_slice(&decode(payload)?).map_err(|_| malformed("payload is no receipt"))
}

fn decode(part: &str) -> Result<Vec<u8>, ReceiptError> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| malformed("a part is not base64url"))
}

fn malformed(what: &'static str) -> ReceiptError {
    ReceiptError::Malformed { what }
}
