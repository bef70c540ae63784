//! The federator as a process, on a database and a folder of its own.

use std::path::Path;
use std::time::Duration;

use contracts::federated::NationalTable;
use local_stack::{FederatorSettings, Layout, ServiceProcess, Stack, token_issuer};
use reqwest::RequestBuilder;
use serde_json::json;

use crate::wait::eventually;
use crate::world::{Change, binaries};

/// The federator, until it is dropped.
pub struct Federator {
    layout: Layout,
    settings: FederatorSettings,
    http: reqwest::Client,
    process: ServiceProcess,
}

impl Federator {
    /// Starts a federator of this name that asks whom a directory names.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start(stack: &Stack, name: &str, directory: &Path, change: Change<'_>) -> Self {
        let layout = stack.layout().clone();
        let databases =
            stack.postgres().create_database(&format!("phac_fed_{name}")).await.expect("a database");
        let mut settings =
            FederatorSettings::of(stack, &format!("-{name}"), &databases).expect("a configuration");
        settings.config["directory"]["file"] = json!(directory);
        settings.config["sources"]["refresh_seconds"] = json!(1);
        change(&mut settings.config);
        let spec = settings.prepare(&layout, &binaries()).await.expect("a prepared service");
        let process = ServiceProcess::start(&layout, &spec).await.expect("a running service");
        let http = reqwest::Client::builder().timeout(Duration::from_secs(10)).no_proxy().build();
        Self { layout, settings, http: http.expect("a client"), process }
    }

    /// Returns where readers with a certificate connect.
    pub fn gateway(&self) -> String {
        format!("https://localhost:{}", self.settings.gateway_port)
    }

    /// Returns its process id, for whoever ends it from outside.
    pub fn pid(&self) -> u32 {
        self.process.record().pid
    }

    /// Begins a call with a token that may read.
    ///
    /// # Panics
    /// When none can be minted.
    pub fn get(&self, path: &str) -> RequestBuilder {
        self.get_by(&self.http, path)
    }

    /// Begins such a call with another client.
    ///
    /// # Panics
    /// When no token can be minted.
    pub fn get_by(&self, http: &reqwest::Client, path: &str) -> RequestBuilder {
        let token = token_issuer(&self.layout, "PHAC").expect("an issuer");
        let token = token.mint("test", &["aggregate.read"], Duration::from_mins(10)).expect("a token");
        http.get(format!("http://127.0.0.1:{}{path}", self.settings.port)).bearer_auth(token)
    }

    /// Returns what the admin port measures.
    ///
    /// # Panics
    /// When it does not answer.
    pub async fn metrics(&self) -> String {
        let url = format!("http://127.0.0.1:{}/metrics", self.settings.admin_port);
        let answer = self.http.get(url).send().await.expect("the admin port answers");
        answer.text().await.expect("metrics are text")
    }

    /// Returns the national table as it stands.
    ///
    /// # Panics
    /// When there is none.
    pub async fn table(&self) -> NationalTable {
        let answer = self.get("/aggregated-data").send().await.expect("the federator answers");
        answer.json().await.expect("a national table")
    }

    /// Waits until it stands so with the sources: `BC=ok, ON=stale`.
    pub async fn until(&self, expected: &str) -> NationalTable {
        eventually(expected, async || {
            let answer = self.get("/aggregated-data").send().await.ok()?;
            let table: NationalTable = answer.error_for_status().ok()?.json().await.ok()?;
            (standing(&table) == expected).then_some(table)
        })
        .await
    }
}

/// How it stands with the sources, in one line.
fn standing(table: &NationalTable) -> String {
    let words =
        table.sources.iter().map(|source| format!("{}={}", source.jurisdiction, source.status.as_str()));
    words.collect::<Vec<_>>().join(", ")
}
