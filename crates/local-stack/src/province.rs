//! A province's own services: their generated configuration, their databases, their processes.

use std::path::{Path, PathBuf};

use anyhow::Result;
use auth::LocalIssuer;
use serde_json::{Value, json};

use crate::directory::gateway_port_name;
use crate::files::write_private;
use crate::layout::{Layout, lower_code};
use crate::postgres::DatabaseUrls;
use crate::service::{ServiceProcess, ServiceSpec};
use crate::settings::{Identity, address};
use crate::stack::Stack;

/// The issuer of local bearer tokens.
pub(crate) const ISSUER: &str = "https://login.iidi.local";

/// One of a province's services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProvinceService {
    /// Seals, delivers, closes.
    Outbound,
    /// Receives.
    Inbound,
    /// Counts and publishes.
    Aggregator,
}

impl ProvinceService {
    /// All, in the order in which they start.
    pub const ALL: [Self; 3] = [Self::Inbound, Self::Outbound, Self::Aggregator];

    /// Returns the binary's name.
    pub fn binary(self) -> &'static str {
        match self {
            Self::Outbound => "outbound-transfer",
            Self::Inbound => "inbound-transfer",
            Self::Aggregator => "aggregator",
        }
    }

    fn database(self) -> &'static str {
        match self {
            Self::Outbound => "outbound",
            Self::Inbound => "inbound",
            Self::Aggregator => "aggregator",
        }
    }
}

/// A service that can be started: its configuration, to be changed before.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Which service.
    pub service: ProvinceService,
    /// The province's code, upper case.
    pub province: String,
    /// Tells replicas and tests apart; empty for the first.
    pub instance: String,
    /// The whole configuration, as it will be written.
    pub config: Value,
    /// Where its API (outbound) or its gateway (inbound) listens.
    pub port: u16,
    /// Where its admin port listens.
    pub admin_port: u16,
}

impl Settings {
    /// Makes the configuration of a service on the stack's stores, on these databases.
    ///
    /// # Errors
    /// When the code is none, or a file cannot be written.
    pub fn of(
        stack: &Stack,
        province: &str,
        service: ProvinceService,
        instance: &str,
        databases: &DatabaseUrls,
    ) -> Result<Self> {
        let layout = stack.layout();
        let code = lower_code(province)?;
        let identity = Identity { jurisdiction: province, binary: service.binary(), instance };
        let name = identity.name()?;
        let port = match (service, instance) {
            (ProvinceService::Inbound | ProvinceService::Aggregator, "") => {
                layout.port(&gateway_port_name(province, service)?)?
            }
            _ => layout.port(&format!("{name}/api"))?,
        };
        let admin_port = layout.port(&format!("{name}/admin"))?;
        let mut config = identity.sections(stack, admin_port, databases)?;
        config["jurisdiction"] = json!(province);
        config["fhir"] = json!({"base_url": stack.fhir_url(province)?});
        let tokens = identity.tokens(layout)?;
        let listen = address(port);
        match service {
            ProvinceService::Inbound => {
                config["package_keys_file"] = json!(layout.package_keys(province));
                config["gateway"] = json!({"listen": listen});
                let port = layout.port(&format!("{name}/local-api"))?;
                config["api"] = json!({"listen": address(port), "tokens": tokens});
            }
            ProvinceService::Aggregator => {
                config["pseudonym_key_file"] = json!(pseudonym_key(layout, &code)?);
                config["gateway"] = json!({"listen": listen});
                let port = layout.port(&format!("{name}/local-api"))?;
                config["api"] = json!({"listen": address(port), "tokens": tokens});
                // What is minutes in service is seconds on one computer; releases are made on a word.
                config["collect"] = json!({"every_seconds": 2, "grace_seconds": 1, "overlap_seconds": 60});
                config["release"] = json!({"every_hours": 0});
            }
            ProvinceService::Outbound => {
                config["package_keys_file"] = json!(layout.package_keys(province));
                config["api"] = json!({"listen": listen, "tokens": tokens});
                // What is minutes between provinces is seconds on one computer.
                config["transfers"] = json!({"first_probe_seconds": 2, "longest_probe_seconds": 8});
                config["queue"] = json!({
                    "url_file": identity.secret(layout, "redis-url", &stack.redis_url(province)?)?,
                    "prefix": format!("{code}:tx"),
                });
            }
        }
        Ok(Self {
            service,
            province: province.to_owned(),
            instance: instance.to_owned(),
            config,
            port,
            admin_port,
        })
    }

    /// Writes the configuration and returns what starts the service, its database brought to its schema.
    ///
    /// # Errors
    /// When the file cannot be written, or the migration fails.
    pub async fn prepare(&self, layout: &Layout, binaries: &Path) -> Result<ServiceSpec> {
        let (jurisdiction, instance) = (self.province.as_str(), self.instance.as_str());
        let identity = Identity { jurisdiction, binary: self.service.binary(), instance };
        identity.prepare(layout, binaries, &self.config, self.admin_port).await
    }
}

/// Starts those of a province's services that do not run; `binaries` is the folder they were built into.
///
/// # Errors
/// When one does not start; its log says why.
pub async fn start_province(stack: &Stack, province: &str, binaries: &Path) -> Result<()> {
    for service in ProvinceService::ALL {
        let name = format!("{}-{}", province.to_lowercase(), service.binary());
        if ServiceProcess::find(stack.layout(), &name).is_some() {
            continue;
        }
        start_service(stack, province, service, binaries).await?.leave_running();
    }
    Ok(())
}

/// Starts one of a province's services on the stack's own databases.
///
/// # Errors
/// When it does not start; its log says why.
pub async fn start_service(
    stack: &Stack,
    province: &str,
    service: ProvinceService,
    binaries: &Path,
) -> Result<ServiceProcess> {
    let databases = stack.database(province, service.database())?;
    let settings = Settings::of(stack, province, service, "", &databases)?;
    let spec = settings.prepare(stack.layout(), binaries).await?;
    ServiceProcess::start(stack.layout(), &spec).await
}

/// Returns the base URL of a province's outbound API.
///
/// # Errors
/// When the code is none.
pub fn outbound_url(layout: &Layout, province: &str) -> Result<String> {
    let port = layout.port(&format!("{}/outbound-transfer/api", lower_code(province)?))?;
    Ok(format!("http://127.0.0.1:{port}"))
}

/// Returns the base URL of a province's list of arrivals.
///
/// # Errors
/// When the code is none.
pub fn arrivals_url(layout: &Layout, province: &str) -> Result<String> {
    let port = layout.port(&format!("{}/inbound-transfer/local-api", lower_code(province)?))?;
    Ok(format!("http://127.0.0.1:{port}"))
}

/// Returns the base URL of a province's releases.
///
/// # Errors
/// When the code is none.
pub fn releases_url(layout: &Layout, province: &str) -> Result<String> {
    let port = layout.port(&format!("{}/aggregator/local-api", lower_code(province)?))?;
    Ok(format!("http://127.0.0.1:{port}"))
}

/// Returns the file with the key of a province's pseudonyms, made on first use.
fn pseudonym_key(layout: &Layout, code: &str) -> Result<PathBuf> {
    let path = layout.secret(&format!("{code}/pseudonym-key"));
    if !path.exists() {
        let (high, low) = (rand::random::<u128>(), rand::random::<u128>());
        write_private(&path, format!("{high:032x}{low:032x}").as_bytes())?;
    }
    Ok(path)
}

/// Returns the issuer of a province's local bearer tokens, made on first use.
///
/// # Errors
/// When its files cannot be read or written.
pub fn token_issuer(layout: &Layout, province: &str) -> Result<LocalIssuer> {
    let code = lower_code(province)?;
    let folder = layout.secret(&format!("{code}/token-issuer"));
    let audience = audience(&code);
    if folder.join("jwks.json").exists()
        && let Ok(issuer) = LocalIssuer::open(&folder, ISSUER, &audience)
    {
        return Ok(issuer);
    }
    Ok(LocalIssuer::create(&folder, ISSUER, &audience)?)
}

pub(crate) fn audience(code: &str) -> String {
    format!("iidi-{code}")
}
