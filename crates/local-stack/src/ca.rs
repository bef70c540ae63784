//! The local certificate authority: one root for all, and a certificate per service named by a SPIFFE id.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use mtls::pki::LocalCa;

use crate::directory::FEDERAL;
use crate::files::write_whole;
use crate::layout::{Layout, lower_code};

/// Certificates are valid for 30 days; one older than this is replaced at the next `up`.
const RENEW_AFTER: Duration = Duration::from_hours(10 * 24);
/// The list of revoked certificates is valid for a year.
const RENEW_LIST_AFTER: Duration = Duration::from_hours(300 * 24);
const PROVINCE_SERVICES: [&str; 3] = ["outbound-transfer", "inbound-transfer", "aggregator"];
const FEDERAL_SERVICES: [&str; 2] = ["federator", "dashboard"];

/// Files of a service's certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartyCertificate {
    /// Its SPIFFE id.
    pub spiffe_id: String,
    /// The certificate, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM, mode 0600.
    pub key: PathBuf,
    /// The trusted root, PEM.
    pub roots: PathBuf,
    /// Revoked certificates, PEM; empty at first.
    pub crl: PathBuf,
}

/// The name that a service's certificate carries.
///
/// # Errors
/// When the code is none.
pub fn spiffe_id(code: &str, service: &str) -> Result<String> {
    let code = lower_code(code)?;
    let path = if code == FEDERAL.to_lowercase() { code } else { format!("pt/{code}") };
    Ok(format!("spiffe://iidi.local/{path}/{service}"))
}

/// Where the certificate of a service lies.
pub(crate) fn certificate(layout: &Layout, code: &str, service: &str) -> Result<PartyCertificate> {
    let folder = layout.tls(code, service);
    Ok(PartyCertificate {
        spiffe_id: spiffe_id(code, service)?,
        certificate: folder.join("tls.crt"),
        key: folder.join("tls.key"),
        roots: folder.join("ca.crt"),
        crl: layout.crl(),
    })
}

/// The authority itself, for tests that revoke or forge.
pub(crate) fn authority(layout: &Layout) -> Result<LocalCa> {
    LocalCa::open(&folder(layout)).context("opening the local certificate authority")
}

/// Makes what is missing: root, list of revoked certificates, one certificate per service. Returns how many
/// certificates were issued.
pub(crate) fn ensure(layout: &Layout, provinces: &[String]) -> Result<usize> {
    let folder = folder(layout);
    let ca = if folder.join("ca.key").exists() && folder.join("ca.crt").exists() {
        authority(layout)?
    } else {
        fs::remove_file(layout.crl()).ok(); // of an authority that is no more
        LocalCa::create(&folder).context("making the local certificate authority")?
    };
    if is_older(&layout.crl(), RENEW_LIST_AFTER) {
        write_whole(&layout.crl(), ca.crl(&[])?.as_bytes(), 0o644)?;
    }
    let federal = FEDERAL_SERVICES.map(|service| (FEDERAL, service));
    let services =
        provinces.iter().flat_map(|code| PROVINCE_SERVICES.map(|service| (code.as_str(), service)));
    let mut issued = 0;
    for (code, service) in services.chain(federal) {
        let files = certificate(layout, code, service)?;
        let is_current = fs::read_to_string(&files.roots).is_ok_and(|roots| roots == ca.roots_pem());
        if is_current && !is_older(&files.certificate, RENEW_AFTER) {
            continue;
        }
        let leaf = ca.issue(&files.spiffe_id, &["localhost"], &[IpAddr::V4(Ipv4Addr::LOCALHOST)])?;
        write_whole(&files.key, leaf.key_pem.as_bytes(), 0o600)?;
        write_whole(&files.certificate, leaf.cert_pem.as_bytes(), 0o644)?;
        write_whole(&files.roots, ca.roots_pem().as_bytes(), 0o644)?; // last: without it the rest is made again
        issued += 1;
    }
    Ok(issued)
}

fn folder(layout: &Layout) -> PathBuf {
    layout.root().join("tls/ca")
}

/// Whether the file is older than this, or not there.
fn is_older(path: &Path, age: Duration) -> bool {
    let written = fs::metadata(path).and_then(|file| file.modified());
    written.map_or(true, |written| written.elapsed().unwrap_or_default() > age)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_are_issued_once_and_again_when_the_root_changes() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::at(folder.path());
        let provinces = ["ON".to_owned(), "BC".to_owned()];
        assert_eq!(ensure(&layout, &provinces).unwrap(), 8);
        assert_eq!(ensure(&layout, &provinces).unwrap(), 0);
        fs::remove_file(layout.root().join("tls/ca/ca.key")).unwrap();
        assert_eq!(ensure(&layout, &provinces).unwrap(), 8);
        let files = certificate(&layout, "BC", "inbound-transfer").unwrap();
        assert_eq!(files.spiffe_id, "spiffe://iidi.local/pt/bc/inbound-transfer");
        assert_eq!(fs::read(files.roots).unwrap(), fs::read(layout.root_certificate()).unwrap());
    }
}
