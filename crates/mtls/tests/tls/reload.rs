//! What a reload puts in force and what it keeps out.

use std::fs;
use std::time::Duration;

use mtls::pki::LocalCa;
use mtls::{ChainFault, ClientOptions, CredentialError, Credentials, Purpose, RefusalReason, client};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::support::{CLIENT, LOOPBACK, PATIENCE, SERVER, World, id, leaf};

#[tokio::test]
async fn unchanged_files_change_nothing() {
    let world = World::start().await;
    assert!(!world.server.reload().unwrap());
}

#[tokio::test]
async fn both_ends_take_up_new_certificates_while_they_run() {
    let world = World::start().await;
    let credentials = world.client_credentials();
    let renewed = world.ca.issue(CLIENT, &[], &[]).unwrap();
    let client = client(&credentials, &id(SERVER), ClientOptions::default()).unwrap();
    world.client_files(&renewed);
    assert!(credentials.reload().unwrap());
    let text = client.get(world.url()).send().await.unwrap().text().await.unwrap();
    assert!(text.contains(&renewed.serial_hex), "{text}");

    let other = "spiffe://iidi.test/pt/bc/other";
    let renamed = world.ca.issue(other, &[], &[LOOPBACK]).unwrap();
    renamed.write(&world.files.certificate, &world.files.key).unwrap();
    assert!(world.server.reload().unwrap());
    let client = mtls::client(&credentials, &id(other), ClientOptions::default()).unwrap();
    assert_eq!(client.get(world.url()).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_key_that_does_not_fit_keeps_the_last_good_pair() {
    let world = World::start().await;
    let before = world.server.signer().identity().clone();
    let other = world.ca.issue(SERVER, &[], &[LOOPBACK]).unwrap();
    fs::write(&world.files.key, &other.key_pem).unwrap();
    assert!(matches!(world.server.reload(), Err(CredentialError::Invalid { .. })));
    fs::write(&world.files.certificate, "-----BEGIN CERTIFICATE-----\n").unwrap();
    assert!(matches!(world.server.reload(), Err(CredentialError::Invalid { .. })));
    fs::remove_file(&world.files.certificate).unwrap();
    assert!(matches!(world.server.reload(), Err(CredentialError::Unreadable { .. })));
    assert_eq!(world.server.signer().identity(), &before);
    assert_eq!(world.good_client().get(world.url()).send().await.unwrap().status(), 200);

    other.write(&world.files.certificate, &world.files.key).unwrap();
    assert!(world.server.reload().unwrap());
    assert_eq!(world.server.signer().identity().serial_hex, other.serial_hex);
}

#[tokio::test]
async fn a_certificate_our_own_bundle_does_not_trust_stays_out() {
    let world = World::start().await;
    let foreign = LocalCa::create_named(&world.dir.path().join("foreign"), "Foreign authority").unwrap();
    let before = world.server.signer().identity().clone();
    let expired = leaf(&world.ca, |request| {
        request.uris = vec![SERVER.to_owned()];
        (request.begins_in_seconds, request.ends_in_seconds) = (-20, -10);
    });
    for bad in [foreign.issue(SERVER, &[], &[LOOPBACK]).unwrap(), expired] {
        bad.write(&world.files.certificate, &world.files.key).unwrap();
        assert!(matches!(world.server.reload(), Err(CredentialError::NotTrusted { .. })));
        assert!(matches!(Credentials::load(&world.files), Err(CredentialError::NotTrusted { .. })));
    }
    assert_eq!(world.server.signer().identity(), &before);
}

#[tokio::test]
async fn a_bundle_that_does_not_know_our_own_authority_stays_out() {
    let world = World::start().await;
    let foreign = LocalCa::create_named(&world.dir.path().join("foreign"), "Foreign authority").unwrap();
    for wrong in [foreign.roots_pem(), "", "nothing"] {
        fs::write(&world.files.roots, wrong).unwrap();
        assert!(world.server.reload().is_err());
    }
    assert_eq!(world.good_client().get(world.url()).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_bad_renewal_does_not_keep_a_revocation_out() {
    let mut world = World::start().await;
    let issued = world.ca.issue(CLIENT, &[], &[]).unwrap();
    fs::write(&world.files.key, "no key").unwrap();
    world.write_crl(&world.ca.crl(&[&issued.serial_hex]).unwrap());
    assert!(world.server.reload().is_err());
    let client = world.raw_client(Some(&issued));
    assert_eq!(world.refuses(client).await, RefusalReason::Chain(ChainFault::Revoked));
}

#[tokio::test]
async fn a_broken_list_of_revocations_keeps_the_last_good_one() {
    let mut world = World::start().await;
    let issued = world.ca.issue(CLIENT, &[], &[]).unwrap();
    world.write_crl(&world.ca.crl(&[&issued.serial_hex]).unwrap());
    assert!(world.server.reload().unwrap());
    for broken in ["", "-----BEGIN X509 CRL-----\nTUlJ\n-----END X509 CRL-----\n"] {
        world.write_crl(broken);
        assert!(world.server.reload().is_err());
    }
    let client = world.raw_client(Some(&issued));
    assert_eq!(world.refuses(client).await, RefusalReason::Chain(ChainFault::Revoked));
}

#[tokio::test]
async fn a_bad_entry_of_the_bundle_does_not_break_the_others() {
    let world = World::start().await;
    let own_leaf = world.ca.issue(CLIENT, &[], &[]).unwrap();
    let broken = "-----BEGIN CERTIFICATE-----\nTUlJ\n-----END CERTIFICATE-----\n";
    let bundle = [expired_authority().as_str(), broken, &own_leaf.cert_pem, world.ca.roots_pem()].concat();
    fs::write(&world.files.roots, bundle).unwrap();
    let again = Credentials::load(&world.files).unwrap();
    let chain = world.client_credentials().chain_der();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    assert_eq!(again.verify_chain(&chain, now, Purpose::Client).unwrap().spiffe_id(), &id(CLIENT));
    // The leaf in the bundle has not become an authority, and the good entry counts as no change.
    assert!(!world.server.reload().unwrap());
}

#[tokio::test]
async fn roots_are_rotated_without_refusing_anyone() {
    let world = World::start().await;
    let next = LocalCa::create_named(&world.dir.path().join("next"), "Next authority").unwrap();
    let credentials = world.client_credentials();
    let client = || mtls::client(&credentials, &id(SERVER), ClientOptions::default()).unwrap();
    let get = async || client().get(world.url()).send().await.unwrap().status();
    let files = [&world.files.roots, &world.dir.path().join("client.roots")];
    let lists = [world.files.crl.as_ref().unwrap(), &world.dir.path().join("client.crl")];

    let both = [world.ca.roots_pem(), next.roots_pem()].concat();
    let both_lists = [world.ca.crl(&[]).unwrap(), next.crl(&[]).unwrap()].concat();
    write_each(files, &both);
    write_each(lists, &both_lists);
    assert!(world.server.reload().unwrap() && credentials.reload().unwrap());
    assert_eq!(get().await, 200);

    next.issue(SERVER, &[], &[LOOPBACK]).unwrap().write(&world.files.certificate, &world.files.key).unwrap();
    assert!(world.server.reload().unwrap());
    assert_eq!(get().await, 200);
    let (certificate, key) = (world.dir.path().join("client.crt"), world.dir.path().join("client.key"));
    next.issue(CLIENT, &[], &[]).unwrap().write(&certificate, &key).unwrap();
    assert!(credentials.reload().unwrap());
    assert_eq!(get().await, 200);

    write_each(files, next.roots_pem());
    write_each(lists, &next.crl(&[]).unwrap());
    assert!(world.server.reload().unwrap() && credentials.reload().unwrap());
    assert_eq!(get().await, 200);
}

#[tokio::test]
async fn the_watch_takes_up_a_change_by_itself_and_ends_on_the_stop() {
    let world = World::start().await;
    let stop = CancellationToken::new();
    let watch = tokio::spawn(world.server.clone().watch(Duration::from_millis(10), stop.clone()));
    let renewed = world.ca.issue(SERVER, &[], &[LOOPBACK]).unwrap();
    renewed.write(&world.files.certificate, &world.files.key).unwrap();
    timeout(PATIENCE, async {
        while world.server.signer().identity().serial_hex != renewed.serial_hex {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("the watch reloads");
    stop.cancel();
    timeout(PATIENCE, watch).await.expect("the watch ends").unwrap();
}

#[tokio::test]
async fn a_revoked_serial_is_known_as_such_for_its_issuer_only() {
    let world = World::start().await;
    let peer = world.client_credentials().signer().identity().clone();
    assert!(!world.server.is_revoked(&peer));
    let other = LocalCa::create_named(&world.dir.path().join("other"), "Second authority").unwrap();
    let lists =
        |own: &[&str], others: &[&str]| [world.ca.crl(own).unwrap(), other.crl(others).unwrap()].concat();
    world.write_crl(&lists(&[], &[&peer.serial_hex]));
    assert!(world.server.reload().unwrap());
    assert!(!world.server.is_revoked(&peer));
    world.write_crl(&lists(&[&peer.serial_hex], &[]));
    assert!(world.server.reload().unwrap());
    assert!(world.server.is_revoked(&peer));
}

#[test]
fn an_authority_opened_again_issues_what_its_bundle_trusts() {
    let dir = tempfile::tempdir().unwrap();
    LocalCa::create(dir.path()).unwrap();
    let ca = LocalCa::open(dir.path()).unwrap();
    let leaf = ca.issue(SERVER, &["localhost"], &[]).unwrap();
    let files = crate::support::write_files(dir.path(), "server", &leaf, &ca);
    let credentials = Credentials::load(&files).unwrap();
    assert_eq!(credentials.spiffe_id(), id(SERVER));
    let mode = |path: &std::path::Path| {
        std::os::unix::fs::PermissionsExt::mode(&fs::metadata(path).unwrap().permissions()) & 0o777
    };
    assert_eq!([mode(&files.key), mode(&dir.path().join("ca.key"))], [0o600, 0o600]);
}

#[test]
fn what_our_key_signs_our_leaf_verifies() {
    let dir = tempfile::tempdir().unwrap();
    let ca = LocalCa::create(dir.path()).unwrap();
    let leaf = ca.issue(SERVER, &[], &[]).unwrap();
    let files = crate::support::write_files(dir.path(), "server", &leaf, &ca);
    let signer = Credentials::load(&files).unwrap().signer();
    let own = &signer.chain_der()[0];
    for n in 0..200_u32 {
        // Signatures differ each time; short numbers among them are rare but must work.
        let message = n.to_be_bytes();
        let signature = signer.sign_es256(&message).unwrap();
        assert!(mtls::verify_es256(own, &message, &signature));
        assert!(!mtls::verify_es256(own, b"other", &signature));
    }
    let message = b"message";
    let mut signature = signer.sign_es256(message).unwrap();
    signature[63] ^= 1;
    assert!(!mtls::verify_es256(own, message, &signature));
    assert!(!mtls::verify_es256(own, message, &[0; 64]));
    assert!(!mtls::verify_es256(own, message, &[]));
}

fn write_each(files: [&std::path::PathBuf; 2], text: &str) {
    for file in files {
        fs::write(file, text).unwrap();
    }
}

fn expired_authority() -> String {
    let mut params = rcgen::CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.not_before = rcgen::date_time_ymd(2000, 1, 1);
    params.not_after = rcgen::date_time_ymd(2001, 1, 1);
    params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().pem()
}
