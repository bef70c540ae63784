//! The federal agency's own service, the federator: its generated configuration, its database, its process.

use std::path::Path;

use anyhow::Result;
use serde_json::{Value, json};

use crate::directory::FEDERAL;
use crate::layout::Layout;
use crate::postgres::DatabaseUrls;
use crate::service::{ServiceProcess, ServiceSpec};
use crate::settings::{Identity, address};
use crate::stack::Stack;
use crate::{ca, process};

const BINARY: &str = "federator";
const DATABASE: &str = "phac_federator";

/// The federator, ready to be started: its configuration, to be changed before.
#[derive(Debug, Clone)]
pub struct FederatorSettings {
    /// Tells replicas and tests apart; empty for the first.
    pub instance: String,
    /// The whole configuration, as it will be written.
    pub config: Value,
    /// Where readers with a token connect.
    pub port: u16,
    /// Where readers with a certificate connect.
    pub gateway_port: u16,
    /// Where its admin port listens.
    pub admin_port: u16,
}

impl FederatorSettings {
    /// Makes the configuration on this database; the local dashboard may read by certificate.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn of(stack: &Stack, instance: &str, databases: &DatabaseUrls) -> Result<Self> {
        let layout = stack.layout();
        let identity = identity(instance);
        let name = identity.name()?;
        let port = layout.port(&format!("{name}/api"))?;
        let gateway_port = layout.port(&format!("{name}/gateway"))?;
        let admin_port = layout.port(&format!("{name}/admin"))?;
        let mut config = identity.sections(stack, admin_port, databases)?;
        config["api"] = json!({"listen": address(port), "tokens": identity.tokens(layout)?});
        let readers = [ca::spiffe_id(FEDERAL, "dashboard")?];
        config["gateway"] = json!({"listen": address(gateway_port), "readers": readers});
        config["last_good_folder"] =
            json!(layout.root().join("releases").join(format!("{BINARY}{instance}")));
        // What is minutes between provinces is seconds on one computer.
        config["sources"] =
            json!({"refresh_seconds": 2, "timeout_milliseconds": 2000, "deadline_milliseconds": 4000});
        Ok(Self { instance: instance.to_owned(), config, port, gateway_port, admin_port })
    }

    /// Writes the configuration and returns what starts the federator, its database brought to its schema.
    ///
    /// # Errors
    /// When the file cannot be written, or the migration fails.
    pub async fn prepare(&self, layout: &Layout, binaries: &Path) -> Result<ServiceSpec> {
        identity(&self.instance).prepare(layout, binaries, &self.config, self.admin_port).await
    }

    /// Returns the name of its process, also that of its log.
    pub fn process_name(&self) -> String {
        identity(&self.instance).process_name()
    }
}

/// Starts the stack's federator on a database of its own, if it does not run.
///
/// # Errors
/// When it does not start; its log says why.
pub async fn start_federator(stack: &Stack, binaries: &Path) -> Result<()> {
    let databases = stack.postgres().create_database(DATABASE).await?;
    let settings = FederatorSettings::of(stack, "", &databases)?;
    if process::ProcessRecord::running(stack.layout(), &settings.process_name()).is_some() {
        return Ok(());
    }
    let spec = settings.prepare(stack.layout(), binaries).await?;
    ServiceProcess::start(stack.layout(), &spec).await?.leave_running();
    Ok(())
}

/// Returns the base URL of the federator's API for readers with a token.
///
/// # Errors
/// When no port can be had.
pub fn federator_url(layout: &Layout) -> Result<String> {
    Ok(format!("http://127.0.0.1:{}", layout.port(&format!("{}/api", name_of("")?))?))
}

pub(crate) fn name_of(instance: &str) -> Result<String> {
    identity(instance).name()
}

fn identity(instance: &str) -> Identity<'_> {
    Identity { jurisdiction: FEDERAL, binary: BINARY, instance }
}
