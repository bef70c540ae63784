//! A certificate authority of our own for local stacks and tests. No service is built with it.

use std::fs;
use std::io::Write as _;
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, RevocationReason, RevokedCertParams, SanType,
    SerialNumber, date_time_ymd,
};

const CERTIFICATE: &str = "ca.crt";
const KEY: &str = "ca.key";
const DAY: Duration = Duration::from_hours(24);

/// A moment relative to now, in the type rcgen wants, whose crate we do not otherwise need.
macro_rules! from_now {
    ($seconds:expr) => {{
        let since = crate::now_unix().saturating_add_signed($seconds);
        date_time_ymd(1970, 1, 1) + Duration::from_secs(since)
    }};
}

/// Why the authority failed.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// A file could not be read or written.
    #[error("cannot use {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// A certificate, key or list could not be made from what was asked for.
    #[error("certificate cannot be made")]
    Certificate {
        /// What the library says.
        source: rcgen::Error,
    },
    /// A serial number is not hexadecimal.
    #[error("serial number is not hexadecimal")]
    Serial,
}

impl From<rcgen::Error> for PkiError {
    fn from(source: rcgen::Error) -> Self {
        Self::Certificate { source }
    }
}

/// What a leaf is good for, its validity and its names. The defaults are those of a real service.
#[derive(Clone, Debug)]
pub struct LeafRequest {
    /// URI names; a good leaf has exactly one.
    pub uris: Vec<String>,
    /// Host names.
    pub dns: Vec<String>,
    /// Addresses.
    pub ips: Vec<IpAddr>,
    /// Good for proving a server.
    pub server: bool,
    /// Good for proving a client.
    pub client: bool,
    /// Seconds from now at which validity begins; negative in the past.
    pub begins_in_seconds: i64,
    /// Seconds from now at which validity ends; negative in the past.
    pub ends_in_seconds: i64,
}

impl LeafRequest {
    /// Returns a request for one service: server and client, from an hour ago for 30 days.
    pub fn new(spiffe_id: &str, dns: &[&str], ips: &[IpAddr]) -> Self {
        Self {
            uris: vec![spiffe_id.to_owned()],
            dns: dns.iter().map(|&name| name.to_owned()).collect(),
            ips: ips.to_vec(),
            server: true,
            client: true,
            begins_in_seconds: -3600,
            ends_in_seconds: 30 * 24 * 60 * 60,
        }
    }
}

/// A new leaf and its key.
#[derive(Clone)]
pub struct IssuedCertificate {
    /// The chain, which is the leaf alone: the authority is in the trust bundle.
    pub cert_pem: String,
    /// The key, PKCS#8.
    pub key_pem: String,
    /// Serial number, as [`crate::PeerIdentity`] writes it.
    pub serial_hex: String,
}

impl IssuedCertificate {
    /// Writes both files, readable by their owner only.
    ///
    /// # Errors
    /// [`PkiError::File`].
    pub fn write(&self, certificate: &Path, key: &Path) -> Result<(), PkiError> {
        write_private(key, &self.key_pem)?;
        write_private(certificate, &self.cert_pem)
    }
}

/// An authority whose key lies in a directory.
pub struct LocalCa {
    issuer: Issuer<'static, KeyPair>,
    roots_pem: String,
}

impl LocalCa {
    /// Makes a new authority, valid for ten years, and writes it to `ca.crt` and `ca.key`.
    ///
    /// # Errors
    /// [`PkiError`].
    pub fn create(dir: &Path) -> Result<Self, PkiError> {
        Self::create_named(dir, "IIDI local authority")
    }

    /// Makes a new authority with a name of its own, which a second one in a bundle needs.
    ///
    /// # Errors
    /// [`PkiError`].
    pub fn create_named(dir: &Path, name: &str) -> Result<Self, PkiError> {
        fs::create_dir_all(dir).map_err(|source| PkiError::File { path: dir.to_owned(), source })?;
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.not_before = from_now!(-3600);
        params.not_after = from_now!(10 * 365 * 24 * 60 * 60);
        let certificate = params.self_signed(&key)?;
        write_private(&dir.join(KEY), &key.serialize_pem())?;
        write_private(&dir.join(CERTIFICATE), &certificate.pem())?;
        Ok(Self { issuer: Issuer::new(params, key), roots_pem: certificate.pem() })
    }

    /// Opens the authority that [`LocalCa::create`] left in a directory.
    ///
    /// # Errors
    /// [`PkiError`].
    pub fn open(dir: &Path) -> Result<Self, PkiError> {
        let read = |name: &str| {
            let path = dir.join(name);
            fs::read_to_string(&path).map_err(|source| PkiError::File { path, source })
        };
        let roots_pem = read(CERTIFICATE)?;
        let key = KeyPair::from_pem(&read(KEY)?)?;
        Ok(Self { issuer: Issuer::from_ca_cert_pem(&roots_pem, key)?, roots_pem })
    }

    /// Returns the trust bundle: this authority alone.
    pub fn roots_pem(&self) -> &str {
        &self.roots_pem
    }

    /// Issues a service's certificate.
    ///
    /// # Errors
    /// [`PkiError::Certificate`], as for a name that is not ASCII.
    pub fn issue(
        &self,
        spiffe_id: &str,
        dns: &[&str],
        ips: &[IpAddr],
    ) -> Result<IssuedCertificate, PkiError> {
        self.issue_with(&LeafRequest::new(spiffe_id, dns, ips))
    }

    /// Issues whatever is asked for, also what no real authority would.
    ///
    /// # Errors
    /// [`PkiError::Certificate`].
    pub fn issue_with(&self, request: &LeafRequest) -> Result<IssuedCertificate, PkiError> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        for uri in &request.uris {
            params.subject_alt_names.push(SanType::URI(uri.as_str().try_into()?));
        }
        for name in &request.dns {
            params.subject_alt_names.push(SanType::DnsName(name.as_str().try_into()?));
        }
        params.subject_alt_names.extend(request.ips.iter().copied().map(SanType::IpAddress));
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        if request.server {
            params.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
        }
        if request.client {
            params.extended_key_usages.push(ExtendedKeyUsagePurpose::ClientAuth);
        }
        params.use_authority_key_identifier_extension = true;
        params.not_before = from_now!(request.begins_in_seconds);
        params.not_after = from_now!(request.ends_in_seconds);
        let certificate = params.signed_by(&key, &self.issuer)?;
        let serial = serial_of(certificate.der());
        Ok(IssuedCertificate {
            cert_pem: certificate.pem(),
            key_pem: key.serialize_pem(),
            serial_hex: serial,
        })
    }

    /// Signs a list of revoked serial numbers, in hexadecimal, that is current for a year.
    ///
    /// # Errors
    /// [`PkiError::Serial`], [`PkiError::Certificate`].
    pub fn crl(&self, revoked: &[&str]) -> Result<String, PkiError> {
        self.crl_until(revoked, 365 * 24 * 60 * 60)
    }

    /// Signs a list that is current until so many seconds from now; negative makes a stale one.
    ///
    /// # Errors
    /// [`PkiError::Serial`], [`PkiError::Certificate`].
    pub fn crl_until(&self, revoked: &[&str], ends_in_seconds: i64) -> Result<String, PkiError> {
        let revoked_certs = revoked
            .iter()
            .map(|serial| {
                Ok(RevokedCertParams {
                    serial_number: SerialNumber::from(hex::decode(serial).map_err(|_| PkiError::Serial)?),
                    revocation_time: from_now!(-60),
                    reason_code: Some(RevocationReason::KeyCompromise),
                    invalidity_date: None,
                })
            })
            .collect::<Result<Vec<_>, PkiError>>()?;
        let begins = from_now!(ends_in_seconds.min(0)) - DAY;
        let list = CertificateRevocationListParams {
            this_update: begins,
            next_update: from_now!(ends_in_seconds),
            crl_number: SerialNumber::from(crate::now_unix()),
            issuing_distribution_point: None,
            revoked_certs,
            key_identifier_method: KeyIdMethod::Sha256,
        }
        .signed_by(&self.issuer)?;
        Ok(list.pem()?)
    }
}

/// Reads the serial number back, whatever names the leaf has.
fn serial_of(der: &[u8]) -> String {
    use x509_parser::prelude::{FromDer as _, X509Certificate};
    X509Certificate::from_der(der)
        .map(|(_, leaf)| hex::encode(crate::identity::unsigned(leaf.raw_serial())))
        .unwrap_or_default()
}

/// Writes a file that only its owner can read; a reader sees the old content or the new, never a part.
fn write_private(path: &Path, content: &str) -> Result<(), PkiError> {
    let new = path.with_added_extension("new");
    let write = || {
        let mut file =
            fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(content.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, path)
    };
    write().map_err(|source| PkiError::File { path: path.to_owned(), source })
}
