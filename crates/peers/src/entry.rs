use domain::Jurisdiction;
use serde::{Deserialize, Serialize};
use url::Url;

/// What the federation has agreed about one jurisdiction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JurisdictionEntry {
    /// Its code.
    pub code: Jurisdiction,
    /// Its names.
    pub name: Names,
    /// What it is in the federation.
    pub role: Role,
    /// Whether it takes part at present.
    pub state: JurisdictionState,
    /// Where its services are reached.
    #[serde(default)]
    pub gateway: Gateway,
    /// The exact SPIFFE id of each of its services.
    #[serde(default)]
    pub identities: Identities,
    /// What its peers allow it.
    #[serde(default)]
    pub limits: Limits,
}

/// A name in both official languages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Names {
    /// English.
    pub en: String,
    /// French.
    pub fr: String,
}

/// What a jurisdiction is in the federation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// A province or territory.
    Pt,
    /// The Public Health Agency of Canada.
    Phac,
}

/// Whether a jurisdiction takes part at present.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JurisdictionState {
    /// It does.
    Active,
    /// Nothing is taken from it or sent to it.
    Suspended,
}

/// Where services are reached: `https` base URLs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Gateway {
    /// The inbound-transfer service.
    pub inbound_transfer: Option<String>,
    /// The aggregator.
    pub aggregator: Option<String>,
}

/// SPIFFE ids, compared byte for byte.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Identities {
    /// The outbound-transfer service.
    pub outbound_transfer: Option<String>,
    /// The inbound-transfer service.
    pub inbound_transfer: Option<String>,
    /// The aggregator.
    pub aggregator: Option<String>,
    /// The federator.
    pub federator: Option<String>,
}

/// A service of a jurisdiction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PeerService {
    /// Sends transfers.
    OutboundTransfer,
    /// Receives transfers.
    InboundTransfer,
    /// Answers with releases.
    Aggregator,
    /// Asks for releases.
    Federator,
}

impl Identities {
    /// Returns the SPIFFE id of a service.
    pub fn of(&self, service: PeerService) -> Option<&str> {
        match service {
            PeerService::OutboundTransfer => self.outbound_transfer.as_deref(),
            PeerService::InboundTransfer => self.inbound_transfer.as_deref(),
            PeerService::Aggregator => self.aggregator.as_deref(),
            PeerService::Federator => self.federator.as_deref(),
        }
    }

    /// Returns all SPIFFE ids.
    pub fn all(&self) -> impl Iterator<Item = &str> {
        [&self.outbound_transfer, &self.inbound_transfer, &self.aggregator, &self.federator]
            .into_iter()
            .filter_map(|id| id.as_deref())
    }
}

/// What its peers allow a jurisdiction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Packages at once.
    pub concurrent: u32,
    /// The largest package, in bytes.
    pub bytes_per_package: u64,
    /// Packages in a minute.
    pub packages_per_minute: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { concurrent: 8, bytes_per_package: 10 << 20, packages_per_minute: 600 }
    }
}

/// Why an entry is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryProblem {
    /// It cannot be read.
    #[error("{0}")]
    Unreadable(String),
    /// A URL is none, or not `https`.
    #[error("gateway URLs must be https:// URLs with a host and without query")]
    Gateway,
    /// A SPIFFE id is malformed.
    #[error("identities must be SPIFFE ids such as spiffe://DOMAIN/pt/on/inbound-transfer")]
    Identity,
    /// A limit is zero.
    #[error("limits must be at least 1")]
    Limit,
    /// The code or an identity stands in another entry too.
    #[error("the code or an identity is already used by another entry")]
    Duplicate,
}

impl JurisdictionEntry {
    /// Checks what the types do not say.
    pub fn check(&self) -> Result<(), EntryProblem> {
        let gateways = [&self.gateway.inbound_transfer, &self.gateway.aggregator];
        if !gateways.into_iter().flatten().all(|url| is_gateway(url)) {
            return Err(EntryProblem::Gateway);
        }
        if !self.identities.all().all(is_spiffe_id) {
            return Err(EntryProblem::Identity);
        }
        let limits = &self.limits;
        if limits.concurrent == 0 || limits.bytes_per_package == 0 || limits.packages_per_minute == 0 {
            return Err(EntryProblem::Limit);
        }
        Ok(())
    }
}

fn is_gateway(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| {
        url.scheme() == "https" && url.has_host() && url.query().is_none() && url.username().is_empty()
    })
}

/// A SPIFFE id (SPIFFE-ID §2): lower-case trust domain, a path without empty or dot segments.
fn is_spiffe_id(text: &str) -> bool {
    let Some((domain, path)) = text.strip_prefix("spiffe://").and_then(|rest| rest.split_once('/')) else {
        return false;
    };
    let in_domain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-._".contains(&b);
    let in_path = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
    !domain.is_empty()
        && domain.bytes().all(in_domain)
        && path.split('/').all(|part| !matches!(part, "" | "." | "..") && part.bytes().all(in_path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_well_formed_spiffe_ids_are_taken() {
        assert!(is_spiffe_id("spiffe://iidi.example/pt/on/inbound-transfer"));
        for wrong in [
            "",
            "spiffe://",
            "spiffe://d",
            "spiffe://d/",
            "spiffe://D/x",
            "http://d/x",
            "spiffe://d/a//b",
            "spiffe://d/../x",
            "spiffe://d/x?y",
            "spiffe://d/x y",
        ] {
            assert!(!is_spiffe_id(wrong), "{wrong}");
        }
    }

    #[test]
    fn a_gateway_is_https() {
        assert!(is_gateway("https://localhost:8443"));
        for wrong in ["http://localhost", "localhost:8443", "https://", "https://u@h", "https://h?x=1"] {
            assert!(!is_gateway(wrong), "{wrong}");
        }
    }
}
