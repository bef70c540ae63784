//! The whole system.
#![expect(clippy::unwrap_used, reason = "a test's helper fails by panicking")]

mod api;
mod arrivals;
mod audit_trail;
mod closing;
mod completeness;
mod config_samples;
mod crash_recovery;
mod federator;
mod fhir_contract;
mod fidelity;
mod fuzzed;
mod gate_vs_hapi;
mod graceful_shutdown;
mod help;
mod late_transactions;
mod layering;
mod matching;
mod measured;
mod national;
mod no_personal_data;
mod operator_cli;
mod operators;
mod outages;
mod queue_loss;
mod redelivery;
mod refused;
#[path = "../../crates/federator/src/sample.rs"]
mod release_sample;
mod rotation;
mod round_trip;
mod same_person;
mod sample_data;
mod second_opinion;
mod simulation;
mod spans;
mod strangers;
mod synthesizer;
mod third_province;
mod transactions;
mod whose_word;
