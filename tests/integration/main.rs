//! The whole system.
#![expect(clippy::unwrap_used, reason = "a test's helper fails by panicking")]

mod api;
mod arrivals;
mod audit_trail;
mod closing;
mod completeness;
mod config_samples;
mod crash_recovery;
mod fhir_contract;
mod fidelity;
mod graceful_shutdown;
mod help;
mod layering;
mod matching;
mod no_personal_data;
mod operator_cli;
mod operators;
mod queue_loss;
mod redelivery;
mod refused;
mod rotation;
mod round_trip;
mod same_person;
mod sample_data;
mod strangers;
mod third_province;
mod whose_word;
