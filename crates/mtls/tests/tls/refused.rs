//! Who does not get in, with the reason the server gives.

use std::fs;
use std::time::Duration;

use mtls::pki::LocalCa;
use mtls::{ChainFault, ListenerOptions, RefusalReason};
use tokio::net::TcpStream;

use crate::support::{CLIENT, World, leaf, raw_client, who};

#[tokio::test]
async fn a_client_without_a_certificate_is_refused() {
    let mut world = World::start().await;
    let client = world.raw_client(None);
    assert_eq!(world.refuses(client).await, RefusalReason::NoCertificate);
}

#[tokio::test]
async fn a_certificate_of_a_foreign_authority_is_refused() {
    let mut world = World::start().await;
    let foreign = LocalCa::create_named(&world.dir.path().join("foreign"), "Foreign authority").unwrap();
    let client = world.raw_client(Some(&foreign.issue(CLIENT, &[], &[]).unwrap()));
    assert_eq!(world.refuses(client).await, RefusalReason::Chain(ChainFault::UnknownIssuer));
}

#[tokio::test]
async fn a_foreign_authority_of_the_same_name_is_refused() {
    let mut world = World::start().await;
    let foreign = LocalCa::create(&world.dir.path().join("foreign")).unwrap();
    let client = world.raw_client(Some(&foreign.issue(CLIENT, &[], &[]).unwrap()));
    assert!(matches!(
        world.refuses(client).await,
        RefusalReason::Chain(ChainFault::UnknownIssuer | ChainFault::Malformed)
    ));
}

#[tokio::test]
async fn a_certificate_for_servers_only_is_refused_as_client() {
    let mut world = World::start().await;
    let client = world.raw_client(Some(&leaf(&world.ca, |request| request.client = false)));
    assert_eq!(world.refuses(client).await, RefusalReason::Chain(ChainFault::WrongPurpose));
}

#[tokio::test]
async fn a_certificate_outside_its_validity_is_refused() {
    let mut world = World::start().await;
    let client = world.raw_client(Some(&leaf(&world.ca, |request| {
        (request.begins_in_seconds, request.ends_in_seconds) = (-7200, -3600);
    })));
    assert_eq!(world.refuses(client).await, RefusalReason::Chain(ChainFault::Expired));
    let client = world.raw_client(Some(&leaf(&world.ca, |request| request.begins_in_seconds = 3600)));
    assert_eq!(world.refuses(client).await, RefusalReason::Chain(ChainFault::NotYetValid));
}

#[tokio::test]
async fn a_revoked_certificate_is_refused() {
    let mut world = World::start().await;
    let issued = world.ca.issue(CLIENT, &[], &[]).unwrap();
    world.write_crl(&world.ca.crl(&[&issued.serial_hex]).unwrap());
    assert!(world.server.reload().unwrap());
    let client = world.raw_client(Some(&issued));
    assert_eq!(world.refuses(client).await, RefusalReason::Chain(ChainFault::Revoked));
}

#[tokio::test]
async fn nobody_gets_in_on_a_stale_revocation_list() {
    let mut world = World::start().await;
    world.write_crl(&world.ca.crl_until(&[], -60).unwrap());
    assert!(world.server.reload().unwrap());
    let client = world.good_client();
    assert_eq!(world.refuses(client).await, RefusalReason::Chain(ChainFault::RevocationUnknown));
}

#[tokio::test]
async fn an_authority_without_a_revocation_list_gets_nobody_in() {
    let mut world = World::start().await;
    let other = LocalCa::create_named(&world.dir.path().join("other"), "Second authority").unwrap();
    fs::write(&world.files.roots, [world.ca.roots_pem(), other.roots_pem()].concat()).unwrap();
    assert!(world.server.reload().unwrap());
    let client = world.raw_client(Some(&other.issue(CLIENT, &[], &[]).unwrap()));
    assert_eq!(world.refuses(client).await, RefusalReason::Chain(ChainFault::RevocationUnknown));
}

#[tokio::test]
async fn a_certificate_that_does_not_name_exactly_one_service_is_refused() {
    let mut world = World::start().await;
    let two = [CLIENT.to_owned(), "spiffe://iidi.test/pt/bc/outbound-transfer".to_owned()];
    let twice = [CLIENT.to_owned(), CLIENT.to_owned()];
    let mixed = [CLIENT.to_owned(), "https://iidi.test/".to_owned()];
    for uris in
        [two.to_vec(), twice.to_vec(), mixed.to_vec(), vec![], vec!["https://iidi.test/on".to_owned()]]
    {
        let client = world.raw_client(Some(&leaf(&world.ca, |request| {
            request.uris = uris;
            request.dns = vec!["client.test".to_owned()];
        })));
        assert_eq!(world.refuses(client).await, RefusalReason::Chain(ChainFault::NoIdentity));
    }
}

#[tokio::test]
async fn tls_1_2_is_refused() {
    let mut world = World::start().await;
    let issued = world.ca.issue(CLIENT, &[], &[]).unwrap();
    let client = raw_client(world.raw_config(Some(&issued), &rustls::version::TLS12));
    assert_eq!(world.refuses(client).await, RefusalReason::ProtocolVersion);
}

#[tokio::test]
async fn plain_http_is_refused() {
    let mut world = World::start().await;
    let client = reqwest::Client::builder().build().unwrap();
    assert!(client.get(world.url().replace("https", "http")).send().await.is_err());
    assert_eq!(world.refusal().await, RefusalReason::Protocol);
}

#[tokio::test]
async fn a_handshake_that_goes_nowhere_is_cut_off_and_keeps_nobody_waiting() {
    let options = ListenerOptions { handshake_timeout: Duration::from_millis(200), ..Default::default() };
    let mut world = World::start_with(options, who()).await;
    let _silent = TcpStream::connect(world.address).await.unwrap();
    let answer = world.good_client().get(world.url()).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(world.refusal().await, RefusalReason::Timeout);
}
