//! A province's own services: their generated configuration, their databases, their processes.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use auth::LocalIssuer;
use serde_json::{Value, json};

use crate::directory::gateway_port_name;
use crate::files::write_private;
use crate::layout::{Layout, lower_code};
use crate::postgres::DatabaseUrls;
use crate::service::{ServiceProcess, ServiceSpec};
use crate::stack::Stack;

/// The issuer of local bearer tokens.
const ISSUER: &str = "https://login.iidi.local";

/// One of a province's services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProvinceService {
    /// Seals, delivers, closes.
    Outbound,
    /// Receives.
    Inbound,
}

impl ProvinceService {
    /// Both, in the order in which they start.
    pub const ALL: [Self; 2] = [Self::Inbound, Self::Outbound];

    /// Returns the binary's name.
    pub fn binary(self) -> &'static str {
        match self {
            Self::Outbound => "outbound-transfer",
            Self::Inbound => "inbound-transfer",
        }
    }

    fn database(self) -> &'static str {
        match self {
            Self::Outbound => "outbound",
            Self::Inbound => "inbound",
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
        let name = format!("{code}/{}{instance}", service.binary());
        let port = match (service, instance) {
            (ProvinceService::Inbound, "") => layout.port(&gateway_port_name(province)?)?,
            _ => layout.port(&format!("{name}/api"))?,
        };
        let admin_port = layout.port(&format!("{name}/admin"))?;
        let secret = |kind: &str, content: &str| -> Result<PathBuf> {
            let path = layout.secret(&format!("{name}/{kind}"));
            write_private(&path, content.as_bytes())?;
            Ok(path)
        };
        let certificate = stack.certificate(province, service.binary())?;
        let mut config = json!({
            "jurisdiction": province,
            "common": {
                "admin": {"listen": format!("127.0.0.1:{admin_port}")},
                "database": {
                    "url_file": secret("database-url", &databases.runtime_url)?,
                    "owner_url_file": secret("owner-database-url", &databases.owner_url)?,
                },
            },
            "fhir": {"base_url": stack.fhir_url(province)?},
            "tls": {
                "certificate": certificate.certificate, "key": certificate.key,
                "roots": certificate.roots, "crl": certificate.crl,
            },
            "tls_poll_seconds": 2,
            "directory": {"file": layout.jurisdictions(), "poll_seconds": 1},
            "package_keys_file": layout.package_keys(province),
        });
        let issuer = token_issuer(layout, province)?;
        let tokens =
            json!({"issuer": ISSUER, "audience": audience(&code), "jwks": {"file": issuer.jwks_file()}});
        let listen = json!(format!("127.0.0.1:{port}"));
        match service {
            ProvinceService::Inbound => {
                config["gateway"] = json!({"listen": listen});
                let port = layout.port(&format!("{name}/local-api"))?;
                config["api"] = json!({"listen": format!("127.0.0.1:{port}"), "tokens": tokens});
            }
            ProvinceService::Outbound => {
                config["api"] = json!({"listen": listen, "tokens": tokens});
                // What is minutes between provinces is seconds on one computer.
                config["transfers"] = json!({"first_probe_seconds": 2, "longest_probe_seconds": 8});
                config["queue"] = json!({"url_file": secret("redis-url", &stack.redis_url(province)?)?, "prefix": format!("{code}:tx")});
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
        let name = format!("{}{}", self.service.binary(), self.instance);
        let path = layout.config(&self.province, &name);
        // JSON is YAML too; a YAML writer would not know the numbers of `serde_json::Value`.
        write_private(&path, &serde_json::to_vec_pretty(&self.config)?)?;
        let binary = binaries.join(self.service.binary());
        let migrated = tokio::process::Command::new(&binary)
            .arg("--config")
            .arg(&path)
            .arg("migrate")
            .stdin(Stdio::null())
            .output()
            .await
            .with_context(|| format!("running {}", binary.display()))?;
        ensure!(migrated.status.success(), "{name} migrate: {}", String::from_utf8_lossy(&migrated.stderr));
        Ok(ServiceSpec::new(
            format!("{}-{name}", self.province.to_lowercase()),
            binary,
            path,
            self.admin_port,
        ))
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

fn audience(code: &str) -> String {
    format!("iidi-{code}")
}
