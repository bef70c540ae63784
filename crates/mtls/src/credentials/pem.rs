//! PEM files read section by section, so that one bad section spoils only itself.

use rustls_pki_types::pem::PemObject;

/// Returns each section that opens with a `BEGIN` line, decoded as `T`, or nothing where it cannot be.
pub(super) fn sections<T: PemObject>(text: &[u8]) -> Vec<Option<T>> {
    const OPENING: &[u8] = b"-----BEGIN ";
    let starts: Vec<usize> = (0..text.len()).filter(|&at| text[at..].starts_with(OPENING)).collect();
    starts
        .iter()
        .enumerate()
        .map(|(n, &start)| {
            let end = starts.get(n + 1).copied().unwrap_or(text.len());
            T::from_pem_slice(&text[start..end]).ok()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls_pki_types::CertificateDer;

    #[test]
    fn a_broken_section_does_not_hide_the_next_one() {
        let text = b"words\n-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n\
            -----BEGIN CERTIFICATE-----\nTUlJ\n-----END CERTIFICATE-----\n\
            -----BEGIN CERTIFICATE-----\nTUlJ\n";
        let found: Vec<Option<CertificateDer<'static>>> = sections(text);
        assert_eq!(found.iter().map(Option::is_some).collect::<Vec<_>>(), [false, true, false]);
    }

    #[test]
    fn a_file_without_sections_has_none() {
        assert!(sections::<CertificateDer<'static>>(b"").is_empty());
    }
}
