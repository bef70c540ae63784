//! The whole system.
mod config_samples;
mod fhir_contract;
mod help;
mod layering;
mod round_trip;
