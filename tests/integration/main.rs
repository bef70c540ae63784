//! The whole system.
mod round_trip;
