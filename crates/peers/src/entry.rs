use domain::Jurisdiction;
use kube::core::Rule;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the federation has agreed about one jurisdiction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[kube(
    group = "iidi.phac-aspc.gc.ca",
    version = "v1",
    kind = "Jurisdiction",
    root = "JurisdictionObject",
    doc = "What the federation has agreed about one jurisdiction. Services watch these and never write to them.",
    validation = Rule::new("self.metadata.name == self.spec.code.lowerAscii()")
        .message("the name must be the code in lower case"),
    printcolumn(name = "Code", type_ = "string", json_path = ".spec.code"),
    printcolumn(name = "Role", type_ = "string", json_path = ".spec.role"),
    printcolumn(name = "State", type_ = "string", json_path = ".spec.state"),
    printcolumn(name = "Receives at", type_ = "string", json_path = ".spec.gateway.inbound_transfer"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(validation = own_paths())]
#[serde(deny_unknown_fields)]
pub struct JurisdictionEntry {
    /// Its code, in upper case and quoted.
    #[schemars(with = "String", length(max = 8), regex(pattern = "^[A-Z]{2,8}$"))]
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

/// An identity is its owner's: what [`check`](JurisdictionEntry::check) holds, said to the cluster too.
fn own_paths() -> Rule {
    let own = "(self.role == 'pt' ? '/pt/' + self.code.lowerAscii() + '/' : '/phac/')";
    let fields = ["outbound_transfer", "inbound_transfer", "aggregator", "federator"];
    let rules = fields.map(|field| {
        let identity = format!("self.identities.{field}");
        format!("(!has({identity}) || {identity}.contains({own}))")
    });
    Rule::new(format!("!has(self.identities) || ({})", rules.join(" && ")))
        .message("an identity must lie under the jurisdiction's own path")
}

/// A name in both official languages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Names {
    /// English.
    pub en: String,
    /// French.
    pub fr: String,
}

/// What a jurisdiction is in the federation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// A province or territory.
    Pt,
    /// The Public Health Agency of Canada.
    Phac,
}

/// Whether a jurisdiction takes part at present.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum JurisdictionState {
    /// It does.
    Active,
    /// Nothing is taken from it or sent to it.
    Suspended,
}

/// Where services are reached: `https` base URLs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Gateway {
    /// The inbound-transfer service.
    #[schemars(length(max = 512), regex(pattern = "^https://"))]
    pub inbound_transfer: Option<String>,
    /// The aggregator.
    #[schemars(length(max = 512), regex(pattern = "^https://"))]
    pub aggregator: Option<String>,
}

/// SPIFFE ids, compared byte for byte.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Identities {
    /// The outbound-transfer service.
    #[schemars(
        length(max = 256),
        regex(pattern = "^spiffe://[a-z0-9._-]+/(pt/[a-z]{2,8}|phac)/[a-z0-9._-]+$")
    )]
    pub outbound_transfer: Option<String>,
    /// The inbound-transfer service.
    #[schemars(
        length(max = 256),
        regex(pattern = "^spiffe://[a-z0-9._-]+/(pt/[a-z]{2,8}|phac)/[a-z0-9._-]+$")
    )]
    pub inbound_transfer: Option<String>,
    /// The aggregator.
    #[schemars(
        length(max = 256),
        regex(pattern = "^spiffe://[a-z0-9._-]+/(pt/[a-z]{2,8}|phac)/[a-z0-9._-]+$")
    )]
    pub aggregator: Option<String>,
    /// The federator.
    #[schemars(
        length(max = 256),
        regex(pattern = "^spiffe://[a-z0-9._-]+/(pt/[a-z]{2,8}|phac)/[a-z0-9._-]+$")
    )]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Packages at once.
    #[schemars(range(min = 1))]
    pub concurrent: u32,
    /// The largest package, in bytes.
    #[schemars(range(min = 1))]
    pub bytes_per_package: u64,
    /// Packages in a minute.
    #[schemars(range(min = 1))]
    pub packages_per_minute: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { concurrent: 8, bytes_per_package: 10 << 20, packages_per_minute: 600 }
    }
}
