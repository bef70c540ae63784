//! Who a caller is by bearer token, and what a destination states by receipt.
//!
//! Tokens are checked against one issuer with the algorithms of our configuration; receipts against one
//! exact SPIFFE id. What this crate refuses to do: it takes no algorithm from a header, no key from a token,
//! knows no HTTP server (the edge turns [`TokenError`] into 401 or 503) and decides nothing about a transfer
//! beyond whether a receipt proves it.

pub mod jwks;
pub mod receipt;
pub mod token;

#[cfg(feature = "local-issuer")]
pub mod issue;

mod check;

pub use check::{ExpectedReceipt, ReceiptMismatch, check_receipt};
#[cfg(feature = "local-issuer")]
pub use issue::{IssueError, LocalIssuer};
pub use jwks::JwksSource;
pub use receipt::{ReceiptError, sign_receipt, verify_receipt};
pub use token::{Caller, TokenConfig, TokenConfigError, TokenError, TokenVerifier};
