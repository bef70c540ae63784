//! What a receipt proves, and what does not pass for one.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use auth::{ExpectedReceipt, ReceiptError, ReceiptMismatch, check_receipt, sign_receipt, verify_receipt};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use contracts::receipt::{Conflict, OutcomeCounts, Receipt};
use domain::{Jurisdiction, TransferId};
use mtls::pki::{IssuedCertificate, LeafRequest, LocalCa};
use mtls::{ChainFault, Credentials, SpiffeId, TlsFiles};
use serde_json::{Value, json};
use tempfile::TempDir;

const DESTINATION: &str = "spiffe://iidi.test/pt/bc/inbound-transfer";
const ORIGIN: &str = "spiffe://iidi.test/pt/on/outbound-transfer";

/// Two services of one authority.
struct World {
    dir: TempDir,
    ca: LocalCa,
    destination: Credentials,
    destination_serial: String,
    origin: Credentials,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let ca = LocalCa::create(&dir.path().join("ca")).unwrap();
        let leaf = ca.issue(DESTINATION, &[], &[]).unwrap();
        let destination = load(dir.path(), "destination", &leaf, &ca);
        let origin = load(dir.path(), "origin", &ca.issue(ORIGIN, &[], &[]).unwrap(), &ca);
        Self { dir, ca, destination, destination_serial: leaf.serial_hex, origin }
    }

    fn verify(&self, jws: &str) -> Result<Receipt, ReceiptError> {
        verify_receipt(jws, &self.origin, &id(DESTINATION), now())
    }
}

fn load(dir: &Path, name: &str, leaf: &IssuedCertificate, ca: &LocalCa) -> Credentials {
    let files = TlsFiles {
        certificate: dir.join(format!("{name}.crt")),
        key: dir.join(format!("{name}.key")),
        roots: dir.join(format!("{name}.roots")),
        crl: Some(dir.join(format!("{name}.crl"))),
    };
    leaf.write(&files.certificate, &files.key).unwrap();
    fs::write(&files.roots, ca.roots_pem()).unwrap();
    fs::write(files.crl.as_ref().unwrap(), ca.crl(&[]).unwrap()).unwrap();
    Credentials::load(&files).unwrap()
}

fn id(text: &str) -> SpiffeId {
    SpiffeId::parse(text).unwrap()
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn receipt() -> Receipt {
    let immunizations = OutcomeCounts { created: 7, updated: 1, unchanged: 2, duplicate_of: 1 };
    let patients = OutcomeCounts { created: 1, ..OutcomeCounts::default() };
    Receipt {
        iss: Jurisdiction::parse("BC").unwrap(),
        aud: Jurisdiction::parse("ON").unwrap(),
        jti: TransferId::parse("0190b0c4-7d9e-7c4b-9a53-3f1f0f0b6f11").unwrap(),
        digest: format!("sha-256:{}", "ab".repeat(32)),
        patient: "BC/Patient/5".to_owned(),
        counts: BTreeMap::from([
            ("Immunization".to_owned(), immunizations),
            ("Patient".to_owned(), patients),
        ]),
        conflicts: vec![Conflict {
            r#type: "Immunization".to_owned(),
            origin: "ON/Immunization/9".to_owned(),
            fields: vec!["lotNumber".to_owned()],
        }],
        committed_at: "2026-01-02T03:04:05.678Z".parse().unwrap(),
    }
}

/// Takes a receipt apart and puts it together again with another header, by the destination's key or none.
fn with_header(world: &World, change: impl FnOnce(&mut Value), sign: bool) -> String {
    let jws = sign_receipt(&receipt(), &world.destination).unwrap();
    let parts: Vec<&str> = jws.split('.').collect();
    let mut header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(parts[0]).unwrap()).unwrap();
    change(&mut header);
    let statement = format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), parts[1]);
    let signature = if sign {
        URL_SAFE_NO_PAD.encode(world.destination.signer().sign_es256(statement.as_bytes()).unwrap())
    } else {
        parts[2].to_owned()
    };
    format!("{statement}.{signature}")
}

#[test]
fn a_receipt_reads_back_as_it_was_signed() {
    let world = World::new();
    let jws = sign_receipt(&receipt(), &world.destination).unwrap();
    assert_eq!(world.verify(&jws).unwrap(), receipt());
    let header: Value =
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(jws.split('.').next().unwrap()).unwrap()).unwrap();
    assert_eq!((&header["alg"], &header["typ"]), (&json!("ES256"), &json!("iidi-receipt+jwt")));
    assert_eq!(header["x5c"][0], json!(STANDARD.encode(&world.destination.chain_der()[0])));
}

#[test]
fn any_jose_library_verifies_the_signature() {
    let world = World::new();
    let jws = sign_receipt(&receipt(), &world.destination).unwrap();
    let (statement, signature) = jws.rsplit_once('.').unwrap();
    let leaf = &world.destination.chain_der()[0];
    // An uncompressed point on P-256 follows this prefix in every such certificate.
    let prefix = [0x03, 0x42, 0x00, 0x04];
    let at = leaf.windows(4).position(|window| window == prefix).unwrap() + 3;
    let key = jsonwebtoken::DecodingKey::from_ec_der(&leaf[at..at + 65]);
    let algorithm = jsonwebtoken::Algorithm::ES256;
    assert!(jsonwebtoken::crypto::verify(signature, statement.as_bytes(), &key, algorithm).unwrap());
}

#[test]
fn a_receipt_of_another_service_is_refused() {
    let world = World::new();
    for other in [
        "spiffe://iidi.test/pt/qc/inbound-transfer",
        "spiffe://iidi.test/pt/bc2/inbound-transfer",
        "spiffe://iidi.test/pt/BC/inbound-transfer",
        "spiffe://iidi.test/pt/bc/outbound-transfer",
    ] {
        let leaf = world.ca.issue(other, &[], &[]).unwrap();
        let signer = load(world.dir.path(), "other", &leaf, &world.ca);
        let jws = sign_receipt(&receipt(), &signer).unwrap();
        assert!(matches!(world.verify(&jws), Err(ReceiptError::Signer)), "{other}");
    }
}

#[test]
fn a_changed_payload_is_refused() {
    let world = World::new();
    let jws = sign_receipt(&receipt(), &world.destination).unwrap();
    let parts: Vec<&str> = jws.split('.').collect();
    let mut changed = receipt();
    changed.counts.get_mut("Immunization").unwrap().created += 1;
    let payload = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&changed).unwrap());
    let jws = format!("{}.{payload}.{}", parts[0], parts[2]);
    assert!(matches!(world.verify(&jws), Err(ReceiptError::Signature)));
}

#[test]
fn another_key_under_the_destinations_chain_is_refused() {
    let world = World::new();
    let chain: Vec<String> = world.destination.chain_der().iter().map(|part| STANDARD.encode(part)).collect();
    let header = json!({"alg": "ES256", "typ": "iidi-receipt+jwt", "x5c": chain}).to_string();
    let payload = serde_json::to_vec(&receipt()).unwrap();
    let statement = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    let signature = world.origin.signer().sign_es256(statement.as_bytes()).unwrap();
    let jws = format!("{statement}.{}", URL_SAFE_NO_PAD.encode(signature));
    assert!(matches!(world.verify(&jws), Err(ReceiptError::Signature)));
}

#[test]
fn only_the_one_accepted_header_passes() {
    type Change = fn(&mut Value);
    let world = World::new();
    let changes: [(&str, Change); 9] = [
        ("alg none", |header| header["alg"] = json!("none")),
        ("alg HS256", |header| header["alg"] = json!("HS256")),
        ("alg ES384", |header| header["alg"] = json!("ES384")),
        ("typ JWT", |header| header["typ"] = json!("JWT")),
        ("crit", |header| header["crit"] = json!(["b64"])),
        ("jwk", |header| header["jwk"] = json!({})),
        ("no x5c", |header| header["x5c"] = json!([])),
        ("x5c of garbage", |header| header["x5c"] = json!(["!"])),
        ("x5c as text", |header| header["x5c"] = json!("")),
    ];
    for (what, change) in changes {
        for sign in [true, false] {
            let jws = with_header(&world, change, sign);
            assert!(matches!(world.verify(&jws), Err(ReceiptError::Malformed { .. })), "{what}");
        }
    }
    let jws = with_header(&world, |header| header["x5c"] = json!(["MAA="]), true);
    assert!(matches!(world.verify(&jws), Err(ReceiptError::Chain { source: ChainFault::Malformed })));
}

#[test]
fn what_is_no_receipt_is_refused_whoever_signed_it() {
    let world = World::new();
    let mut more = serde_json::to_value(receipt()).unwrap();
    more["extra"] = json!(1);
    let mut negative = serde_json::to_value(receipt()).unwrap();
    negative["counts"]["Patient"]["created"] = json!(-1);
    for payload in [json!({}), json!("text"), json!(null), more, negative] {
        let jws = sign_receipt(&payload, &world.destination).unwrap();
        assert!(matches!(world.verify(&jws), Err(ReceiptError::Malformed { .. })), "{payload}");
    }
    for text in ["", ".", "..", "a.b.c", "ü.ü.ü", &"x".repeat(2 << 20)] {
        assert!(matches!(world.verify(text), Err(ReceiptError::Malformed { .. })));
    }
}

#[test]
fn a_receipt_of_a_foreign_authority_is_refused() {
    let world = World::new();
    let foreign = LocalCa::create_named(&world.dir.path().join("foreign"), "Foreign authority").unwrap();
    let leaf = foreign.issue(DESTINATION, &[], &[]).unwrap();
    let jws = sign_receipt(&receipt(), &load(world.dir.path(), "foreign", &leaf, &foreign)).unwrap();
    let outcome = world.verify(&jws);
    assert!(matches!(outcome, Err(ReceiptError::Chain { source: ChainFault::UnknownIssuer })), "{outcome:?}");
}

#[test]
fn a_receipt_of_a_revoked_signer_is_refused() {
    let world = World::new();
    let jws = sign_receipt(&receipt(), &world.destination).unwrap();
    fs::write(world.dir.path().join("origin.crl"), world.ca.crl(&[&world.destination_serial]).unwrap())
        .unwrap();
    assert!(world.origin.reload().unwrap());
    let outcome = world.verify(&jws);
    assert!(matches!(outcome, Err(ReceiptError::Chain { source: ChainFault::Revoked })), "{outcome:?}");
}

#[test]
fn a_client_only_certificate_signs_no_receipt() {
    let world = World::new();
    let mut request = LeafRequest::new(DESTINATION, &[], &[]);
    request.server = false;
    let signer = load(world.dir.path(), "client", &world.ca.issue_with(&request).unwrap(), &world.ca);
    let jws = sign_receipt(&receipt(), &signer).unwrap();
    let outcome = world.verify(&jws);
    assert!(matches!(outcome, Err(ReceiptError::Chain { source: ChainFault::WrongPurpose })), "{outcome:?}");
}

#[test]
fn an_expired_chain_is_refused_and_a_renewed_signature_over_the_same_payload_accepted() {
    let world = World::new();
    let jws = sign_receipt(&receipt(), &world.destination).unwrap();
    let later = world.destination.not_after() + 1;
    let outcome = verify_receipt(&jws, &world.origin, &id(DESTINATION), later);
    assert!(matches!(outcome, Err(ReceiptError::Chain { source: ChainFault::Expired })), "{outcome:?}");

    let mut request = LeafRequest::new(DESTINATION, &[], &[]);
    request.ends_in_seconds *= 2;
    world
        .ca
        .issue_with(&request)
        .unwrap()
        .write(&world.dir.path().join("destination.crt"), &world.dir.path().join("destination.key"))
        .unwrap();
    assert!(world.destination.reload().unwrap());
    let renewed = sign_receipt(&receipt(), &world.destination).unwrap();
    let payload = |jws: &str| jws.split('.').nth(1).unwrap().to_owned();
    assert_eq!(payload(&renewed), payload(&jws));
    assert_eq!(verify_receipt(&renewed, &world.origin, &id(DESTINATION), later).unwrap(), receipt());
}

fn expected() -> ExpectedReceipt {
    ExpectedReceipt {
        issuer: Jurisdiction::parse("BC").unwrap(),
        audience: Jurisdiction::parse("ON").unwrap(),
        transfer_id: receipt().jti,
        digest: receipt().digest,
        counts: BTreeMap::from([("Immunization".to_owned(), 11), ("Patient".to_owned(), 1)]),
    }
}

#[test]
fn a_receipt_for_what_was_sent_proves_it() {
    assert_eq!(check_receipt(&receipt(), &expected()), Ok(()));
    let mut with_zero = receipt();
    with_zero.counts.insert("AllergyIntolerance".to_owned(), OutcomeCounts::default());
    assert_eq!(check_receipt(&with_zero, &expected()), Ok(()));
}

#[test]
fn a_receipt_for_anything_else_proves_nothing() {
    type Change = fn(&mut Receipt);
    let overflow = OutcomeCounts { created: u64::MAX, updated: 12, unchanged: 0, duplicate_of: 0 };
    assert_eq!(overflow.total(), None);
    let counts =
        |name: &str, sent, stated| ReceiptMismatch::Counts { type_name: name.to_owned(), sent, stated };
    let changes: [(Change, ReceiptMismatch); 12] = [
        (|r| r.iss = Jurisdiction::parse("QC").unwrap(), ReceiptMismatch::Issuer),
        (|r| r.aud = Jurisdiction::parse("QC").unwrap(), ReceiptMismatch::Audience),
        (|r| r.jti = TransferId::generate(), ReceiptMismatch::Transfer),
        (|r| r.digest = r.digest.replace('a', "c"), ReceiptMismatch::Digest),
        (|r| r.digest = r.digest.to_uppercase(), ReceiptMismatch::Digest),
        (|r| r.counts.get_mut("Immunization").unwrap().created -= 1, counts("Immunization", 11, Some(10))),
        (|r| r.counts.retain(|name, _| name != "Patient"), counts("Patient", 1, Some(0))),
        (
            |r| {
                let counts = r.counts.get_mut("Immunization").unwrap();
                (counts.created, counts.updated) = (u64::MAX, 12);
            },
            counts("Immunization", 11, None),
        ),
        (
            |r| {
                let one = OutcomeCounts { created: 1, ..OutcomeCounts::default() };
                r.counts.insert("SomethingElse".to_owned(), one);
            },
            counts("unknown", 0, Some(1)),
        ),
        (|r| r.patient = "ON/Patient/5".to_owned(), ReceiptMismatch::Patient),
        (|r| r.patient = "BC/Patient/".to_owned(), ReceiptMismatch::Patient),
        (|r| r.patient = "BC/Patient/5/6".to_owned(), ReceiptMismatch::Patient),
    ];
    for (change, mismatch) in changes {
        let mut stated = receipt();
        change(&mut stated);
        assert_eq!(check_receipt(&stated, &expected()), Err(mismatch));
    }
}
