//! When keys are read, and what stays in force when they cannot be.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use auth::{JwksSource, LocalIssuer, TokenError, TokenVerifier};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::token::{AUDIENCE, HOUR, ISSUER, World, config, config_from};

#[tokio::test(start_paused = true)]
async fn a_rotated_key_is_taken_up_when_a_token_names_it() {
    let world = World::new();
    let old = world.issuer.mint("registry", &[], HOUR).unwrap();
    assert!(world.verifier.verify(&old).await.is_ok());

    let next = LocalIssuer::create(world.dir.path(), ISSUER, AUDIENCE).unwrap();
    let new = next.mint("registry", &[], HOUR).unwrap();
    // Read a moment ago, so not yet again.
    assert_eq!(world.refusal(&new).await, "key-unknown");
    assert!(world.verifier.verify(&old).await.is_ok());
    tokio::time::advance(Duration::from_secs(31)).await;
    assert!(world.verifier.verify(&new).await.is_ok());
    assert_eq!(world.refusal(&old).await, "key-unknown");
}

#[tokio::test(start_paused = true)]
async fn a_withdrawn_key_is_forgotten_after_ten_minutes() {
    let world = World::new();
    let token = world.issuer.mint("registry", &[], HOUR).unwrap();
    assert!(world.verifier.verify(&token).await.is_ok());
    LocalIssuer::create(world.dir.path(), ISSUER, AUDIENCE).unwrap();
    tokio::time::advance(Duration::from_secs(599)).await;
    assert!(world.verifier.verify(&token).await.is_ok());
    tokio::time::advance(Duration::from_secs(2)).await;
    assert_eq!(world.refusal(&token).await, "key-unknown");
}

#[tokio::test(start_paused = true)]
async fn the_last_good_keys_stay_while_their_source_is_broken() {
    let world = World::new();
    let token = world.issuer.mint("registry", &[], HOUR).unwrap();
    assert!(world.verifier.verify(&token).await.is_ok());
    for broken in ["", "{}", r#"{"keys": []}"#, r#"{"keys": [{"kty": "oct", "k": "AAAA", "kid": "x"}]}"#] {
        std::fs::write(world.issuer.jwks_file(), broken).unwrap();
        tokio::time::advance(Duration::from_hours(1)).await;
        assert!(world.verifier.verify(&token).await.is_ok(), "{broken}");
    }
    std::fs::remove_file(world.issuer.jwks_file()).unwrap();
    tokio::time::advance(Duration::from_hours(1)).await;
    assert!(world.verifier.verify(&token).await.is_ok());
    // Whether another key would be known cannot be said.
    let stranger = tempfile::tempdir().unwrap();
    let other = LocalIssuer::create(stranger.path(), ISSUER, AUDIENCE).unwrap();
    let outcome = world.verifier.verify(&other.mint("registry", &[], HOUR).unwrap()).await;
    assert!(matches!(outcome, Err(TokenError::Unavailable { .. })), "{outcome:?}");
}

#[tokio::test(start_paused = true)]
async fn without_any_keys_nothing_is_said_about_a_token_until_they_come() {
    let dir = tempfile::tempdir().unwrap();
    let verifier = TokenVerifier::new(config(&dir.path().join("jwks.json"))).unwrap();
    assert!(matches!(verifier.prime().await, Err(TokenError::Unavailable { .. })));
    let issuer = LocalIssuer::create(dir.path(), ISSUER, AUDIENCE).unwrap();
    let token = issuer.mint("registry", &[], HOUR).unwrap();
    assert!(matches!(verifier.verify(&token).await, Err(TokenError::Unavailable { .. })));
    tokio::time::advance(Duration::from_secs(2)).await;
    verifier.prime().await.unwrap();
    assert!(verifier.verify(&token).await.is_ok());
}

#[tokio::test]
async fn an_entry_that_cannot_be_used_does_not_spoil_the_others() {
    let world = World::new();
    let mut set: Value = serde_json::from_slice(&std::fs::read(world.issuer.jwks_file()).unwrap()).unwrap();
    let good = set["keys"][0].clone();
    let with = |name: &str, value: Value| {
        let mut entry = good.clone();
        entry["kid"] = json!(format!("bad-{name}"));
        entry[name] = value;
        entry
    };
    let bad = [
        json!("text"),
        json!({"kty": "oct", "k": "c2VjcmV0", "kid": "shared", "alg": "HS256"}),
        with("alg", json!("ES384")),
        with("crv", json!("P-384")),
        with("use", json!("enc")),
        with("x", json!("!")),
    ];
    set["keys"] = bad.into_iter().chain([good.clone()]).collect();
    std::fs::write(world.issuer.jwks_file(), set.to_string()).unwrap();
    assert!(world.verifier.verify(&world.issuer.mint("registry", &[], HOUR).unwrap()).await.is_ok());
}

#[tokio::test]
async fn many_tokens_of_unknown_keys_cause_one_read() {
    let dir = tempfile::tempdir().unwrap();
    let issuer = LocalIssuer::create(dir.path(), ISSUER, AUDIENCE).unwrap();
    let (url, reads) = serve(std::fs::read_to_string(issuer.jwks_file()).unwrap()).await;
    let verifier = TokenVerifier::new(config_from(JwksSource { url: Some(url), file: None })).unwrap();
    let token = issuer.mint("registry", &[], HOUR).unwrap();
    let calls: Vec<_> = (0..20)
        .map(|_| {
            let (verifier, token) = (verifier.clone(), token.clone());
            tokio::spawn(async move { verifier.verify(&token).await })
        })
        .collect();
    for call in calls {
        assert!(call.await.unwrap().is_ok());
    }
    assert_eq!(reads.load(Ordering::Relaxed), 1);

    let stranger = tempfile::tempdir().unwrap();
    for _ in 0..20 {
        let other = LocalIssuer::create(stranger.path(), ISSUER, AUDIENCE).unwrap();
        let outcome = verifier.verify(&other.mint("registry", &[], HOUR).unwrap()).await;
        assert!(matches!(outcome, Err(TokenError::Invalid { reason: "key-unknown" })), "{outcome:?}");
    }
    assert_eq!(reads.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn an_endless_key_set_is_not_read_to_its_end() {
    let (url, _) = serve(format!(r#"{{"keys": ["{}"]}}"#, "x".repeat(1 << 20))).await;
    let verifier = TokenVerifier::new(config_from(JwksSource { url: Some(url), file: None })).unwrap();
    assert!(matches!(verifier.prime().await, Err(TokenError::Unavailable { .. })));
}

/// Serves one document by plain HTTP and counts how often it is asked for.
async fn serve(document: String) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/jwks", listener.local_addr().unwrap());
    let reads = Arc::new(AtomicUsize::new(0));
    let count = reads.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(stream.read_u8().await.unwrap());
            }
            count.fetch_add(1, Ordering::Relaxed);
            let head =
                format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", document.len());
            // The client may have had enough.
            let _ = stream.write_all((head + &document).as_bytes()).await;
        }
    });
    (url, reads)
}
