//! Services of some provinces, on databases, a queue prefix and a peer directory of their own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use contracts::ContentDigest;
use domain::TransferId;
use fhir_client::{FhirServer, FhirServerOptions};
use local_stack::{
    DatabaseUrls, Layout, ProvinceService, ServiceProcess, Settings, Stack, spiffe_id, token_issuer,
};
use mtls::{ClientOptions, Credentials, SpiffeId, TlsFiles};
use reqwest::Response;
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio::sync::OnceCell;

use crate::api::OutboundApi;
use crate::leftovers;

/// All scopes of the outbound API.
const SCOPES: [&str; 3] = ["transfer.request", "transfer.read", "transfer.operate"];

type Key = (String, ProvinceKey);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum ProvinceKey {
    Outbound,
    Inbound,
    Aggregator,
}

fn key(province: &str, service: ProvinceService) -> Key {
    let service = match service {
        ProvinceService::Outbound => ProvinceKey::Outbound,
        ProvinceService::Inbound => ProvinceKey::Inbound,
        ProvinceService::Aggregator => ProvinceKey::Aggregator,
    };
    (province.to_owned(), service)
}

/// A world.
pub struct World {
    stack: Stack,
    name: String,
    directory: PathBuf,
    databases: BTreeMap<Key, DatabaseUrls>,
    settings: BTreeMap<Key, Settings>,
    running: tokio::sync::Mutex<BTreeMap<String, ServiceProcess>>,
}

static SHARED: OnceCell<World> = OnceCell::const_new();

/// What is changed in a service's configuration before it starts.
pub type Change<'a> = &'a (dyn Fn(&mut Value) + Sync);

impl World {
    /// Returns the world of all tests that disturb nothing: both services of ON, BC and QC.
    pub async fn shared() -> &'static Self {
        SHARED.get_or_init(|| async { Self::of("shared", &["ON", "BC", "QC"]).await }).await
    }

    /// Makes a world with both services of these provinces.
    pub async fn of(name: &str, provinces: &[&str]) -> Self {
        let services: Vec<_> = provinces
            .iter()
            .flat_map(|&code| [(code, ProvinceService::Inbound), (code, ProvinceService::Outbound)])
            .collect();
        Self::with(name, &services, &|_| {}).await
    }

    /// Makes a world with these services, their configuration changed.
    ///
    /// # Panics
    /// When there is no stack, or a service does not start.
    pub async fn with(name: &str, services: &[(&str, ProvinceService)], change: Change<'_>) -> Self {
        mtls::install_crypto_provider();
        let world = Self::prepared(name, services).await;
        for (province, service) in services {
            world.start(province, *service, "", change, &[]).await;
        }
        world
    }

    /// Makes a world with databases and configuration, but starts nothing.
    ///
    /// # Panics
    /// When there is no stack.
    pub async fn prepared(name: &str, services: &[(&str, ProvinceService)]) -> Self {
        mtls::install_crypto_provider();
        let layout = std::env::var_os("IIDI_TEST_STACK")
            .map_or_else(|| Layout::in_repository("test"), |folder| Layout::at(PathBuf::from(folder)));
        let stack = Stack::attach(&layout).expect("a running test stack: `cargo xtask test` starts one");
        // A run beside another one, or after one that was killed, must not meet its rows.
        let name = format!("{name}{}", &uuid::Uuid::new_v4().simple().to_string()[..8]);
        leftovers::end(&layout).await;
        leftovers::own(&layout, &name);
        let directory = layout.root().join("worlds").join(format!("{name}.yaml"));
        let mut world = Self {
            stack,
            name,
            directory,
            databases: BTreeMap::new(),
            settings: BTreeMap::new(),
            running: tokio::sync::Mutex::default(),
        };
        for (province, service) in services {
            world.add(province, *service).await;
        }
        world.write_directory(&[]);
        world
    }

    async fn add(&mut self, province: &str, service: ProvinceService) {
        let code = province.to_lowercase();
        let part = match service {
            ProvinceService::Outbound => "out",
            ProvinceService::Inbound => "in",
            ProvinceService::Aggregator => "ag",
        };
        let databases = self
            .stack
            .postgres()
            .create_database(&format!("{code}_{part}_{}", self.name))
            .await
            .expect("a database");
        let settings = self.settings_of(province, service, "", &databases);
        self.databases.insert(key(province, service), databases);
        self.settings.insert(key(province, service), settings);
    }

    /// Adds both services of a province to a running world's directory and starts them.
    pub async fn join(&mut self, province: &str) {
        for service in ProvinceService::ALL {
            self.add(province, service).await;
        }
        self.write_directory(&[]);
        for service in ProvinceService::ALL {
            self.start(province, service, "", &|_| {}, &[]).await;
        }
    }

    fn settings_of(
        &self,
        province: &str,
        service: ProvinceService,
        instance: &str,
        databases: &DatabaseUrls,
    ) -> Settings {
        let instance = format!("-{}{instance}", self.name);
        let mut settings =
            Settings::of(&self.stack, province, service, &instance, databases).expect("a configuration");
        settings.config["directory"] = json!({"file": self.directory, "poll_seconds": 1});
        match service {
            ProvinceService::Outbound => {
                settings.config["queue"]["prefix"] =
                    json!(format!("{}:tx:{}", province.to_lowercase(), self.name));
                settings.config["transfers"] = json!({"first_retry_milliseconds": 200, "sweep_after_seconds": 4,
                    "lease_seconds": 10, "first_probe_seconds": 1, "longest_probe_seconds": 1});
            }
            ProvinceService::Inbound => settings.config["intake"] = json!({"lease_seconds": 10}),
            ProvinceService::Aggregator => {}
        }
        settings
    }

    /// Starts a service; `replica` tells a second one of the same databases apart.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start(
        &self,
        province: &str,
        service: ProvinceService,
        replica: &str,
        change: Change<'_>,
        env: &[(&str, &str)],
    ) {
        let mut settings = if replica.is_empty() {
            self.settings[&key(province, service)].clone()
        } else {
            self.settings_of(province, service, replica, &self.databases[&key(province, service)])
        };
        change(&mut settings.config);
        let mut spec = settings.prepare(self.stack.layout(), &binaries()).await.expect("a prepared service");
        spec.env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let process = ServiceProcess::start(self.stack.layout(), &spec).await.expect("a running service");
        self.running.lock().await.insert(running_key(province, service, replica), process);
    }

    /// Kills a service at once.
    ///
    /// # Panics
    /// When it does not run.
    pub async fn kill(&self, province: &str, service: ProvinceService) {
        self.take(province, service).await.kill().await.expect("a killed process");
    }

    /// Stops a service in good order and returns its exit code.
    ///
    /// # Panics
    /// When it does not run, or does not stop.
    pub async fn terminate(&self, province: &str, service: ProvinceService) -> Option<i32> {
        let process = self.take(province, service).await;
        process
            .terminate(Duration::from_secs(40))
            .await
            .expect("a stopped process")
            .and_then(|status| status.code())
    }

    async fn take(&self, province: &str, service: ProvinceService) -> ServiceProcess {
        let mut running = self.running.lock().await;
        running.remove(&running_key(province, service, "")).expect("a running service")
    }

    /// Returns a service's log so far.
    pub fn log(&self, province: &str, service: ProvinceService) -> String {
        std::fs::read_to_string(self.log_file(province, service)).unwrap_or_default()
    }

    /// Returns the file of a service's log.
    pub fn log_file(&self, province: &str, service: ProvinceService) -> PathBuf {
        let name = format!("{}-{}-{}", province.to_lowercase(), service.binary(), self.name);
        self.stack.layout().log(&name)
    }

    /// Writes the peer directory for the provinces of this world; `suspended` ones are so.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn write_directory(&self, suspended: &[&str]) {
        self.write_directory_with(suspended, &|_| {});
    }

    /// Writes the peer directory, each entry changed.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn write_directory_with(&self, suspended: &[&str], change: Change<'_>) {
        let provinces: std::collections::BTreeSet<&String> =
            self.settings.keys().map(|(code, _)| code).collect();
        let mut entries: Vec<Value> = provinces
            .into_iter()
            .map(|code| {
                let gateway = |service| {
                    let settings = self.settings.get(&key(code, service));
                    settings.map(|settings| format!("https://localhost:{}", settings.port))
                };
                let names = local_stack::names_of(code).expect("a known jurisdiction");
                let mut entry = json!({
                    "code": code, "name": names, "role": "pt",
                    "state": if suspended.contains(&code.as_str()) { "suspended" } else { "active" },
                    "gateway": {
                        "inbound_transfer": gateway(ProvinceService::Inbound),
                        "aggregator": gateway(ProvinceService::Aggregator),
                    },
                    "identities": {
                        "outbound_transfer": spiffe_id(code, "outbound-transfer").expect("an identity"),
                        "inbound_transfer": spiffe_id(code, "inbound-transfer").expect("an identity"),
                        "aggregator": spiffe_id(code, "aggregator").expect("an identity"),
                    },
                });
                change(&mut entry);
                entry
            })
            .collect();
        let federal = local_stack::names_of("PHAC").expect("the federal agency");
        let federator = spiffe_id("PHAC", "federator").expect("an identity");
        entries.push(json!({"code": "PHAC", "name": federal, "role": "phac", "state": "active",
            "identities": {"federator": federator}}));
        let text = json!({"jurisdictions": entries}).to_string();
        local_stack::write_private(&self.directory, text.as_bytes()).expect("a written directory");
    }

    /// Returns the local stack.
    pub fn stack(&self) -> &Stack {
        &self.stack
    }

    /// Returns this world's own name, also part of its keys in Redis.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns a client of a province's FHIR server.
    ///
    /// # Panics
    /// When the code is none.
    pub fn fhir(&self, province: &str) -> FhirServer {
        let url = self.stack.fhir_url(province).expect("a province");
        FhirServer::new(&url, FhirServerOptions::default()).expect("a client")
    }

    /// Returns a province's outbound API.
    ///
    /// # Panics
    /// When this world has no such service.
    pub fn outbound(&self, province: &str) -> OutboundApi {
        let port = self.settings[&key(province, ProvinceService::Outbound)].port;
        OutboundApi::new(format!("http://127.0.0.1:{port}"), self.token(province, &SCOPES))
    }

    /// Returns a province's list of arrivals.
    ///
    /// # Panics
    /// When this world has no such service.
    pub fn arrivals(&self, province: &str) -> OutboundApi {
        let listen = &self.settings[&key(province, ProvinceService::Inbound)].config["api"]["listen"];
        let base = format!("http://{}", listen.as_str().expect("an address"));
        OutboundApi::new(base, self.token(province, &SCOPES))
    }

    /// Returns a province's releases, for whoever may read and publish them.
    ///
    /// # Panics
    /// When this world has no such service.
    pub fn releases(&self, province: &str) -> OutboundApi {
        let listen = &self.settings[&key(province, ProvinceService::Aggregator)].config["api"]["listen"];
        let base = format!("http://{}", listen.as_str().expect("an address"));
        OutboundApi::new(base, self.token(province, &["aggregate.read", "aggregate.operate"]))
    }

    /// Returns the releases as one replica of a province's aggregator shows them.
    ///
    /// # Panics
    /// When there is no port for it.
    pub fn releases_by(&self, province: &str, replica: &str) -> OutboundApi {
        let name = format!("{}/aggregator-{}{replica}/local-api", province.to_lowercase(), self.name);
        let port = self.stack.layout().port(&name).expect("a port");
        let token = self.token(province, &["aggregate.read", "aggregate.operate"]);
        OutboundApi::new(format!("http://127.0.0.1:{port}"), token)
    }

    /// Mints a bearer token for a province's outbound API.
    ///
    /// # Panics
    /// When it cannot be minted.
    pub fn token(&self, province: &str, scopes: &[&str]) -> String {
        let issuer = token_issuer(self.stack.layout(), province).expect("an issuer");
        issuer.mint("test", scopes, Duration::from_mins(10)).expect("a token")
    }

    /// Returns the admin address of a service.
    pub fn admin(&self, province: &str, service: ProvinceService) -> String {
        format!("http://127.0.0.1:{}", self.settings[&key(province, service)].admin_port)
    }

    /// Returns what a service measures, as its admin port shows it.
    ///
    /// # Panics
    /// When the admin port does not answer.
    pub async fn metrics(&self, province: &str, service: ProvinceService) -> String {
        let url = format!("{}/metrics", self.admin(province, service));
        reqwest::get(url).await.expect("the admin port answers").text().await.expect("metrics are text")
    }

    /// Returns the URL of a province's gateway; of a replica where it is named.
    ///
    /// # Panics
    /// When the code is none.
    pub fn gateway(&self, province: &str, replica: &str) -> String {
        let port = if replica.is_empty() {
            self.settings[&key(province, ProvinceService::Inbound)].port
        } else {
            let name = format!("{}/inbound-transfer-{}{replica}/api", province.to_lowercase(), self.name);
            self.stack.layout().port(&name).expect("a port")
        };
        format!("https://localhost:{port}")
    }

    /// Returns the URL of the gateway of one of a province's services.
    pub fn gateway_of(&self, province: &str, service: ProvinceService) -> String {
        format!("https://localhost:{}", self.settings[&key(province, service)].port)
    }

    /// Returns an HTTP client with the certificate of a province's service, for another's inbound gateway.
    ///
    /// # Panics
    /// When the certificate cannot be loaded.
    pub fn peer_client(&self, from: &str, service: &str, to: &str) -> reqwest::Client {
        let expected =
            SpiffeId::parse(&spiffe_id(to, "inbound-transfer").expect("an identity")).expect("an identity");
        mtls::client(&self.credentials(from, service), &expected, ClientOptions::default()).expect("a client")
    }

    /// Returns the credentials of a province's service.
    ///
    /// # Panics
    /// When they cannot be loaded.
    pub fn credentials(&self, province: &str, service: &str) -> Credentials {
        let files = self.stack.certificate(province, service).expect("a certificate");
        let tls = TlsFiles {
            certificate: files.certificate,
            key: files.key,
            roots: files.roots,
            crl: Some(files.crl),
        };
        Credentials::load(&tls).expect("credentials")
    }

    /// Sends a package as a province's outbound service would.
    ///
    /// # Panics
    /// When the gateway does not answer.
    pub async fn put(&self, from: &str, to: &str, id: TransferId, package: &[u8]) -> Response {
        let client = self.peer_client(from, "outbound-transfer", to);
        put_by(&client, &self.gateway(to, ""), id, package).await
    }

    /// Returns the URL of a service's own role on its database.
    pub fn service_database_url(&self, province: &str, service: ProvinceService) -> String {
        self.databases[&key(province, service)].runtime_url.clone()
    }

    /// Returns the file of the peer directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Returns a pool with the service's own rights on its database.
    ///
    /// # Panics
    /// When there is none.
    pub async fn service_database(&self, province: &str, service: ProvinceService) -> PgPool {
        let urls = &self.databases[&key(province, service)];
        PgPool::connect(&urls.runtime_url).await.expect("a database")
    }

    /// Returns the URL of a service's database, in the service's own role.
    ///
    /// # Panics
    /// When it was not asked for.
    pub fn database_url(&self, province: &str, service: ProvinceService) -> &str {
        &self.databases[&key(province, service)].runtime_url
    }

    /// Returns a pool with the owner's rights on a service's database.
    ///
    /// # Panics
    /// When there is none.
    pub async fn database(&self, province: &str, service: ProvinceService) -> PgPool {
        let urls = &self.databases[&key(province, service)];
        PgPool::connect(&urls.owner_url).await.expect("a database")
    }
}

/// Sends a package with a client that is at hand.
///
/// # Panics
/// When the gateway does not answer.
pub async fn put_by(client: &reqwest::Client, gateway: &str, id: TransferId, package: &[u8]) -> Response {
    client
        .put(format!("{gateway}/inbound-transfer/{id}"))
        .header("Content-Type", "application/fhir+json")
        .header("Content-Digest", ContentDigest::of(package).to_header())
        .body(package.to_vec())
        .send()
        .await
        .expect("the gateway answers")
}

fn running_key(province: &str, service: ProvinceService, replica: &str) -> String {
    format!("{province}/{}{replica}", service.binary())
}

/// Returns the folder that the services were built into.
pub fn binaries() -> PathBuf {
    std::env::var_os("IIDI_BINARIES")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/debug"), PathBuf::from)
}
