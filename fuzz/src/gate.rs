//! Bytes as a document: refused, or read to something that stays what it is.

use fhir::gate::{Limits, check_bundle, check_resource, parse};
use fhir::rules::check_package;

/// Looks at bytes as intake does. Returns whether the gate has nothing against them.
///
/// # Panics
/// When the bytes are refused without a reason, or when what was read is judged otherwise once it has been written.
pub fn check(bytes: &[u8]) -> bool {
    let limits = Limits::default();
    let document = match parse(bytes, &limits) {
        Ok(document) => document,
        Err(refusal) => {
            assert!(!refusal.issues.is_empty(), "refused without a reason");
            return false;
        }
    };
    let issues = check_resource(&document);
    let bundle_issues = check_bundle(&document, &limits);
    let _ = check_package(&document, "2026-01-01T00:00:00Z".parse().expect("a time"));

    let written = document.to_string();
    let again = parse(written.as_bytes(), &limits).expect("what was written can be read");
    assert_eq!(again, document, "the same document");
    assert_eq!(check_resource(&again), issues, "the same verdict");
    assert_eq!(check_bundle(&again, &limits), bundle_issues, "the same verdict on the Bundle");
    issues.is_empty()
}
