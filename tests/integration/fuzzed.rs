//! The fuzz targets' own functions, fed with mutated inputs: what `cargo xtask fuzz` looks for with more time.

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use contracts::ContentDigest;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

#[path = "../../fuzz/src/lib.rs"]
mod targets;

/// The valid documents, which also are the first inputs of `cargo xtask fuzz`.
static DOCUMENTS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("documents");
    let files = fs::read_dir(folder).expect("the documents").flatten();
    files.map(|file| fs::read(file.path()).expect("a document")).collect()
});

/// Pieces that mean something to those who read documents or headers.
const PIECES: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "\\",
    "\\ud800",
    "\\u0000",
    "null",
    "true",
    "-0",
    "1e400",
    "0.30",
    "2020-02-30",
    "\"_",
    "\"contained\":",
    "\"extension\":",
    "\"reference\":\"#\"",
    "\"div\":\"<div",
    "é",
    "\u{0}",
    "=",
    ":AAAA:",
    ", ",
    "sha-256=",
    "SHA-256=:",
    ".",
    "+",
    "/",
];

/// A change of bytes: what, where, how far, and with which piece or byte.
type Change = (u8, Index, usize, &'static str, u8);

fn changes(most: usize) -> impl Strategy<Value = Vec<Change>> {
    vec((0..5_u8, any::<Index>(), 1..40_usize, select(PIECES), any::<u8>()), 0..most)
}

fn changed(mut bytes: Vec<u8>, changes: &[Change]) -> Vec<u8> {
    for (what, at, length, piece, byte) in changes {
        let at = at.index(bytes.len() + 1);
        let end = (at + length).min(bytes.len());
        match what {
            0 => drop(bytes.splice(at..end, piece.bytes())),
            1 => drop(bytes.splice(at..at, piece.bytes())),
            2 => drop(bytes.drain(at..end)),
            3 => bytes.extend_from_within(at..end),
            _ => bytes.iter_mut().skip(at).take(1).for_each(|old| *old = *byte),
        }
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_mutated_document_is_judged_as_it_is_once_written(
        document in select(DOCUMENTS.as_slice()), changes in changes(4),
    ) {
        targets::gate::check(&changed(document, &changes));
    }

    #[test]
    fn a_mutated_header_holds_the_digest_that_is_read_or_none(content in any::<[u8; 4]>(), changes in changes(3)) {
        let header = ContentDigest::of(&content).to_header().into_bytes();
        targets::digest_header::check(&changed(header, &changes));
    }

    #[test]
    fn only_the_genuine_receipt_verifies(way in 0..5_u8, edits in vec(any::<u8>(), 0..13)) {
        targets::jws::check(&[&[way][..], &edits].concat());
    }

    #[test]
    fn bytes_of_any_kind_are_refused_in_peace(bytes in vec(any::<u8>(), 0..200)) {
        targets::gate::check(&bytes);
        targets::digest_header::check(&bytes);
        targets::jws::check(&bytes);
    }
}

#[test]
fn unchanged_inputs_are_accepted_so_the_targets_look_behind_the_first_check() {
    for document in DOCUMENTS.iter() {
        assert!(targets::gate::check(document), "{}", String::from_utf8_lossy(document));
    }
    assert!(targets::digest_header::check(ContentDigest::of(b"x").to_header().as_bytes()));
    for way in 1..5 {
        assert!(targets::jws::check(&[way]), "{way}");
    }
    assert!(!targets::jws::check(&[1, 2, 0, 9, 0]), "cut off");
}
