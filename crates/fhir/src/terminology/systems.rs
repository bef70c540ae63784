//! Code systems and their aliases, and codes that say there is no vaccine.

/// SNOMED CT, whatever the edition.
pub const SNOMED: &str = "http://snomed.info/sct";
/// CVX, the vaccine codes of the US Centers for Disease Control and Prevention.
pub const CVX: &str = "http://hl7.org/fhir/sid/cvx";
/// The codes of the International Patient Summary for "none" and "not known".
pub const ABSENT_UNKNOWN: &str = "http://hl7.org/fhir/uv/ips/CodeSystem/absent-unknown-uv-ips";

const NULL_FLAVOR: &str = "http://terminology.hl7.org/CodeSystem/v3-NullFlavor";
const DATA_ABSENT: &str = "http://terminology.hl7.org/CodeSystem/data-absent-reason";

/// Returns the one form of a code system's URI: no SNOMED CT edition or version, no OID; others as they are.
pub fn normalise_system(system: &str) -> &str {
    let system = system.trim();
    let without_version = system.split('|').next().unwrap_or(system);
    match without_version.trim_end_matches('/') {
        "https://snomed.info/sct" | "urn:oid:2.16.840.1.113883.6.96" => SNOMED,
        "https://hl7.org/fhir/sid/cvx" | "urn:oid:2.16.840.1.113883.12.292" => CVX,
        other => match other.strip_prefix(SNOMED) {
            Some(edition) if edition.starts_with('/') => SNOMED,
            _ => other,
        },
    }
}

/// Returns the one form of a CVX code: no blanks, at least two digits (`3`, `03` and `003` are the same).
pub fn normalise_cvx(code: &str) -> String {
    let code = code.trim();
    if code.is_empty() || !code.bytes().all(|b| b.is_ascii_digit()) {
        return code.to_owned();
    }
    format!("{:0>2}", code.trim_start_matches('0'))
}

/// Tells whether a code says that no vaccine was given, or that nothing is known of one.
pub(super) fn means_no_vaccine(system: &str, code: &str) -> bool {
    let code = code.trim();
    match normalise_system(system) {
        CVX => matches!(normalise_cvx(code).as_str(), "998" | "999"),
        ABSENT_UNKNOWN => matches!(code, "no-immunization-info" | "no-known-immunizations"),
        NULL_FLAVOR => matches!(code, "UNK" | "NI" | "NASK" | "ASKU" | "NAV"),
        DATA_ABSENT => matches!(code, "unknown" | "asked-unknown" | "temp-unknown" | "not-asked"),
        _ => false,
    }
}
