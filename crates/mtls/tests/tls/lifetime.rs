//! Open connections: trust is reviewed on each request, slow ones are cut off, a stop drains.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use mtls::{ChainFault, ListenerOptions, RefusalReason};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::support::{CLIENT, LOOPBACK, PATIENCE, World, leaf, who};

#[tokio::test]
async fn a_certificate_revoked_meanwhile_is_refused_at_the_next_request_of_its_open_connection() {
    let mut world = World::start().await;
    let issued = world.ca.issue(CLIENT, &[], &[]).unwrap();
    let client = world.raw_client(Some(&issued));
    assert_eq!(client.get(world.url()).send().await.unwrap().status(), 200);

    world.write_crl(&world.ca.crl(&[&issued.serial_hex]).unwrap());
    assert!(world.server.reload().unwrap());
    // A new connection could not answer at all, so this is the open one.
    assert_eq!(client.get(world.url()).send().await.unwrap().status(), 403);
    assert_eq!(world.refuses(client).await, RefusalReason::Chain(ChainFault::Revoked));
}

#[tokio::test]
async fn another_clients_revocation_leaves_an_open_connection_alone() {
    let world = World::start().await;
    let client = world.good_client();
    assert_eq!(client.get(world.url()).send().await.unwrap().status(), 200);
    let other = world.ca.issue(CLIENT, &[], &[]).unwrap();
    world.write_crl(&world.ca.crl(&[&other.serial_hex]).unwrap());
    assert!(world.server.reload().unwrap());
    assert_eq!(client.get(world.url()).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_connection_ends_with_its_certificate() {
    let world = World::start().await;
    let issued = leaf(&world.ca, |request| request.ends_in_seconds = 2);
    let mut stream = connect(&world, &issued).await;
    stream.write_all(b"GET /who HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let text = read_to_end(&mut stream).await;
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
}

#[tokio::test]
async fn slow_headers_and_a_silent_connection_are_cut_off() {
    let options = ListenerOptions { header_timeout: Duration::from_millis(200), ..Default::default() };
    let world = World::start_with(options, who()).await;
    let issued = world.ca.issue(CLIENT, &[], &[]).unwrap();
    for beginning in ["", "GET /who HTTP/1.1\r\nhost: x\r\n"] {
        let mut stream = connect(&world, &issued).await;
        stream.write_all(beginning.as_bytes()).await.unwrap();
        let text = read_to_end(&mut stream).await;
        assert!(text.is_empty() || text.starts_with("HTTP/1.1 408"), "{text}");
    }
}

#[tokio::test]
async fn more_connections_than_allowed_wait_for_their_turn() {
    let options = ListenerOptions { max_connections: 1, ..Default::default() };
    let world = World::start_with(options, who()).await;
    let issued = world.ca.issue(CLIENT, &[], &[]).unwrap();
    let first = connect(&world, &issued).await;
    let mut second = std::pin::pin!(connect(&world, &issued));
    assert!(timeout(Duration::from_millis(200), second.as_mut()).await.is_err());
    drop(first);
    timeout(PATIENCE, second).await.expect("the second connection gets its turn");
}

#[tokio::test]
async fn a_stop_lets_a_request_in_flight_finish_and_takes_no_new_one() {
    let (entered, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (has_entered, may_leave) = (entered.clone(), release.clone());
    let router = Router::new().route(
        "/who",
        get(move || async move {
            has_entered.notify_one();
            may_leave.notified().await;
            "done"
        }),
    );
    let world = World::start_with(ListenerOptions::default(), router).await;
    let (client, url) = (world.good_client(), world.url());
    let call = tokio::spawn(client.get(&url).send());
    timeout(PATIENCE, entered.notified()).await.unwrap();
    world.stop.cancel();
    let late = timeout(PATIENCE, async {
        while TcpStream::connect(world.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    });
    late.await.expect("the socket closes");
    release.notify_one();
    assert_eq!(call.await.unwrap().unwrap().text().await.unwrap(), "done");
    timeout(PATIENCE, world.task).await.expect("the listener ends").unwrap().unwrap();
}

#[tokio::test]
async fn a_request_that_does_not_finish_is_cut_off_after_the_drain() {
    let options = ListenerOptions { drain_timeout: Duration::from_millis(200), ..Default::default() };
    let entered = Arc::new(Notify::new());
    let has_entered = entered.clone();
    let router = Router::new().route(
        "/who",
        get(move || async move {
            has_entered.notify_one();
            std::future::pending::<()>().await;
        }),
    );
    let world = World::start_with(options, router).await;
    let call = tokio::spawn(world.good_client().get(world.url()).send());
    timeout(PATIENCE, entered.notified()).await.unwrap();
    world.stop.cancel();
    timeout(PATIENCE, world.task).await.expect("the listener ends").unwrap().unwrap();
    assert!(call.await.unwrap().is_err());
}

async fn connect(world: &World, issued: &mtls::pki::IssuedCertificate) -> TlsStream<TcpStream> {
    let config = world.raw_config(Some(issued), &rustls::version::TLS13);
    let tcp = TcpStream::connect(world.address).await.unwrap();
    TlsConnector::from(Arc::new(config)).connect(LOOPBACK.into(), tcp).await.unwrap()
}

/// Reads until the server closes, however abruptly.
async fn read_to_end(stream: &mut TlsStream<TcpStream>) -> String {
    let mut text = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut text)).await.expect("the server closes");
    String::from_utf8(text).unwrap()
}
