//! The peer directory as a file: who takes part, where they are reached, by which certificate they are known.

use anyhow::{Context, Result};
use serde::Serialize;

use crate::ca::spiffe_id;
use crate::files::write_whole;
use crate::jurisdictions::{Named, names_of};
use crate::layout::{Layout, lower_code};
use crate::province::ProvinceService;

/// The federal agency, which reads tables and never a record.
pub(crate) const FEDERAL: &str = "PHAC";

#[derive(Serialize)]
struct Directory {
    jurisdictions: Vec<Jurisdiction>,
}

#[derive(Serialize)]
struct Jurisdiction {
    code: String,
    name: Named,
    role: &'static str,
    state: &'static str,
    gateway: Gateway,
    identities: Identities,
    limits: Limits,
}

#[derive(Serialize, Default)]
struct Gateway {
    #[serde(skip_serializing_if = "Option::is_none")]
    inbound_transfer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aggregator: Option<String>,
}

#[derive(Serialize, Default)]
struct Identities {
    #[serde(skip_serializing_if = "Option::is_none")]
    outbound_transfer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    inbound_transfer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aggregator: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    federator: Option<String>,
}

#[derive(Serialize)]
struct Limits {
    concurrent: u32,
    bytes_per_package: u64,
    packages_per_minute: u32,
}

/// Generous: one computer plays all provinces.
const LIMITS: Limits = Limits { concurrent: 8, bytes_per_package: 10_485_760, packages_per_minute: 600 };

/// Name under which the port of a service's gateway is remembered (see [`Layout::port`]).
///
/// # Errors
/// When the code is none.
pub fn gateway_port_name(province: &str, service: ProvinceService) -> Result<String> {
    Ok(format!("{}/{}/gateway", lower_code(province)?, service.binary()))
}

/// Writes the directory with these provinces and the federal agency.
pub(crate) fn write(layout: &Layout, provinces: &[String]) -> Result<()> {
    let mut jurisdictions = Vec::new();
    for code in provinces {
        jurisdictions.push(province(layout, code)?);
    }
    jurisdictions.push(federal()?);
    let text = quote_codes(&serde_norway::to_string(&Directory { jurisdictions })?);
    if std::fs::read(layout.jurisdictions()).is_ok_and(|written| written == text.as_bytes()) {
        return Ok(()); // running services watch the file
    }
    write_whole(&layout.jurisdictions(), text.as_bytes(), 0o644)
}

fn province(layout: &Layout, code: &str) -> Result<Jurisdiction> {
    let url = |service| -> Result<String> {
        Ok(format!("https://localhost:{}", layout.port(&gateway_port_name(code, service)?)?))
    };
    Ok(Jurisdiction {
        code: code.to_owned(),
        name: names_of(code).with_context(|| format!("no jurisdiction has the code {code}"))?,
        role: "pt",
        state: "active",
        gateway: Gateway {
            inbound_transfer: Some(url(ProvinceService::Inbound)?),
            aggregator: Some(url(ProvinceService::Aggregator)?),
        },
        identities: Identities {
            outbound_transfer: Some(spiffe_id(code, "outbound-transfer")?),
            inbound_transfer: Some(spiffe_id(code, "inbound-transfer")?),
            aggregator: Some(spiffe_id(code, "aggregator")?),
            federator: None,
        },
        limits: LIMITS,
    })
}

fn federal() -> Result<Jurisdiction> {
    Ok(Jurisdiction {
        code: FEDERAL.to_owned(),
        name: names_of(FEDERAL).context("the federal agency has a name")?,
        role: "phac",
        state: "active",
        gateway: Gateway::default(),
        identities: Identities { federator: Some(spiffe_id(FEDERAL, "federator")?), ..Identities::default() },
        limits: LIMITS,
    })
}

/// Writes every code in quotes: some readers of YAML take a bare `ON` or `NO` for a truth value.
fn quote_codes(text: &str) -> String {
    let quoted = text.lines().map(|line| match line.split_once("code: ") {
        Some((before, code)) if matches!(before, "- " | "  - ") => {
            format!("{before}code: \"{}\"", code.trim_matches(['"', '\'']))
        }
        _ => line.to_owned(),
    });
    quoted.map(|line| line + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_quoted_so_that_ontario_stays_a_word() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::at(folder.path());
        write(&layout, &["ON".to_owned(), "BC".to_owned()]).unwrap();
        let text = std::fs::read_to_string(layout.jurisdictions()).unwrap();
        for code in ["ON", "BC", "PHAC"] {
            assert!(text.contains(&format!("- code: \"{code}\"\n")), "{code} is not quoted in\n{text}");
        }
        let read: serde_norway::Value = serde_norway::from_str(&text).unwrap();
        let ontario = &read["jurisdictions"][0];
        assert_eq!(ontario["code"], "ON");
        assert_eq!(ontario["role"], "pt");
        assert_eq!(ontario["identities"]["inbound_transfer"], "spiffe://iidi.local/pt/on/inbound-transfer");
        let port = layout.port("on/inbound-transfer/gateway").unwrap();
        assert_eq!(ontario["gateway"]["inbound_transfer"], format!("https://localhost:{port}"));
        assert_eq!(read["jurisdictions"][2]["identities"]["federator"], "spiffe://iidi.local/phac/federator");
    }

    #[test]
    fn an_unknown_code_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::at(folder.path());
        assert!(write(&layout, &["XX".to_owned()]).is_err());
    }
}
