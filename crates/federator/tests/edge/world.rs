//! A federator and the aggregators of a few provinces, each with its certificate.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use auth::{JwksSource, LocalIssuer, TokenConfig, TokenVerifier};
use chrono::TimeDelta;
use contracts::federated::{NationalTable, Source};
use domain::FixedClock;
use federator::aggregator::Aggregators;
use federator::fan_out::{FanOut, Late};
use federator::http::{Readers, State};
use federator::last_good::LastGood;
use federator::national::National;
use mtls::pki::LocalCa;
use mtls::{Credentials, ListenerOptions, TlsFiles};
use peers::Directory;
use serde_json::json;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::fake::{Fake, Script};
use crate::sample::release;

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
pub const FEDERATOR: &str = "spiffe://iidi.test/phac/federator";
pub const DASHBOARD: &str = "spiffe://iidi.test/phac/dashboard";
/// How long an aggregator may take here.
pub const TIMEOUT: Duration = Duration::from_millis(1_500);
/// How long it may take altogether.
const PATIENCE: Duration = Duration::from_mins(1);
pub const MAX_BYTES: usize = 4 << 20;

pub struct World {
    pub folder: TempDir,
    pub ca: LocalCa,
    pub clock: FixedClock,
    pub directory: Directory,
    pub national: National,
    pub issuer: LocalIssuer,
    pub stop: CancellationToken,
    fakes: BTreeMap<String, Fake>,
    urls: BTreeMap<String, String>,
    pub fan_out: FanOut,
}

impl World {
    /// Starts a federator that has not asked yet, and an aggregator with release 7 for each province.
    pub async fn of(codes: &[&str]) -> Self {
        mtls::install_crypto_provider();
        let folder = tempfile::tempdir().unwrap();
        let ca = LocalCa::create(&folder.path().join("ca")).unwrap();
        let stop = CancellationToken::new();
        let (mut fakes, mut urls) = (BTreeMap::new(), BTreeMap::new());
        for code in codes {
            let fake = Fake::new(Script::release(release(code, 7, 40)));
            let identity = format!("spiffe://iidi.test/pt/{}/aggregator", code.to_lowercase());
            let credentials = credentials(&folder, &ca, &identity);
            let url = serve(credentials, fake.router(), &stop).await;
            fakes.insert((*code).to_owned(), fake);
            urls.insert((*code).to_owned(), url);
        }
        let path = folder.path().join("jurisdictions.yaml");
        std::fs::write(&path, directory(&urls, &[])).unwrap();
        let directory = Directory::from_file(&path).unwrap();
        let clock = FixedClock::at(release("ON", 7, 40).release.published_at + TimeDelta::hours(1));
        let own = credentials(&folder, &ca, FEDERATOR);
        let fan_out = FanOut {
            aggregators: Arc::new(Aggregators::new(own, TIMEOUT, PATIENCE, MAX_BYTES)),
            last_good: Arc::new(LastGood::open(&folder.path().join("releases")).unwrap()),
            late: Late::default(),
            timeout: TIMEOUT,
            deadline: 2 * TIMEOUT,
            clock: Arc::new(clock.clone()),
        };
        let issuer = LocalIssuer::create(&folder.path().join("issuer"), "https://issuer", "iidi").unwrap();
        let national = open(&fan_out, &directory).await;
        Self { folder, ca, clock, directory, national, issuer, stop, fakes, urls, fan_out }
    }

    pub fn fake(&self, code: &str) -> &Fake {
        &self.fakes[code]
    }

    /// Lets a province's entry name another place.
    pub fn moves(&mut self, code: &str, url: String) {
        self.urls.insert(code.to_owned(), url);
        self.write_directory(&[]);
    }

    pub fn write_directory(&self, suspended: &[&str]) {
        std::fs::write(self.folder.path().join("jurisdictions.yaml"), directory(&self.urls, suspended))
            .unwrap();
        self.directory.reload();
    }

    pub fn url(&self, code: &str) -> &str {
        &self.urls[code]
    }

    /// Starts the federator again, from its disk.
    pub async fn restart(&mut self) {
        self.national = open(&self.fan_out, &self.directory).await;
    }

    /// Asks everyone once and returns the answer.
    pub async fn refreshed(&self) -> NationalTable {
        self.national.refresh().await;
        self.answer().await
    }

    pub async fn answer(&self) -> NationalTable {
        let written = self.national.current().await.unwrap();
        serde_json::from_slice(&written.json.plain).unwrap()
    }

    pub fn state(&self, per_minute: u32) -> State {
        let jwks = JwksSource { url: None, file: Some(self.issuer.jwks_file().to_owned()) };
        let tokens = TokenConfig {
            issuer: "https://issuer".to_owned(),
            audience: "iidi".to_owned(),
            jwks,
            algorithms: vec!["ES256".to_owned()],
            leeway_seconds: 30,
        };
        State {
            national: self.national.clone(),
            tokens: TokenVerifier::new(tokens).unwrap(),
            readers: Readers::new([DASHBOARD.to_owned()], per_minute),
        }
    }

    pub fn credentials(&self, identity: &str) -> Credentials {
        credentials(&self.folder, &self.ca, identity)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Serves over mutual TLS; returns the URL.
pub async fn serve(credentials: Credentials, router: axum::Router, stop: &CancellationToken) -> String {
    let listener = TcpListener::bind((LOOPBACK, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let options = ListenerOptions { drain_timeout: Duration::ZERO, ..ListenerOptions::default() };
    tokio::spawn(mtls::serve(listener, credentials, router, options, stop.clone()));
    format!("https://localhost:{port}")
}

async fn open(fan_out: &FanOut, directory: &Directory) -> National {
    National::open(fan_out.clone(), directory.clone(), TimeDelta::days(8)).await.unwrap()
}

fn credentials(folder: &TempDir, ca: &LocalCa, identity: &str) -> Credentials {
    let name = identity.replace(['/', ':'], "-");
    let path = |ending: &str| -> PathBuf { folder.path().join(format!("{name}.{ending}")) };
    let files = TlsFiles { certificate: path("crt"), key: path("key"), roots: path("roots"), crl: None };
    let leaf = ca.issue(identity, &["localhost"], &[LOOPBACK]).unwrap();
    leaf.write(&files.certificate, &files.key).unwrap();
    std::fs::write(&files.roots, ca.roots_pem()).unwrap();
    Credentials::load(&files).unwrap()
}

fn directory(urls: &BTreeMap<String, String>, suspended: &[&str]) -> String {
    let province = |(code, url): (&String, &String)| {
        json!({
            "code": code, "name": {"en": code, "fr": code}, "role": "pt",
            "state": if suspended.contains(&code.as_str()) { "suspended" } else { "active" },
            "gateway": {"aggregator": url},
            "identities": {"aggregator": format!("spiffe://iidi.test/pt/{}/aggregator", code.to_lowercase())},
        })
    };
    let mut entries: Vec<_> = urls.iter().map(province).collect();
    entries.push(
        json!({"code": "PHAC", "name": {"en": "PHAC", "fr": "ASPC"}, "role": "phac", "state": "active",
        "identities": {"federator": FEDERATOR}}),
    );
    json!({"jurisdictions": entries}).to_string()
}

/// Says how it stands with each source: `ON ok 7`.
pub fn standing(sources: &[Source]) -> Vec<String> {
    let word = |source: &Source| {
        let release = source.release_id.map_or(String::new(), |id| format!(" {id}"));
        let problem = source.problem.as_ref().map_or(String::new(), |problem| format!(" {}", problem.code));
        format!("{} {}{release}{problem}", source.jurisdiction, source.status.as_str())
    };
    sources.iter().map(word).collect()
}
