//! What the released tables promise, seen from outside.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod attacker;
mod figures;
mod header;
mod one_release;
mod optimum;
mod over_time;
mod province;
mod rules;
mod support;
mod visible;
mod weeks;
mod witnesses;
mod worked_examples;
