//! The whole system.
mod api;
mod config_samples;
mod fhir_contract;
mod help;
mod layering;
mod no_personal_data;
mod refused;
mod round_trip;
mod strangers;
