//! Tokens and receipts that are good, and every way in which they are not.

#![expect(clippy::unwrap_used, reason = "a test that cannot set up its world has failed")]

mod jwks;
mod receipt;
mod token;
