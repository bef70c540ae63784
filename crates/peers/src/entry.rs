use domain::Jurisdiction;
use serde::{Deserialize, Serialize};

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

impl PeerService {
    /// All services.
    pub(crate) const ALL: [Self; 4] =
        [Self::OutboundTransfer, Self::InboundTransfer, Self::Aggregator, Self::Federator];
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
        PeerService::ALL.into_iter().filter_map(|service| self.of(service))
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
