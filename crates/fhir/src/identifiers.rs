//! Health numbers: which naming systems are one, their one spelling, and check digits.

use std::collections::HashSet;

use serde_json::Value;

const BASE: &str = "https://fhir.infoway-inforoute.ca/NamingSystem/";

/// Last parts of the naming systems of health numbers under [`BASE`]: 13 provinces and territories, then federal.
const HEALTH_NUMBERS: &[&str] = &[
    "ca-ab-patient-healthcare-id",
    "ca-bc-patient-healthcare-id",
    "ca-mb-patient-healthcare-id",
    "ca-nb-patient-healthcare-id",
    "ca-nl-patient-healthcare-id",
    "ca-ns-patient-healthcare-id",
    "ca-nt-patient-healthcare-id",
    "ca-nu-patient-healthcare-id",
    "ca-on-patient-hcn",
    "ca-pe-patient-healthcare-id",
    "ca-qc-patient-healthcare-id",
    "ca-sk-patient-healthcare-id",
    "ca-yt-patient-healthcare-id",
    "ca-armed-forces-health-id",
    "ca-veterans-affairs-health-id",
    "ca-correctional-service-health-id",
    "ca-royal-mounted-police-health-id",
    "ca-interim-federal-health-id",
    "ca-indigenous-northern-affairs-number",
];

/// Where the same names stand under another address.
const OTHER_BASES: &[&str] = &[
    "http://fhir.infoway-inforoute.ca/NamingSystem/",
    "fhir.infoway-inforoute.ca/NamingSystem/",
    "http://ehealthontario.ca/fhir/NamingSystem/",
    "https://ehealthontario.ca/fhir/NamingSystem/",
    "https://ehealthontario.ca/API/FHIR/NamingSystem/",
    "http://ehealthontario.ca/API/FHIR/NamingSystem/",
];

/// Returns the one spelling of a naming system: aliases of the health numbers become the pan-Canadian URI, every
/// other system stays as it is.
pub fn normalise_system(system: &str) -> String {
    let system = system.trim();
    let name =
        system.strip_prefix(BASE).or_else(|| OTHER_BASES.iter().find_map(|base| system.strip_prefix(base)));
    name.and_then(canonical_name).map_or_else(|| system.to_owned(), |name| format!("{BASE}{name}"))
}

/// Returns every spelling under which a number may have been stored: each alias of its naming system with the
/// value as it is, in its one spelling and, for ten digits, in groups. Systems that are no health number, and
/// values in other shapes, have only their own.
pub fn spellings(system: &str, value: &str) -> Vec<(String, String)> {
    let canonical = normalise_value(system, value);
    let mut values = vec![value.trim().to_owned()];
    if canonical.len() == 10 && canonical.bytes().all(|b| b.is_ascii_digit()) {
        let (a, b, c) = (&canonical[..4], &canonical[4..7], &canonical[7..]);
        values.extend([format!("{a} {b} {c}"), format!("{a}-{b}-{c}")]);
    }
    values.push(canonical);
    values.sort();
    values.dedup();
    let mut systems = vec![system.trim().to_owned(), normalise_system(system)];
    if let Some(name) =
        normalise_system(system).strip_prefix(BASE).filter(|name| HEALTH_NUMBERS.contains(name))
    {
        let mixed_up = match name.strip_suffix("-healthcare-id") {
            Some(start) => format!("{start}-hcn"),
            None => name.replace("-patient-hcn", "-patient-healthcare-id"),
        };
        let bases = std::iter::once(&BASE).chain(OTHER_BASES);
        systems.extend(bases.flat_map(|base| [format!("{base}{name}"), format!("{base}{mixed_up}")]));
    }
    systems.sort();
    systems.dedup();
    systems.iter().flat_map(|system| values.iter().map(|value| (system.clone(), value.clone()))).collect()
}

/// Finds the health number that a name, or one of its mix-ups of `hcn` and `healthcare-id`, means.
fn canonical_name(name: &str) -> Option<&'static str> {
    let name = name.trim_end_matches('/');
    let of_province = name
        .strip_suffix("-patient-hcn")
        .or_else(|| name.strip_suffix("-patient-healthcare-id"))
        .map(|province| format!("{province}-patient-"));
    HEALTH_NUMBERS.iter().copied().find(|known| match &of_province {
        Some(start) => known.starts_with(start.as_str()),
        None => *known == name,
    })
}

/// Tells whether a naming system (in any spelling) is one of the provincial, territorial or federal health numbers.
pub fn is_health_number(system: &str) -> bool {
    let system = normalise_system(system);
    system.strip_prefix(BASE).is_some_and(|name| HEALTH_NUMBERS.contains(&name))
}

/// Tells whether an identifier says of itself that it is a jurisdictional health number (v2-0203 `JHN`).
pub fn is_typed_as_health_number(identifier: &Value) -> bool {
    let codings = identifier.get("type").and_then(|kind| kind.get("coding")).and_then(Value::as_array);
    codings.into_iter().flatten().any(|coding| {
        coding.get("code").and_then(Value::as_str) == Some("JHN")
            && coding.get("system").and_then(Value::as_str).is_none_or(|system| system.ends_with("v2-0203"))
    })
}

/// Returns the one spelling of a number in a system: health numbers lose blanks and dashes, Ontario's its version
/// letters; numbers of other systems stay as they are.
pub fn normalise_value(system: &str, value: &str) -> String {
    if !is_health_number(system) {
        return value.trim().to_owned();
    }
    let bare: String = value.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
    let bare = bare.to_ascii_uppercase();
    if is_of(system, "ca-on-patient-hcn") {
        return bare.trim_end_matches(|c: char| c.is_ascii_uppercase()).to_owned();
    }
    bare
}

/// Tells whether a number has a wrong form or check digit; only Ontario's and British Columbia's are known.
pub fn fails_check_digit(system: &str, value: &str) -> bool {
    if is_of(system, "ca-on-patient-hcn") {
        return !is_ontario_number(value);
    }
    if is_of(system, "ca-bc-patient-healthcare-id") {
        return !is_british_columbia_number(&normalise_value(system, value));
    }
    false
}

fn is_of(system: &str, name: &str) -> bool {
    normalise_system(system).strip_prefix(BASE) == Some(name)
}

/// Ontario: ten digits, the first not 0, the last by Luhn's sum; then up to two version letters.
fn is_ontario_number(value: &str) -> bool {
    let bare: String = value.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
    let letters = bare.chars().rev().take_while(char::is_ascii_alphabetic).count();
    let Some(digits) =
        bare.len().checked_sub(letters).and_then(|end| bare.get(..end)).and_then(digits_of_ten)
    else {
        return false;
    };
    let sum: u32 = digits.iter().rev().enumerate().map(|(at, digit)| luhn_part(at, *digit)).sum();
    letters <= 2 && digits[0] != 0 && sum.is_multiple_of(10)
}

fn luhn_part(at: usize, digit: u32) -> u32 {
    let doubled = digit * (1 + u32::from(at % 2 == 1));
    if doubled > 9 { doubled - 9 } else { doubled }
}

/// British Columbia: ten digits, the first 9, the last by a weighted sum modulo 11.
fn is_british_columbia_number(value: &str) -> bool {
    const WEIGHTS: [u32; 8] = [2, 4, 8, 5, 10, 9, 7, 3];
    let Some(digits) = digits_of_ten(value) else { return false };
    let parts = digits[1..9].iter().zip(WEIGHTS).map(|(digit, weight)| digit * weight % 11);
    let check = (11 - parts.sum::<u32>() % 11) % 11;
    digits[0] == 9 && check == digits[9]
}

fn digits_of_ten(text: &str) -> Option<[u32; 10]> {
    let digits: Option<Vec<u32>> = text.chars().map(|c| c.to_digit(10)).collect();
    digits?.try_into().ok()
}

/// Lists the numbers by which a Patient may be matched: identifiers with system and value that are in use (not
/// `old` or ended by `use`), health numbers only, in their one spelling, each once.
pub fn matching_numbers(patient: &Value) -> Vec<(String, String)> {
    let identifiers = patient.get("identifier").and_then(Value::as_array);
    let (mut numbers, mut seen) = (Vec::new(), HashSet::new());
    for identifier in identifiers.into_iter().flatten() {
        let part = |name| identifier.get(name).and_then(Value::as_str);
        let (Some(system), Some(value)) = (part("system"), part("value")) else { continue };
        if part("use") == Some("old") || !is_health_number(system) {
            continue;
        }
        let number = (normalise_system(system), normalise_value(system, value));
        if !number.1.is_empty() && seen.insert(number.clone()) {
            numbers.push(number);
        }
    }
    numbers
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ON: &str = "https://fhir.infoway-inforoute.ca/NamingSystem/ca-on-patient-hcn";
    const BC: &str = "https://fhir.infoway-inforoute.ca/NamingSystem/ca-bc-patient-healthcare-id";

    #[test]
    fn every_alias_becomes_the_one_uri() {
        for (alias, one) in [
            (ON, ON),
            ("http://ehealthontario.ca/fhir/NamingSystem/ca-on-patient-hcn", ON),
            ("https://ehealthontario.ca/API/FHIR/NamingSystem/ca-on-patient-hcn", ON),
            ("http://fhir.infoway-inforoute.ca/NamingSystem/ca-on-patient-hcn", ON),
            ("https://fhir.infoway-inforoute.ca/NamingSystem/ca-on-patient-healthcare-id", ON),
            ("https://fhir.infoway-inforoute.ca/NamingSystem/ca-bc-patient-hcn", BC),
            (BC, BC),
            ("http://a.example/ca-on-patient-hcn", "http://a.example/ca-on-patient-hcn"),
            (
                "https://fhir.infoway-inforoute.ca/NamingSystem/ca-xx-patient-hcn",
                "https://fhir.infoway-inforoute.ca/NamingSystem/ca-xx-patient-hcn",
            ),
        ] {
            assert_eq!(normalise_system(alias), one);
        }
    }

    #[test]
    fn health_numbers_are_those_of_the_list() {
        assert_eq!(HEALTH_NUMBERS.len(), 19);
        assert!(HEALTH_NUMBERS.iter().all(|name| is_health_number(&format!("{BASE}{name}"))));
        for other in
            ["", "http://a.example/n", &format!("{BASE}ca-passport-number"), &format!("{BASE}ca-on-license")]
        {
            assert!(!is_health_number(other), "{other}");
        }
    }

    #[test]
    fn check_digits_are_checked_where_they_are_known() {
        for right in ["1234567897", "1234-567-897", "1234 567 897 AB", "1234567897A"] {
            assert!(!fails_check_digit(ON, right), "{right}");
        }
        for wrong in [
            "1234567890",
            "0234567897",
            "123456789",
            "1234567897ABC",
            "A234567897",
            "",
            "１２３４５６７８９７",
        ] {
            assert!(fails_check_digit(ON, wrong), "{wrong}");
        }
        for right in ["9698658215", "9698 658 215"] {
            assert!(!fails_check_digit(BC, right), "{right}");
        }
        for wrong in ["9698658216", "8698658215", "969865821", "969865821X", ""] {
            assert!(fails_check_digit(BC, wrong), "{wrong}");
        }
        assert!(!fails_check_digit(&format!("{BASE}ca-ab-patient-healthcare-id"), "anything"));
    }

    #[test]
    fn numbers_no_longer_in_use_match_nobody() {
        let patient = json!({"identifier": [
            {"system": ON, "value": "1234-567-897 AB"},
            {"system": "http://ehealthontario.ca/fhir/NamingSystem/ca-on-patient-hcn", "value": "1234567897"},
            {"use": "old", "system": BC, "value": "9698658215"},
            {"system": "http://a.example/chart", "value": "7"},
            {"system": BC},
            {"value": "1"},
        ]});
        assert_eq!(matching_numbers(&patient), [(ON.to_owned(), "1234567897".to_owned())]);
        assert!(matching_numbers(&json!({})).is_empty());
    }

    #[test]
    fn a_type_says_that_a_number_is_a_health_number() {
        let typed = |system: &str| json!({"type": {"coding": [{"system": system, "code": "JHN"}]}});
        assert!(is_typed_as_health_number(&typed("http://terminology.hl7.org/CodeSystem/v2-0203")));
        assert!(is_typed_as_health_number(&typed("http://hl7.org/fhir/v2/0203/v2-0203")));
        assert!(!is_typed_as_health_number(&typed("http://a.example/t")));
        assert!(!is_typed_as_health_number(&json!({})));
    }
}
