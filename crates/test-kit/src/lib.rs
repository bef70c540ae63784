//! Worlds and doubles for tests.
