//! What an operator of a local province needs for `iidictl`: a token and a configuration file.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use local_stack::{ProvinceService, Stack, arrivals_url, outbound_url, token_issuer, write_private};
use serde_json::json;

/// How long the token is good.
const TOKEN: Duration = Duration::from_hours(12);

/// Writes `iidictl-<code>.toml` into the stack's folder and returns its path.
pub fn configure(stack: &Stack, province: &str) -> Result<PathBuf> {
    let layout = stack.layout();
    let code = province.to_lowercase();
    let scopes =
        ["transfer.request", "transfer.read", "transfer.operate", "aggregate.read", "aggregate.operate"];
    let token = layout.secret(&format!("{code}/operator-token"));
    write_private(&token, token_issuer(layout, province)?.mint("operator", &scopes, TOKEN)?.as_bytes())?;
    let database = layout.secret(&format!("{code}/operator-database-url"));
    write_private(&database, stack.database(province, "outbound")?.runtime_url.as_bytes())?;
    let tls = stack.certificate(province, "outbound-transfer")?;
    let mut admin = Vec::new();
    for service in ProvinceService::ALL {
        let port = layout.port(&format!("{code}/{}/admin", service.binary()))?;
        admin.push(format!("http://127.0.0.1:{port}"));
    }
    let text = toml::to_string(&json!({
        "server": outbound_url(layout, province)?,
        "inbound_server": arrivals_url(layout, province)?,
        "token_file": token,
        "admin": admin,
        "directory": layout.jurisdictions(),
        "database_url_file": database,
        "tls": {"certificate": tls.certificate, "key": tls.key, "roots": tls.roots, "crl": tls.crl},
    }))?;
    let path = layout.root().join(format!("iidictl-{code}.toml"));
    write_private(&path, text.as_bytes())?;
    Ok(path)
}
