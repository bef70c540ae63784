//! The last lines of the demo: what to type next.

use std::path::Path;

use anyhow::Result;

use super::{FROM, TO, World};
use crate::say;

/// Prints calls that work as they stand while the stack runs.
pub fn curl_lines(world: &World, transfer: &str) -> Result<()> {
    let layout = world.stack.layout();
    let base = world.out.base();
    say("Everything is still running. Try, in this folder (each line works as printed):");
    say(&format!("  TOKEN=$(cargo xtask token --province {FROM})"));
    say(&format!("  curl -s -H \"Authorization: Bearer $TOKEN\" {base}/transfer-request/{transfer}"));
    say(&format!("  curl -s -H \"Authorization: Bearer $TOKEN\" {base}/transfer-request/{transfer}/events"));
    say(&format!(
        "  curl -s -H \"Authorization: Bearer $TOKEN\" '{base}/transfer-request?state=completed&limit=2'"
    ));
    say(&format!("  curl -s {base}/openapi.json"));
    let files = world.stack.certificate(FROM, "outbound-transfer")?;
    let gateway = layout.port(&local_stack::gateway_port_name(TO, local_stack::ProvinceService::Inbound)?)?;
    say(&format!(
        "  curl -s --cacert {} --cert {} --key {} https://localhost:{gateway}/inbound-transfer/{transfer}",
        short(&files.roots),
        short(&files.certificate),
        short(&files.key)
    ));
    say(&format!("  curl -s '{}/Patient?_summary=count'", world.stack.fhir_url(TO)?));
    say(&format!(
        "  target/debug/iidictl --config {} transfer list --state completed",
        short(&layout.root().join(format!("iidictl-{}.toml", FROM.to_lowercase())))
    ));
    say("  cargo xtask status        cargo xtask logs on-outbound-transfer        make down");
    Ok(())
}

/// Returns a path as it can be typed in the folder where the demo was started.
fn short(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(here).unwrap_or(path).display().to_string()
}
