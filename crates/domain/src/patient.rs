use std::fmt;

use serde::{Deserialize, Serialize};

/// The logical id of a Patient on one FHIR server. It points to a person: it is never printed.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PatientId(String);

/// The text is no FHIR id (R4 §2.24.0.1: 1 to 64 of letters, digits, `-` and `.`).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a patient id is 1 to 64 letters, digits, '-' or '.'")]
pub struct InvalidPatientId;

impl PatientId {
    /// Reads an id.
    pub fn parse(text: &str) -> Result<Self, InvalidPatientId> {
        let legal = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'.';
        if (1..=64).contains(&text.len()) && text.bytes().all(legal) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidPatientId)
        }
    }

    /// Returns the id, for requests to the FHIR server and for columns; never for logs.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PatientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PatientId(redacted)")
    }
}

impl TryFrom<String> for PatientId {
    type Error = InvalidPatientId;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<PatientId> for String {
    fn from(id: PatientId) -> Self {
        id.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patient_id_is_never_printed() {
        let id = PatientId::parse("secret-77").unwrap();
        assert!(!format!("{id:?}").contains("secret"));
    }

    #[test]
    fn only_fhir_ids_are_accepted() {
        for wrong in ["", "a/b", "a b", "é", &"x".repeat(65), "../x", "a?b"] {
            assert_eq!(PatientId::parse(wrong), Err(InvalidPatientId));
        }
    }
}
