//! Tests only; see `integration/`.
