//! The peer directory: one entry per jurisdiction, the last good set kept.
