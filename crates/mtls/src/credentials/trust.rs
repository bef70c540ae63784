//! Whom we trust: certificate authorities and revocation lists, and the one way a chain is judged.

use std::collections::HashSet;
use std::time::Duration;

use rustls_pki_types::{
    CertificateDer, CertificateRevocationListDer, ServerName, SignatureVerificationAlgorithm, TrustAnchor,
    UnixTime,
};
use sha2::{Digest, Sha256};
use webpki::{
    CertRevocationList, EndEntityCert, ExpirationPolicy, KeyUsage, OwnedCertRevocationList,
    RevocationCheckDepth, RevocationOptionsBuilder,
};
use x509_parser::prelude::{CertificateRevocationList, FromDer, X509Certificate};

use super::CredentialError;
use super::pem::sections;
use crate::chain::{ChainFault, Purpose};
use crate::identity::{PeerIdentity, unsigned};

/// Longest accepted chain, leaf included; a chain comes from a stranger until it is verified.
const LONGEST_CHAIN: usize = 8;

/// The trusted authorities and what they have revoked, as read at one moment.
pub(crate) struct Trust {
    anchors: Vec<TrustAnchor<'static>>,
    /// `None` where no list is configured: then revocation is not checked.
    lists: Option<Vec<CertRevocationList<'static>>>,
    /// Issuer's name and serial number of every revoked certificate.
    revoked: HashSet<(Vec<u8>, Vec<u8>)>,
    /// When the first of the lists is out of date, in seconds since 1970.
    lists_end: Option<u64>,
    algorithms: &'static [&'static dyn SignatureVerificationAlgorithm],
    digest: [u8; 32],
}

impl Trust {
    /// Builds the set of what is usable in a bundle of authorities and a file of revocation lists.
    ///
    /// An entry that cannot be used is left out with a warning. None usable at all is an error.
    pub(super) fn read(roots: &[u8], crl: Option<&[u8]>, now: u64) -> Result<Self, CredentialError> {
        let mut digest = Sha256::new();
        let mut anchors = Vec::new();
        for (entry, der) in sections::<CertificateDer<'static>>(roots).into_iter().enumerate() {
            match der.ok_or("cannot be read").and_then(|der| anchor(&der, now).map(|found| (der, found))) {
                Ok((der, anchor)) => {
                    digest.update(der.as_ref());
                    anchors.push(anchor);
                }
                Err(reason) => tracing::warn!(entry, reason, "an entry of the trust bundle is left out"),
            }
        }
        if anchors.is_empty() {
            return Err(CredentialError::Invalid { what: "trust bundle has no usable authority" });
        }
        let mut revoked = HashSet::new();
        let mut lists_end = None;
        let lists = crl.map(|crl| read_lists(crl, &mut digest, &mut revoked, &mut lists_end)).transpose()?;
        let algorithms = crate::provider().signature_verification_algorithms.all;
        Ok(Self { anchors, lists, revoked, lists_end, algorithms, digest: digest.finalize().into() })
    }

    /// Tells this set from another one with other entries.
    pub(super) fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// Returns when the first revocation list is out of date, in seconds since 1970.
    pub(super) fn lists_end(&self) -> Option<u64> {
        self.lists_end
    }

    /// Says whether the holder's certificate stands in a current list of its issuer.
    pub(crate) fn is_revoked(&self, peer: &PeerIdentity) -> bool {
        hex::decode(&peer.serial_hex)
            .is_ok_and(|serial| self.revoked.contains(&(peer.issuer().to_vec(), serial)))
    }

    /// Judges a chain at a moment and returns whom its leaf names.
    pub(crate) fn verify(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        host: Option<&ServerName<'_>>,
        purpose: Purpose,
        at: u64,
    ) -> Result<PeerIdentity, ChainFault> {
        let lists: Vec<&CertRevocationList<'_>> = self.lists.iter().flatten().collect();
        let revocation = match &self.lists {
            None => None,
            Some(_) => Some(
                RevocationOptionsBuilder::new(&lists)
                    .map_err(|_| ChainFault::RevocationUnknown)?
                    .with_depth(RevocationCheckDepth::EndEntity)
                    .with_expiration_policy(ExpirationPolicy::Enforce)
                    .build(),
            ),
        };
        self.verify_with(leaf, intermediates, host, purpose, at, revocation)
    }

    /// Judges our own chain: revocation is the peers' business and must not keep newer lists out.
    pub(super) fn vouches_for(&self, chain: &[CertificateDer<'static>], at: u64) -> Result<(), ChainFault> {
        let (leaf, intermediates) = chain.split_first().ok_or(ChainFault::Malformed)?;
        let as_client = self.verify_with(leaf, intermediates, None, Purpose::Client, at, None);
        as_client
            .or_else(|_| self.verify_with(leaf, intermediates, None, Purpose::Server, at, None))
            .map(|_| ())
    }

    fn verify_with(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        host: Option<&ServerName<'_>>,
        purpose: Purpose,
        at: u64,
        revocation: Option<webpki::RevocationOptions<'_>>,
    ) -> Result<PeerIdentity, ChainFault> {
        if intermediates.len() >= LONGEST_CHAIN {
            return Err(ChainFault::Malformed);
        }
        let usage = match purpose {
            Purpose::Server => KeyUsage::server_auth(),
            Purpose::Client => KeyUsage::client_auth(),
        };
        let end_entity = EndEntityCert::try_from(leaf)?;
        let at = UnixTime::since_unix_epoch(Duration::from_secs(at));
        end_entity.verify_for_usage(
            self.algorithms,
            &self.anchors,
            intermediates,
            at,
            usage,
            revocation,
            None,
        )?;
        if let Some(host) = host {
            end_entity.verify_is_valid_for_subject_name(host)?;
        }
        Ok(PeerIdentity::from_leaf(leaf)?)
    }
}

/// Reads one entry of a trust bundle: an authority whose validity is not over.
fn anchor(der: &CertificateDer<'static>, now: u64) -> Result<TrustAnchor<'static>, &'static str> {
    let (_, certificate) = X509Certificate::from_der(der).map_err(|_| "cannot be read")?;
    if !certificate.is_ca() {
        return Err("not a certificate authority");
    }
    if u64::try_from(certificate.validity().not_after.timestamp()).unwrap_or(0) < now {
        return Err("expired");
    }
    Ok(webpki::anchor_from_trusted_cert(der).map_err(|_| "cannot be used")?.to_owned())
}

fn read_lists(
    text: &[u8],
    digest: &mut Sha256,
    revoked: &mut HashSet<(Vec<u8>, Vec<u8>)>,
    lists_end: &mut Option<u64>,
) -> Result<Vec<CertRevocationList<'static>>, CredentialError> {
    let mut lists = Vec::new();
    for (entry, der) in sections::<CertificateRevocationListDer<'static>>(text).into_iter().enumerate() {
        let parsed = der.as_ref().and_then(|der| {
            let list = OwnedCertRevocationList::from_der(der).ok()?;
            let (_, readable) = CertificateRevocationList::from_der(der).ok()?;
            Some((der, list, readable))
        });
        let Some((der, list, readable)) = parsed else {
            // Clients of that issuer are then refused, since nothing says whether they are revoked.
            tracing::warn!(entry, "a certificate revocation list cannot be read and is left out");
            continue;
        };
        digest.update(der.as_ref());
        let issuer = readable.issuer().as_raw().to_vec();
        revoked.extend(
            readable
                .iter_revoked_certificates()
                .map(|entry| (issuer.clone(), unsigned(entry.raw_serial()).to_vec())),
        );
        let end = readable.next_update().and_then(|end| u64::try_from(end.timestamp()).ok());
        *lists_end = [*lists_end, end].into_iter().flatten().min();
        lists.push(list.into());
    }
    if lists.is_empty() {
        return Err(CredentialError::Invalid { what: "file of revocation lists has none that can be read" });
    }
    Ok(lists)
}
