//! Real handshakes on a loopback socket: who gets in, who does not and why, and what reloads change.

#![expect(clippy::unwrap_used, reason = "a test that cannot set up its world has failed")]

mod client;
mod lifetime;
mod refused;
mod reload;
mod support;
