//! What a good client gets, what it refuses by itself, and how its failures are told apart.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use futures::StreamExt as _;
use mtls::{ChainFault, ClientOptions, Fault, ListenerOptions, RefusalReason, chain_fault, client, fault};

use tokio::sync::Notify;

use crate::support::{CLIENT, LOOPBACK, SERVER, World, id};

#[tokio::test]
async fn the_handler_sees_the_callers_exact_name_over_http_2() {
    let world = World::start().await;
    let issued = world.ca.issue(CLIENT, &[], &[]).unwrap();
    let credentials = mtls::Credentials::load(&world.client_files(&issued)).unwrap();
    let client = client(&credentials, &id(SERVER), ClientOptions::default()).unwrap();
    let answer = client.get(world.url()).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.text().await.unwrap(), format!("{CLIENT} {} HTTP/2.0", issued.serial_hex));
}

#[tokio::test]
async fn a_header_gives_nobody_another_name() {
    let world = World::start().await;
    let mut request = world.good_client().get(world.url());
    for name in ["x-forwarded-client-cert", "x-client-cert", "x-spiffe-id", "forwarded", "x-ssl-client-s-dn"]
    {
        request = request.header(name, "spiffe://iidi.test/pt/qc/outbound-transfer");
    }
    assert!(request.send().await.unwrap().text().await.unwrap().starts_with(CLIENT));
}

#[tokio::test]
async fn a_server_of_another_name_is_refused_by_the_client() {
    let mut world = World::start().await;
    for other in [
        "spiffe://iidi.test/pt/bc2/inbound-transfer",
        "spiffe://iidi.test/pt/BC/inbound-transfer",
        "spiffe://iidi.test/pt/bc/outbound-transfer",
        "spiffe://iidi.test.other/pt/bc/inbound-transfer",
    ] {
        let client = client(&world.client_credentials(), &id(other), ClientOptions::default()).unwrap();
        let error = client.get(world.url()).send().await.unwrap_err();
        assert_eq!(fault(&error), Fault::Tls);
        assert_eq!(chain_fault(&error), Some(ChainFault::WrongIdentity));
        assert_eq!(world.refusal().await, RefusalReason::RefusedByPeer);
    }
}

#[tokio::test]
async fn a_server_on_another_host_is_refused_by_the_client() {
    let world = World::start().await;
    let leaf = world.ca.issue(SERVER, &["gateway.bc.test"], &[]).unwrap();
    leaf.write(&world.files.certificate, &world.files.key).unwrap();
    assert!(world.server.reload().unwrap());
    let error = world.good_client().get(world.url()).send().await.unwrap_err();
    assert_eq!((fault(&error), chain_fault(&error)), (Fault::Tls, Some(ChainFault::WrongName)));
}

#[tokio::test]
async fn a_revoked_server_is_refused_by_the_client() {
    let world = World::start().await;
    let credentials = world.client_credentials();
    let crl = world.ca.crl(&[&world.server.signer().identity().serial_hex]).unwrap();
    std::fs::write(world.dir.path().join("client.crl"), crl).unwrap();
    assert!(credentials.reload().unwrap());
    let client = client(&credentials, &id(SERVER), ClientOptions::default()).unwrap();
    let error = client.get(world.url()).send().await.unwrap_err();
    assert_eq!((fault(&error), chain_fault(&error)), (Fault::Tls, Some(ChainFault::Revoked)));
}

#[tokio::test]
async fn a_client_certificate_does_not_prove_a_server() {
    let world = World::start().await;
    let leaf = crate::support::leaf(&world.ca, |request| {
        request.uris = vec![SERVER.to_owned()];
        request.ips = vec![LOOPBACK];
        request.server = false;
    });
    leaf.write(&world.files.certificate, &world.files.key).unwrap();
    assert!(world.server.reload().unwrap());
    let error = world.good_client().get(world.url()).send().await.unwrap_err();
    assert_eq!(chain_fault(&error), Some(ChainFault::WrongPurpose));
}

#[tokio::test]
async fn nobody_listening_is_told_apart_from_distrust() {
    let world = World::start().await;
    world.stop.cancel();
    world.task.await.unwrap().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let leaf = world.ca.issue(CLIENT, &[], &[]).unwrap();
    let files = crate::support::write_files(dir.path(), "client", &leaf, &world.ca);
    let credentials = mtls::Credentials::load(&files).unwrap();
    let client = client(&credentials, &id(SERVER), ClientOptions::default()).unwrap();
    let error = client.get(format!("https://{}/who", world.address)).send().await.unwrap_err();
    assert_eq!((fault(&error), chain_fault(&error)), (Fault::Connect, None));
}

#[tokio::test]
async fn a_late_answer_and_a_broken_one_are_told_apart() {
    let begun = Arc::new(Notify::new());
    let has_begun = begun.clone();
    let broken = move || async move {
        let rest = async move {
            has_begun.notified().await;
            Err(std::io::Error::other("broken off"))
        };
        let beginning = futures::stream::iter([Ok("half")]);
        Body::from_stream(beginning.chain(futures::stream::once(rest)))
    };
    let router = Router::new().route("/late", get(std::future::pending::<()>)).route("/broken", get(broken));
    let world = World::start_with(ListenerOptions::default(), router).await;
    let credentials = world.client_credentials();
    let at = |path: &str| format!("https://{}/{path}", world.address);

    let hasty = ClientOptions { request_timeout: Duration::from_millis(300), ..Default::default() };
    let hasty = client(&credentials, &id(SERVER), hasty).unwrap();
    assert_eq!(fault(&hasty.get(at("late")).send().await.unwrap_err()), Fault::Timeout);

    let patient = client(&credentials, &id(SERVER), ClientOptions::default()).unwrap();
    let answer = patient.get(at("broken")).send().await.unwrap();
    begun.notify_one();
    assert_eq!(fault(&answer.bytes().await.unwrap_err()), Fault::Body);
}

#[tokio::test]
async fn no_session_is_resumed_even_for_a_client_that_would() {
    let world = World::start().await;
    let config = world.raw_config(Some(&world.ca.issue(CLIENT, &[], &[]).unwrap()), &rustls::version::TLS13);
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    for _ in 0..2 {
        let tcp = tokio::net::TcpStream::connect(world.address).await.unwrap();
        let mut stream = connector.connect(LOOPBACK.into(), tcp).await.unwrap();
        tokio::io::AsyncWriteExt::write_all(
            &mut stream,
            b"GET /who HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        )
        .await
        .unwrap();
        let mut text = String::new();
        tokio::io::AsyncReadExt::read_to_string(&mut stream, &mut text).await.unwrap();
        assert!(text.starts_with("HTTP/1.1 200"), "{text}");
        assert_eq!(stream.get_ref().1.handshake_kind(), Some(rustls::HandshakeKind::Full));
    }
}
