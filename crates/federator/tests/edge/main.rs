//! The federator against aggregators that misbehave, over real mutual TLS, and against its readers.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

mod fake;
mod readers;
#[path = "../../src/sample.rs"]
mod sample;
mod sources;
mod world;
