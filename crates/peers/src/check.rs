//! What the types of an entry do not say.

use url::Url;

use crate::entry::{JurisdictionEntry, Role};

/// Why an entry is refused, or what else keeps the directory from being as the file says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryProblem {
    /// It, or the whole file, cannot be read.
    #[error("{0}")]
    Unreadable(String),
    /// The code is missing, bare or not in upper case.
    #[error(
        "code must be upper case and quoted, as in code: \"ON\": bare, some readers take ON and NO for booleans"
    )]
    Code,
    /// A URL is none, or not `https`.
    #[error("gateway URLs must be https:// URLs with a host and without query")]
    Gateway,
    /// A SPIFFE id is malformed.
    #[error("identities must be SPIFFE ids such as spiffe://DOMAIN/pt/on/inbound-transfer")]
    Identity,
    /// A SPIFFE id is well-formed and is not this jurisdiction's.
    #[error("the path of an identity must be /pt/OWN-CODE/SERVICE, of PHAC /phac/SERVICE, all in lower case")]
    ForeignIdentity,
    /// A limit is zero.
    #[error("limits must be at least 1")]
    Limit,
    /// The code or an identity stands more than once.
    #[error("the code or an identity is used more than once, so whose it is cannot be told")]
    Duplicate,
    /// The last good set could not be written to disk; it is tried again at the next reading.
    #[error("the last good directory cannot be kept: {0}")]
    NotKept(String),
}

impl JurisdictionEntry {
    /// Checks what the types do not say.
    ///
    /// # Errors
    /// The first [`EntryProblem`] found.
    pub fn check(&self) -> Result<(), EntryProblem> {
        let gateways = [&self.gateway.inbound_transfer, &self.gateway.aggregator];
        if !gateways.into_iter().flatten().all(|url| is_gateway(url)) {
            return Err(EntryProblem::Gateway);
        }
        for id in self.identities.all() {
            let path = path_of(id).ok_or(EntryProblem::Identity)?;
            if !self.is_own_path(path) {
                return Err(EntryProblem::ForeignIdentity);
            }
            if self.identities.all().filter(|other| *other == id).count() > 1 {
                return Err(EntryProblem::Duplicate);
            }
        }
        let limits = &self.limits;
        if limits.concurrent == 0 || limits.bytes_per_package == 0 || limits.packages_per_minute == 0 {
            return Err(EntryProblem::Limit);
        }
        Ok(())
    }

    fn is_own_path(&self, path: &str) -> bool {
        let segments: Vec<&str> = path.split('/').collect();
        let is_own = match (self.role, segments.as_slice()) {
            (Role::Pt, ["pt", code, _service]) => *code == self.code.lower(),
            (Role::Phac, ["phac", _service]) => true,
            _ => false,
        };
        is_own && !path.bytes().any(|b| b.is_ascii_uppercase())
    }
}

fn is_gateway(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| {
        url.scheme() == "https" && url.has_host() && url.query().is_none() && url.username().is_empty()
    })
}

/// Returns the path of a SPIFFE id (SPIFFE-ID §2): lower-case trust domain, no empty or dot segments.
fn path_of(text: &str) -> Option<&str> {
    let (domain, path) = text.strip_prefix("spiffe://")?.split_once('/')?;
    let in_domain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-._".contains(&b);
    let in_path = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
    let is_well_formed = !domain.is_empty()
        && domain.bytes().all(in_domain)
        && path.split('/').all(|part| !matches!(part, "" | "." | "..") && part.bytes().all(in_path));
    is_well_formed.then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_well_formed_spiffe_ids_are_taken() {
        assert_eq!(path_of("spiffe://iidi.example/pt/on/inbound-transfer"), Some("pt/on/inbound-transfer"));
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
            assert_eq!(path_of(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_jurisdiction_has_identities_under_its_own_path_only() {
        let mut entry: JurisdictionEntry =
            serde_norway::from_str("{code: ON, name: {en: Ontario, fr: Ontario}, role: pt, state: active}")
                .unwrap();
        let check = |entry: &mut JurisdictionEntry, path: &str| {
            entry.identities.outbound_transfer = Some(format!("spiffe://d/{path}"));
            entry.check()
        };
        assert_eq!(check(&mut entry, "pt/on/outbound-transfer"), Ok(()));
        for wrong in [
            "pt/ON/outbound-transfer",
            "PT/on/outbound-transfer",
            "pt/on/Outbound-transfer",
            "pt/bc/outbound-transfer",
            "pt/on2/outbound-transfer",
            "pt/on",
            "pt/on/outbound-transfer/x",
            "x/pt/on/outbound-transfer",
            "on/outbound-transfer",
            "phac/federator",
        ] {
            assert_eq!(check(&mut entry, wrong), Err(EntryProblem::ForeignIdentity), "{wrong}");
        }
        entry.role = Role::Phac;
        assert_eq!(check(&mut entry, "phac/federator"), Ok(()));
        for wrong in ["phac", "phac/x/federator", "phac/Federator", "pt/on/outbound-transfer"] {
            assert_eq!(check(&mut entry, wrong), Err(EntryProblem::ForeignIdentity), "{wrong}");
        }
    }

    #[test]
    fn two_services_do_not_share_an_identity() {
        let entry: JurisdictionEntry = serde_norway::from_str(
            "{code: ON, name: {en: Ontario, fr: Ontario}, role: pt, state: active, identities: \
             {outbound_transfer: spiffe://d/pt/on/x, inbound_transfer: spiffe://d/pt/on/x}}",
        )
        .unwrap();
        assert_eq!(entry.check(), Err(EntryProblem::Duplicate));
    }

    #[test]
    fn a_gateway_is_https() {
        assert!(is_gateway("https://localhost:8443"));
        for wrong in ["http://localhost", "localhost:8443", "https://", "https://u@h", "https://h?x=1"] {
            assert!(!is_gateway(wrong), "{wrong}");
        }
    }
}
