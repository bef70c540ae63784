//! The dashboard on the federator: its environment and its process.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::directory::FEDERAL;
use crate::exec;
use crate::federal::name_of;
use crate::process::{Launch, ProcessRecord, launch};
use crate::stack::Stack;

const NAME: &str = "phac-dashboard";
const PORT: &str = "phac/dashboard";
const START_LIMIT: Duration = Duration::from_mins(1);

/// Starts the dashboard in its folder, if it does not run, and returns its address. It reads the federator by its own
/// certificate, and says on every page that the data are synthetic.
///
/// # Errors
/// When R is not there, or it does not start; its log says why.
pub async fn start_dashboard(stack: &Stack, folder: &Path) -> Result<String> {
    let layout = stack.layout();
    if let Some(record) = ProcessRecord::running(layout, NAME) {
        return Ok(address(record.port));
    }
    ProcessRecord::running(layout, "phac-federator").context("the dashboard needs a federator; none runs")?;
    let gateway = layout.port(&format!("{}/gateway", name_of("")?))?;
    let port = layout.port_to_listen(PORT)?;
    let certificate = stack.certificate(FEDERAL, "dashboard")?;
    let mut command = exec::clean_command(Path::new("Rscript"));
    command
        .arg(folder.join("app.R"))
        .env("LC_ALL", "C.UTF-8")
        .env("DASHBOARD_FEDERATOR_URL", format!("https://localhost:{gateway}"))
        .env("DASHBOARD_DATA_KIND", "synthetic")
        .env("DASHBOARD_CERTIFICATE_FILE", certificate.certificate)
        .env("DASHBOARD_KEY_FILE", certificate.key)
        .env("DASHBOARD_CA_FILE", certificate.roots)
        .env("DASHBOARD_REFRESH_SECONDS", "5")
        .env("DASHBOARD_LAST_GOOD_FILE", layout.root().join("releases/dashboard.json"))
        .env("DASHBOARD_PORT", port.to_string());
    let (mut child, record) =
        launch(layout, Launch { name: NAME.to_owned(), command, port, stage: 0, stop_signal: "TERM" })?;
    let begun = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
        if child.try_wait()?.is_some() || begun.elapsed() > START_LIMIT {
            bail!("the dashboard does not start; its log is {}", record.log.display());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(address(port))
}

fn address(port: u16) -> String {
    format!("http://127.0.0.1:{port}/")
}
