//! What every service of the stack is configured with, a province's or the agency's, and how it is made ready to start.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::files::write_private;
use crate::layout::{Layout, lower_code};
use crate::postgres::DatabaseUrls;
use crate::province::{ISSUER, audience, token_issuer};
use crate::service::ServiceSpec;
use crate::stack::Stack;

/// Which service it is.
#[derive(Clone, Copy)]
pub(crate) struct Identity<'a> {
    /// Whose it is, upper case.
    pub(crate) jurisdiction: &'a str,
    /// The binary's name.
    pub(crate) binary: &'a str,
    /// Tells replicas and tests apart; empty for the first.
    pub(crate) instance: &'a str,
}

impl Identity<'_> {
    /// Returns the name under which its ports and secrets stand: `on/inbound-transfer2`.
    pub(crate) fn name(&self) -> Result<String> {
        Ok(format!("{}/{}{}", lower_code(self.jurisdiction)?, self.binary, self.instance))
    }

    /// Returns the name of its process, also that of its log: `on-inbound-transfer2`.
    pub(crate) fn process_name(&self) -> String {
        format!("{}-{}{}", self.jurisdiction.to_lowercase(), self.binary, self.instance)
    }

    /// Writes a secret of its own and returns the file.
    pub(crate) fn secret(&self, layout: &Layout, kind: &str, content: &str) -> Result<PathBuf> {
        let path = layout.secret(&format!("{}/{kind}", self.name()?));
        write_private(&path, content.as_bytes())?;
        Ok(path)
    }

    /// Returns the sections that every service has.
    pub(crate) fn sections(&self, stack: &Stack, admin_port: u16, databases: &DatabaseUrls) -> Result<Value> {
        let layout = stack.layout();
        let certificate = stack.certificate(self.jurisdiction, self.binary)?;
        Ok(json!({
            "common": {
                "admin": {"listen": address(admin_port)},
                "database": {
                    "url_file": self.secret(layout, "database-url", &databases.runtime_url)?,
                    "owner_url_file": self.secret(layout, "owner-database-url", &databases.owner_url)?,
                },
            },
            "tls": {
                "certificate": certificate.certificate, "key": certificate.key,
                "roots": certificate.roots, "crl": certificate.crl,
            },
            "tls_poll_seconds": 2,
            "directory": {"file": layout.jurisdictions(), "poll_seconds": 1},
        }))
    }

    /// Returns the section on bearer tokens.
    pub(crate) fn tokens(&self, layout: &Layout) -> Result<Value> {
        let issuer = token_issuer(layout, self.jurisdiction)?;
        let audience = audience(&lower_code(self.jurisdiction)?);
        Ok(json!({"issuer": ISSUER, "audience": audience, "jwks": {"file": issuer.jwks_file()}}))
    }

    /// Writes the configuration and returns what starts the service, its database brought to its schema.
    pub(crate) async fn prepare(
        &self,
        layout: &Layout,
        binaries: &Path,
        config: &Value,
        admin_port: u16,
    ) -> Result<ServiceSpec> {
        let name = format!("{}{}", self.binary, self.instance);
        let path = layout.config(self.jurisdiction, &name);
        // JSON is YAML too; a YAML writer would not know the numbers of `serde_json::Value`.
        write_private(&path, &serde_json::to_vec_pretty(config)?)?;
        let binary = binaries.join(self.binary);
        let mut migrate = Command::new(&binary);
        migrate.arg("--config").arg(&path).arg("migrate").stdin(Stdio::null());
        let migrated = migrate.output().await.with_context(|| format!("running {}", binary.display()))?;
        ensure!(migrated.status.success(), "{name} migrate: {}", String::from_utf8_lossy(&migrated.stderr));
        Ok(ServiceSpec::new(self.process_name(), binary, path, admin_port))
    }
}

/// Returns where a port of the stack listens.
pub(crate) fn address(port: u16) -> String {
    format!("127.0.0.1:{port}")
}
