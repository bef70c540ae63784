//! A real HAPI FHIR server per province, each with a database of its own.
//!
//! Its log holds SQL errors and search addresses, so it is personal data and stays in the stack's folder. Searches
//! are answered from stored results for 60 s, as on the official image: code that forgets to ask for fresh ones
//! fails here too.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use tokio::process::Command;

use crate::exec;
use crate::files::{secret, write_private};
use crate::layout::{Layout, lower_code};
use crate::port;
use crate::postgres::Postgres;
use crate::process::{Launch, ProcessRecord, launch};

pub(crate) mod build;

/// Two servers beside a compiler on two cores need about a minute.
const START_LIMIT: Duration = Duration::from_mins(5);
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// How the FHIR servers are built and run.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HapiOptions {
    /// Folder of the Maven project.
    pub project: PathBuf,
    /// Largest heap of a server, in the JVM's notation.
    pub heap: String,
    /// Whether the JVM keeps to its quick compiler: half the CPU time until ready, less throughput later.
    pub quick_start: bool,
}

impl Default for HapiOptions {
    fn default() -> Self {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap_or(Path::new(""));
        let project = repository.join("deploy/local/hapi");
        Self { project, heap: "512m".to_owned(), quick_start: true }
    }
}

/// The FHIR server of one province.
#[derive(Debug, Clone)]
pub struct Hapi {
    layout: Layout,
    code: String,
    name: String,
    port: u16,
}

impl Hapi {
    /// The server of a province, running or not.
    pub(crate) fn of(layout: &Layout, province: &str) -> Result<Self> {
        let code = lower_code(province)?;
        let name = format!("hapi-{code}");
        let port = layout.port(&name)?;
        Ok(Self { layout: layout.clone(), code, name, port })
    }

    /// Base URL of its FHIR interface.
    pub fn fhir_url(&self) -> String {
        format!("http://127.0.0.1:{}/fhir", self.port)
    }

    /// Whether its process runs.
    pub fn is_running(&self) -> bool {
        ProcessRecord::running(&self.layout, &self.name).is_some()
    }

    /// Starts it unless it runs, and waits until it is ready. `app` is the built program's folder.
    pub(crate) async fn up(
        layout: &Layout,
        province: &str,
        app: &Path,
        options: &HapiOptions,
    ) -> Result<(Self, bool)> {
        let server = Self::of(layout, province)?;
        if server.is_running() {
            server.wait_until_ready().await?;
            return Ok((server, false));
        }
        let port = layout.port_to_listen(&server.name)?;
        let server = Self { port, ..server };
        server.start(app, options).await?;
        Ok((server, true))
    }

    /// Starts it on the port that others know, and waits until it is ready.
    pub(crate) async fn start(&self, app: &Path, options: &HapiOptions) -> Result<()> {
        ensure!(!self.is_running(), "{} runs already", self.name);
        ensure!(port::is_free(self.port), "port {} of {} is taken", self.port, self.name);
        let command = self.command(app, options)?;
        let name = self.name.clone();
        launch(&self.layout, Launch { name, command, port: self.port, stage: 1, stop_signal: "TERM" })?;
        self.wait_until_ready().await?;
        write_private(&self.tables_mark(), version_of(app).as_bytes())
    }

    fn command(&self, app: &Path, options: &HapiOptions) -> Result<Command> {
        let database = format!("{}_hapi", self.code);
        let owner = format!("{database}_owner");
        let postgres = Postgres::attach(&self.layout)?;
        let mut command = Command::new(exec::program("java")?);
        command
            .arg(format!("-Xmx{}", options.heap))
            .args(["-XX:+UseSerialGC", "-XX:+ExitOnOutOfMemoryError"]);
        if options.quick_start {
            command.arg("-XX:TieredStopAtLevel=1");
        }
        command.arg("-jar").arg(app.join(build::JAR)).arg("--hapi.fhir.job_maintenance_millis=1000");
        if std::fs::read_to_string(self.tables_mark()).is_ok_and(|made_by| made_by == version_of(app)) {
            command.arg("--spring.jpa.properties.hibernate.hbm2ddl.auto=none"); // saves some seconds
        }
        command
            .current_dir(self.layout.root())
            .env_remove("JAVA_TOOL_OPTIONS")
            .env("HAPI_PORT", self.port.to_string())
            .env("HAPI_DB_PORT", postgres.port().to_string())
            .env("HAPI_DB_NAME", &database)
            .env("HAPI_DB_USER", &owner)
            .env("HAPI_DB_PASSWORD", secret(&self.layout.secret(&format!("postgres/{owner}")))?);
        Ok(command)
    }

    /// Names the program that has made the tables.
    fn tables_mark(&self) -> PathBuf {
        self.layout.root().join("hapi").join(format!("{}.tables", self.name))
    }

    /// Stops it in good order.
    pub(crate) async fn stop(&self) -> Result<()> {
        match ProcessRecord::find(&self.layout, &self.name) {
            Some(record) => record.stop(&self.layout, STOP_LIMIT).await,
            None => Ok(()),
        }
    }

    /// Kills it at once, as a crash would.
    pub(crate) async fn kill(&self) -> Result<()> {
        match ProcessRecord::find(&self.layout, &self.name) {
            Some(record) => record.kill(&self.layout).await,
            None => Ok(()),
        }
    }

    async fn wait_until_ready(&self) -> Result<()> {
        let record = ProcessRecord::find(&self.layout, &self.name).context("the server is not recorded")?;
        let client = reqwest::Client::builder().timeout(Duration::from_secs(2)).no_proxy().build()?;
        // not /fhir/metadata: that answers 200 without a database
        let address = format!("http://127.0.0.1:{}/actuator/health/readiness", self.port);
        let is_ready =
            async || client.get(&address).send().await.is_ok_and(|answer| answer.status().is_success());
        record.ready(START_LIMIT, is_ready).await
    }
}

/// The folder's name carries the hash of the sources.
fn version_of(app: &Path) -> String {
    app.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
