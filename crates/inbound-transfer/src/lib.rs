//! Receives records from other provinces: gate, match, one transaction, signed receipt.
