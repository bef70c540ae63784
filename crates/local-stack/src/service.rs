//! One of our own services as a process: started with a configuration file, ready when its admin port says so.

use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::process::{Child, Command};

use crate::layout::Layout;
use crate::process::{Launch, ProcessRecord, launch};

/// What to start.
#[derive(Debug, Clone)]
pub struct ServiceSpec {
    /// Name of the process, of its log and of its record: `on-inbound-transfer`, or `bc-inbound-transfer-2`.
    pub name: String,
    /// The program.
    pub binary: PathBuf,
    /// Arguments, the one that names the configuration file among them.
    pub args: Vec<String>,
    /// Extra environment variables.
    pub env: Vec<(String, String)>,
    /// Port on which it answers `/readyz`.
    pub admin_port: u16,
    /// How long it may take until ready.
    pub start_limit: Duration,
}

impl ServiceSpec {
    /// `binary --config <file> serve`, ready within 30 s.
    pub fn new(
        name: impl Into<String>,
        binary: impl Into<PathBuf>,
        config: impl Into<PathBuf>,
        admin_port: u16,
    ) -> Self {
        let config: PathBuf = config.into();
        Self {
            name: name.into(),
            binary: binary.into(),
            args: vec!["--config".to_owned(), config.to_string_lossy().into_owned(), "serve".to_owned()],
            env: Vec::new(),
            admin_port,
            start_limit: Duration::from_secs(30),
        }
    }
}

/// A service's process. Dropping it kills the process, unless [`ServiceProcess::leave_running`] was called or it
/// was found by [`ServiceProcess::find`]. Its record lets `down` end it in any case.
#[derive(Debug)]
pub struct ServiceProcess {
    layout: Layout,
    record: ProcessRecord,
    child: Option<Child>,
}

impl ServiceProcess {
    /// Starts a service and waits until it is ready.
    ///
    /// # Errors
    /// When it cannot be started, ends, or is not ready in time (then with the end of its log), or when one of
    /// that name runs already.
    pub async fn start(layout: &Layout, spec: &ServiceSpec) -> Result<Self> {
        let service = Self::start_unready(layout, spec)?;
        service.wait_until_ready(spec.start_limit).await?;
        Ok(service)
    }

    /// Starts a service without waiting, for tests of the start itself.
    ///
    /// # Errors
    /// When it cannot be started, or one of that name runs already.
    pub fn start_unready(layout: &Layout, spec: &ServiceSpec) -> Result<Self> {
        if ProcessRecord::running(layout, &spec.name).is_some() {
            bail!("{} runs already", spec.name);
        }
        let mut command = Command::new(&spec.binary);
        command.args(&spec.args).envs(spec.env.iter().cloned()).current_dir(layout.root());
        let name = spec.name.clone();
        let start = Launch { name, command, port: spec.admin_port, stage: 0, stop_signal: "TERM" };
        let (child, record) = launch(layout, start)?;
        Ok(Self { layout: layout.clone(), record, child: Some(child) })
    }

    /// The running service of this name, started by whichever command.
    pub fn find(layout: &Layout, name: &str) -> Option<Self> {
        let record = ProcessRecord::running(layout, name)?;
        Some(Self { layout: layout.clone(), record, child: None })
    }

    /// What is recorded of the process.
    pub fn record(&self) -> &ProcessRecord {
        &self.record
    }

    /// Waits until `/readyz` answers 200.
    ///
    /// # Errors
    /// When the process ends, or the time is over.
    pub async fn wait_until_ready(&self, limit: Duration) -> Result<()> {
        let client = reqwest::Client::builder().timeout(Duration::from_secs(2)).no_proxy().build()?;
        let address = format!("http://127.0.0.1:{}/readyz", self.record.port);
        let is_ready =
            async || client.get(&address).send().await.is_ok_and(|answer| answer.status().is_success());
        self.record.ready(limit, is_ready).await
    }

    /// Asks it to stop and waits. Returns how it ended; `None` when another command had started it.
    ///
    /// # Errors
    /// When it does not stop within `grace`: it is killed then.
    pub async fn terminate(mut self, grace: Duration) -> Result<Option<ExitStatus>> {
        let started = Instant::now();
        self.record.stop(&self.layout, grace).await?;
        if started.elapsed() >= grace {
            bail!("{} did not stop within {} s", self.record.name, grace.as_secs());
        }
        self.exit_status().await
    }

    /// Kills it at once, as a crash would.
    ///
    /// # Errors
    /// When it cannot be ended.
    pub async fn kill(mut self) -> Result<()> {
        self.record.kill(&self.layout).await?;
        self.exit_status().await.map(|_| ())
    }

    /// Waits for it to end by itself. `None` when another command had started it.
    ///
    /// # Errors
    /// When it still runs after `limit`.
    pub async fn wait(mut self, limit: Duration) -> Result<Option<ExitStatus>> {
        if !self.record.gone_within(limit).await {
            bail!("{} still runs after {} s", self.record.name, limit.as_secs());
        }
        self.record.kill(&self.layout).await?; // forgets it
        self.exit_status().await
    }

    /// Lets the process live on; returns what is recorded of it.
    pub fn leave_running(mut self) -> ProcessRecord {
        self.child = None;
        self.record.clone()
    }

    async fn exit_status(&mut self) -> Result<Option<ExitStatus>> {
        match self.child.take() {
            Some(mut child) => Ok(Some(child.wait().await.context("waiting for a child")?)),
            None => Ok(None),
        }
    }
}

impl Drop for ServiceProcess {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child
            && let Err(error) = child.start_kill()
        {
            tracing::warn!(part = %self.record.name, %error, "cannot be killed");
        }
    }
}
