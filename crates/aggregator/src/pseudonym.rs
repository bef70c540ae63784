//! Who a record is about, without saying it: 64 bits of an HMAC under a key that never leaves the province.

use std::path::Path;

use hmac::{Hmac, Mac};
use serde_json::Value;
use sha2::Sha256;

/// The fewest bytes of a key.
const KEY_BYTES: usize = 32;

/// The key. Prints nothing.
#[derive(Clone)]
pub struct Pseudonyms {
    keyed: Hmac<Sha256>,
}

/// The key file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// It cannot be read.
    #[error("pseudonym_key_file cannot be read")]
    Unreadable(#[source] std::io::Error),
    /// It is too short.
    #[error("pseudonym_key_file must hold at least {KEY_BYTES} bytes")]
    Short,
}

impl Pseudonyms {
    /// Reads the key: the bytes of the file, without blanks around them.
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        let text = std::fs::read(path).map_err(KeyError::Unreadable)?;
        let key = text.trim_ascii();
        if key.len() < KEY_BYTES {
            return Err(KeyError::Short);
        }
        let keyed = Hmac::new_from_slice(key).map_err(|_| KeyError::Short)?;
        Ok(Self { keyed })
    }

    /// Returns the pseudonym of a Patient: of the health number (the first in the order of text, where there are
    /// several), else of the record.
    pub fn of_patient(&self, patient: &Value) -> i64 {
        let first = fhir::identifiers::matching_numbers(patient).into_iter().min();
        match first {
            Some((system, value)) => self.of(&["number", &system, &value]),
            None => self.of_record(patient.get("id").and_then(Value::as_str).unwrap_or_default()),
        }
    }

    /// Returns the pseudonym of whoever a record of this id is about, when nothing more is known.
    pub fn of_record(&self, patient_id: &str) -> i64 {
        self.of(&["record", patient_id])
    }

    fn of(&self, parts: &[&str]) -> i64 {
        let mut mac = self.keyed.clone();
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        let bytes = mac.finalize().into_bytes();
        i64::from_be_bytes(bytes[..8].try_into().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_person_is_known_by_the_health_number_and_else_by_the_record() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        std::fs::write(&file, "0123456789abcdef0123456789abcdef\n").unwrap();
        let pseudonyms = Pseudonyms::load(&file).unwrap();
        let patient = |id: &str, numbers: &[&str]| {
            let system = "https://fhir.infoway-inforoute.ca/NamingSystem/ca-on-patient-hcn";
            let numbers: Vec<Value> =
                numbers.iter().map(|value| json!({"system": system, "value": value})).collect();
            pseudonyms.of_patient(&json!({"id": id, "identifier": numbers}))
        };
        assert_eq!(patient("a", &["1000000008"]), patient("b", &["1000 000 008"]));
        assert_eq!(patient("a", &["1000000008", "2000000006"]), patient("b", &["2000000006", "1000000008"]));
        assert_ne!(patient("a", &["1000000008"]), patient("a", &["2000000006"]));
        assert_eq!(patient("a", &[]), pseudonyms.of_record("a"));
        assert_ne!(patient("a", &[]), patient("b", &[]));
    }

    #[test]
    fn a_short_key_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        std::fs::write(&file, "short").unwrap();
        assert!(matches!(Pseudonyms::load(&file), Err(KeyError::Short)));
        assert!(matches!(Pseudonyms::load(&folder.path().join("none")), Err(KeyError::Unreadable(_))));
    }
}
