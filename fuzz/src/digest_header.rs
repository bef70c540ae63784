//! A `Content-Digest` header: refused, or read to the digest that stands in it.

use contracts::ContentDigest;

/// Reads bytes as the header. Returns whether they hold a digest.
///
/// # Panics
/// When what was read does not stand in the header, or is not read back from its own.
pub fn check(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let Ok(digest) = ContentDigest::parse_header(text) else { return false };
    let written = digest.to_header();
    assert_eq!(ContentDigest::parse_header(&written), Ok(digest), "read back");
    assert_eq!(ContentDigest::from_bytes(*digest.as_bytes()), digest, "the same bytes");
    let (_, value) = written.split_once('=').expect("a member has a value");
    assert!(text.contains(value), "the digest stands in the header, in its one form");
    true
}
