//! Bearer tokens, JWKS, and the signing and verifying of receipts.
