//! The stores of the stack, for real: PostgreSQL and Redis servers of each test's own.
#![expect(clippy::unwrap_used, reason = "a test's helper fails by panicking")]

mod life;
mod privileges;
mod services;
mod support;
