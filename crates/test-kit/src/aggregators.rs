//! Aggregators that always have the same to say (304 to whoever has it), and say nothing when told to.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::http::header::{ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::routing::get;
use bytes::Bytes;
use contracts::release::ReleaseDocument;
use local_stack::{Stack, spiffe_id};
use mtls::{Credentials, ListenerOptions, TlsFiles};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

/// The aggregators of some provinces, until they are dropped.
pub struct Aggregators {
    urls: BTreeMap<String, String>,
    silent: BTreeMap<String, Arc<AtomicBool>>,
    stop: CancellationToken,
}

impl Aggregators {
    /// Starts an aggregator for each release; their certificates are made in a folder.
    ///
    /// # Panics
    /// When one cannot listen.
    pub async fn start(stack: &Stack, folder: &Path, releases: BTreeMap<String, Vec<u8>>) -> Self {
        mtls::install_crypto_provider();
        let mut all = Self { urls: BTreeMap::new(), silent: BTreeMap::new(), stop: CancellationToken::new() };
        for (code, release) in releases {
            let (release, is_silent) = (Bytes::from(release), Arc::new(AtomicBool::new(false)));
            let silent = is_silent.clone();
            let document: ReleaseDocument = serde_json::from_slice(&release).expect("a release");
            let tag = document.etag();
            let answer = move |headers: HeaderMap| async move {
                if silent.load(Ordering::Relaxed) {
                    std::future::pending::<()>().await;
                }
                let has_it = headers.get(IF_NONE_MATCH).is_some_and(|has| has == tag.as_str());
                if has_it {
                    StatusCode::NOT_MODIFIED.into_response()
                } else {
                    ([(ETAG, tag)], release).into_response()
                }
            };
            let router = Router::new().route("/aggregated-data", get(answer));
            let tcp = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let port = tcp.local_addr().expect("an address").port();
            let options = ListenerOptions { drain_timeout: Duration::ZERO, ..ListenerOptions::default() };
            let credentials = credentials(stack, folder, &code);
            tokio::spawn(mtls::serve(tcp, credentials, router, options, all.stop.clone()));
            all.urls.insert(code.clone(), format!("https://localhost:{port}"));
            all.silent.insert(code, is_silent);
        }
        all
    }

    /// Lets a province's aggregator take questions and never answer.
    ///
    /// # Panics
    /// When there is none.
    pub fn hang(&self, code: &str) {
        self.silent[code].store(true, Ordering::Relaxed);
    }

    /// Returns the peer directory.
    ///
    /// # Panics
    /// When a code is none.
    pub fn directory(&self) -> Value {
        let entry = |(code, url): (&String, &String)| {
            json!({
                "code": code, "name": local_stack::names_of(code).expect("a known jurisdiction"), "role": "pt",
                "state": "active", "gateway": {"aggregator": url},
                "identities": {"aggregator": spiffe_id(code, "aggregator").expect("an identity")},
            })
        };
        json!({"jurisdictions": self.urls.iter().map(entry).collect::<Vec<_>>()})
    }
}

impl Drop for Aggregators {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn credentials(stack: &Stack, folder: &Path, code: &str) -> Credentials {
    let identity = spiffe_id(code, "aggregator").expect("an identity");
    let authority = stack.authority().expect("the local authority");
    let leaf = authority.issue(&identity, &["localhost"], &[]).expect("a certificate");
    let path = |kind: &str| folder.join(format!("{code}.{kind}"));
    leaf.write(&path("crt"), &path("key")).expect("a written certificate");
    let federal = stack.certificate("PHAC", "federator").expect("a certificate");
    let files =
        TlsFiles { certificate: path("crt"), key: path("key"), roots: federal.roots, crl: Some(federal.crl) };
    Credentials::load(&files).expect("credentials")
}
