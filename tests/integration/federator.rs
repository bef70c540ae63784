//! The federator as a process: both ports, the audit trail, a stop in good order, a restart without anybody to ask.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use contracts::federated::{NationalTable, Source};
use local_stack::{FederatorSettings, Layout, ServiceProcess, Stack, spiffe_id, token_issuer};
use mtls::{ClientOptions, Credentials, ListenerOptions, SpiffeId, TlsFiles};
use reqwest::header::{ACCEPT, ETAG, IF_NONE_MATCH};
use serde_json::{Value, json};
use sqlx::PgPool;
use test_kit::eventually;
use test_kit::world::binaries;
use tokio_util::sync::CancellationToken;

use crate::release_sample::release;

/// A federator with a directory, a database and a folder of its own, and the fake aggregators of two provinces.
pub(super) struct Federal {
    pub(super) stack: Stack,
    pub(super) settings: FederatorSettings,
    directory: PathBuf,
    urls: BTreeMap<&'static str, String>,
    stops: BTreeMap<&'static str, CancellationToken>,
    released: Arc<Mutex<u64>>,
    name: String,
    database: String,
}

impl Federal {
    pub(super) async fn prepared() -> Self {
        mtls::install_crypto_provider();
        let layout = std::env::var_os("IIDI_TEST_STACK")
            .map_or_else(|| Layout::in_repository("test"), |folder| Layout::at(PathBuf::from(folder)));
        let stack = Stack::attach(&layout).expect("a running test stack: `cargo xtask test` starts one");
        let name = format!("phac_fed_{}", &uuid::Uuid::new_v4().simple().to_string()[..8]);
        let databases = stack.postgres().create_database(&name).await.unwrap();
        let directory = layout.root().join("worlds").join(format!("{name}.yaml"));
        let mut settings = FederatorSettings::of(&stack, &format!("-{name}"), &databases).unwrap();
        settings.config["directory"]["file"] = json!(directory);
        settings.config["sources"]["refresh_seconds"] = json!(1);
        settings.config["sources"]["stale_after_hours"] = json!(1_000_000); // the samples are of one day
        let mut federal = Self {
            name,
            database: databases.owner_url,
            stack,
            settings,
            directory,
            urls: BTreeMap::new(),
            stops: BTreeMap::new(),
            released: Arc::new(Mutex::new(7)),
        };
        for code in ["BC", "ON"] {
            federal.publish(code).await;
        }
        federal.write_directory(&[]);
        federal
    }

    /// Starts a province's aggregator, with the certificate that the stack has for it.
    async fn publish(&mut self, code: &'static str) {
        let tcp = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        self.urls.insert(code, format!("https://localhost:{}", tcp.local_addr().unwrap().port()));
        let released = self.released.clone();
        let answer = move || async move { release(code, *released.lock().unwrap(), 40).to_bytes() };
        let router = Router::new().route("/aggregated-data", get(answer));
        let stop = CancellationToken::new();
        let options = ListenerOptions { drain_timeout: Duration::ZERO, ..ListenerOptions::default() };
        tokio::spawn(mtls::serve(tcp, self.credentials(code, "aggregator"), router, options, stop.clone()));
        self.stops.insert(code, stop);
    }

    fn credentials(&self, code: &str, service: &str) -> Credentials {
        let files = self.stack.certificate(code, service).unwrap();
        Credentials::load(&TlsFiles {
            certificate: files.certificate,
            key: files.key,
            roots: files.roots,
            crl: Some(files.crl),
        })
        .unwrap()
    }

    /// A client with a certificate made for this test.
    fn reader(&self, service: &str) -> reqwest::Client {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let identity = spiffe_id("PHAC", service).unwrap();
        let leaf = self.stack.authority().unwrap().issue(&identity, &[], &[]).unwrap();
        leaf.write(&path("tls.crt"), &path("tls.key")).unwrap();
        let roots = self.stack.certificate("PHAC", "federator").unwrap().roots;
        let files = TlsFiles { certificate: path("tls.crt"), key: path("tls.key"), roots, crl: None };
        let expected = SpiffeId::parse(&spiffe_id("PHAC", "federator").unwrap()).unwrap();
        mtls::client(&Credentials::load(&files).unwrap(), &expected, ClientOptions::default()).unwrap()
    }

    pub(super) fn write_directory(&self, suspended: &[&str]) {
        let entries: Vec<Value> = self
            .urls
            .iter()
            .map(|(code, url)| {
                json!({
                    "code": code, "name": local_stack::names_of(code).unwrap(), "role": "pt",
                    "state": if suspended.contains(code) { "suspended" } else { "active" },
                    "gateway": {"aggregator": url},
                    "identities": {"aggregator": spiffe_id(code, "aggregator").unwrap()},
                })
            })
            .collect();
        let text = json!({"jurisdictions": entries}).to_string();
        local_stack::write_private(&self.directory, text.as_bytes()).unwrap();
    }

    pub(super) async fn start(&self) -> ServiceProcess {
        let spec = self.settings.prepare(self.stack.layout(), &binaries()).await.unwrap();
        ServiceProcess::start(self.stack.layout(), &spec).await.unwrap()
    }

    /// Kills the process and takes its files and its database away.
    pub(super) async fn end(self, process: ServiceProcess) {
        process.kill().await.unwrap();
        std::fs::remove_dir_all(self.settings.config["last_good_folder"].as_str().unwrap()).unwrap();
        self.stack.postgres().drop_database(&self.name).await.unwrap();
    }

    fn get(&self, path: &str) -> reqwest::RequestBuilder {
        let token = token_issuer(self.stack.layout(), "PHAC").unwrap();
        let token = token.mint("epidemiologist", &["aggregate.read"], Duration::from_mins(10)).unwrap();
        let client = reqwest::Client::builder().timeout(Duration::from_secs(10)).build().unwrap();
        client.get(format!("http://127.0.0.1:{}{path}", self.settings.port)).bearer_auth(token)
    }

    async fn table(&self) -> NationalTable {
        self.get("/aggregated-data").send().await.unwrap().json().await.unwrap()
    }

    /// Waits until it stands so with the sources: `BC=ok, ON=stale`.
    pub(super) async fn until(&self, expected: &str) -> NationalTable {
        eventually(expected, async || {
            let table = self.table().await;
            (standing(&table.sources) == expected).then_some(table)
        })
        .await
    }
}

fn standing(sources: &[Source]) -> String {
    let words = sources.iter().map(|source| format!("{}={}", source.jurisdiction, source.status.as_str()));
    words.collect::<Vec<_>>().join(", ")
}

#[tokio::test]
async fn the_federator_answers_on_both_ports_and_goes_on_from_its_disk() {
    let mut federal = Federal::prepared().await;
    let process = federal.start().await;
    let table = federal.table().await;
    assert_eq!(
        (standing(&table.sources).as_str(), table.data.len()),
        ("BC=ok, ON=ok", 6),
        "asked before ready"
    );

    let url = format!("https://localhost:{}/aggregated-data", federal.settings.gateway_port);
    let by_certificate = federal.reader("dashboard").get(&url).send().await.unwrap();
    let tag = by_certificate.headers()[ETAG].clone();
    assert_eq!(by_certificate.json::<NationalTable>().await.unwrap().data, table.data);
    assert_eq!(federal.reader("stranger").get(&url).send().await.unwrap().status(), 403);
    let again = federal.get("/aggregated-data").header(IF_NONE_MATCH, &tag).send().await.unwrap();
    assert_eq!(again.status(), 304);
    let text = federal
        .get("/aggregated-data")
        .header(ACCEPT, "text/csv")
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert_eq!(text.lines().count(), 7);

    federal.write_directory(&["ON"]);
    assert_eq!(federal.until("BC=ok, ON=suspended").await.data.len(), 3);
    federal.write_directory(&[]);
    federal.until("BC=ok, ON=ok").await;

    let metrics = format!("http://127.0.0.1:{}/metrics", federal.settings.admin_port);
    let metrics = reqwest::get(metrics).await.unwrap().text().await.unwrap();
    assert!(metrics.contains(r#"sources{peer="BC",status="ok"} 1"#), "{metrics}");
    assert_eq!(
        process.terminate(Duration::from_secs(40)).await.unwrap().and_then(|status| status.code()),
        Some(0)
    );

    federal.stops.remove("ON").unwrap().cancel();
    *federal.released.lock().unwrap() = 8;
    let process = federal.start().await;
    let restarted = federal.until("BC=ok, ON=stale").await;
    let releases: Vec<_> = restarted.sources.iter().map(|source| source.release_id).collect();
    assert_eq!((releases, restarted.data.len()), (vec![Some(8), Some(7)], 6));
    assert!(restarted.errors[0].starts_with("ON (Ontario) is stale: "), "{:?}", restarted.errors);
    let all = federal.get("/aggregated-data?require=all").send().await.unwrap();
    assert_eq!(all.status(), 503);
    federal.publish("ON").await;
    federal.write_directory(&[]);
    federal.until("BC=ok, ON=ok").await;

    let pool = PgPool::connect(&federal.database).await.unwrap();
    let rows = |actor: &'static str, status: i32| {
        sqlx::query_scalar::<_, i64>(
            "SELECT count(*) FROM audit_event
             WHERE action = 'request' AND actor = $1 AND (detail ->> 'status')::int = $2",
        )
        .bind(actor)
        .bind(status)
        .fetch_one(&pool)
    };
    assert!(rows("epidemiologist", 200).await.unwrap() >= 4);
    for (actor, status) in [
        ("epidemiologist", 304),
        ("epidemiologist", 503),
        ("spiffe://iidi.local/phac/dashboard", 200),
        ("spiffe://iidi.local/phac/stranger", 403),
    ] {
        assert_eq!(rows(actor, status).await.unwrap(), 1, "{actor} {status}");
    }
    pool.close().await;
    federal.end(process).await;
}
