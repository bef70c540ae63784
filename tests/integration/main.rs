//! The whole system.
mod config_samples;
mod help;
mod layering;
mod round_trip;
mod fhir_contract;
