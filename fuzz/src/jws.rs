//! Bytes as a receipt: only the genuine one verifies, whatever is done to it.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use auth::{sign_receipt, verify_receipt};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use contracts::receipt::{OutcomeCounts, Receipt};
use domain::{Jurisdiction, TransferId};
use mtls::pki::LocalCa;
use mtls::{Credentials, SpiffeId, TlsFiles};

const SIGNER: &str = "spiffe://iidi.test/pt/bc/inbound-transfer";

/// What the first byte of the input asks for.
const WAYS: u8 = 5;

/// A receipt, and who looks at it.
struct Genuine {
    jws: String,
    credentials: Credentials,
    signer: SpiffeId,
    now_unix: u64,
}

static GENUINE: LazyLock<Genuine> = LazyLock::new(genuine);

/// Verifies what the input makes: the rest of it as text, or as edits of the genuine receipt's text, header, payload
/// or signature. Returns whether it verified.
///
/// # Panics
/// When something else than the genuine receipt verifies, or the genuine one does not.
pub fn check(input: &[u8]) -> bool {
    let Some((&way, rest)) = input.split_first() else { return false };
    let Ok(jws) = String::from_utf8(made_of(way % WAYS, rest)) else { return false };
    let Genuine { jws: genuine, credentials, signer, now_unix } = &*GENUINE;
    let verified = verify_receipt(&jws, credentials, signer, *now_unix).is_ok();
    assert_eq!(verified, jws == *genuine, "only the genuine receipt verifies");
    verified
}

fn made_of(way: u8, rest: &[u8]) -> Vec<u8> {
    let genuine = GENUINE.jws.as_str();
    let mut parts: Vec<&str> = genuine.split('.').collect();
    let changed;
    match way.checked_sub(2) {
        None if way == 0 => return rest.to_vec(),
        None => return edited(genuine.as_bytes(), rest),
        Some(place) => {
            let part = &mut parts[usize::from(place)];
            let inside = URL_SAFE_NO_PAD.decode(*part).expect("we have encoded it");
            changed = URL_SAFE_NO_PAD.encode(edited(&inside, rest));
            *part = &changed;
        }
    }
    parts.join(".").into_bytes()
}

/// Changes bytes: each four of `edits` say what to do, where (two bytes) and with which byte.
fn edited(bytes: &[u8], edits: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for edit in edits.chunks_exact(4) {
        let [what, high, low, byte] = *edit else { continue };
        let at = usize::from(u16::from_be_bytes([high, low])) % (bytes.len() + 1);
        match what % 4 {
            0 if at < bytes.len() => bytes[at] = byte,
            1 if at < bytes.len() => drop(bytes.remove(at)),
            2 => bytes.truncate(at),
            _ => bytes.insert(at, byte),
        }
    }
    bytes
}

fn genuine() -> Genuine {
    mtls::install_crypto_provider();
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str| folder.path().join(name);
    let authority = LocalCa::create(&file("ca")).expect("an authority");
    let files =
        TlsFiles { certificate: file("tls.crt"), key: file("tls.key"), roots: file("roots"), crl: None };
    let leaf = authority.issue(SIGNER, &[], &[]).expect("a certificate");
    leaf.write(&files.certificate, &files.key).expect("written files");
    std::fs::write(&files.roots, authority.roots_pem()).expect("a written file");
    let credentials = Credentials::load(&files).expect("credentials");
    let jws = sign_receipt(&receipt(), &credentials).expect("a receipt");
    // Inside the certificate's validity, whatever the clock says.
    let now_unix = credentials.not_after() - 60;
    Genuine { jws, credentials, signer: SpiffeId::parse(SIGNER).expect("an identity"), now_unix }
}

fn receipt() -> Receipt {
    let counts = OutcomeCounts { created: 7, ..OutcomeCounts::default() };
    Receipt {
        iss: Jurisdiction::parse("BC").expect("a jurisdiction"),
        aud: Jurisdiction::parse("ON").expect("a jurisdiction"),
        jti: TransferId::parse("0190b0c4-7d9e-7c4b-9a53-3f1f0f0b6f11").expect("an id"),
        digest: format!("sha-256:{}", "ab".repeat(32)),
        patient: "BC/Patient/5".to_owned(),
        counts: BTreeMap::from([("Immunization".to_owned(), counts)]),
        conflicts: Vec::new(),
        committed_at: "2026-01-02T03:04:05.678Z".parse().expect("a time"),
    }
}
