use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The code of a province, a territory or PHAC, such as `ON`.
///
/// Upper case in JSON, identifiers and columns; lower case ([`Jurisdiction::lower`]) only in DNS names,
/// namespaces, SPIFFE paths and queue keys. Which codes exist is said by the peer directory, not here.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Jurisdiction(String);

/// The text is no jurisdiction code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a jurisdiction code is 2 to 8 letters, all upper case or all lower case")]
pub struct InvalidJurisdiction;

impl Jurisdiction {
    /// Reads a code in its upper-case (`ON`) or lower-case (`on`) form; a mixture is refused.
    pub fn parse(text: &str) -> Result<Self, InvalidJurisdiction> {
        let one_case =
            text.bytes().all(|b| b.is_ascii_uppercase()) || text.bytes().all(|b| b.is_ascii_lowercase());
        if (2..=8).contains(&text.len()) && one_case {
            Ok(Self(text.to_ascii_uppercase()))
        } else {
            Err(InvalidJurisdiction)
        }
    }

    /// Returns the upper-case form.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the lower-case form.
    pub fn lower(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

impl fmt::Display for Jurisdiction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Jurisdiction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Jurisdiction {
    type Err = InvalidJurisdiction;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl TryFrom<String> for Jurisdiction {
    type Error = InvalidJurisdiction;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<Jurisdiction> for String {
    fn from(code: Jurisdiction) -> Self {
        code.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_one_code_and_mixtures_are_refused() {
        assert_eq!(Jurisdiction::parse("ON"), Jurisdiction::parse("on"));
        for wrong in ["", "O", "On", "oN", "O N", "ON2", "ÎP", "ON/", "TOOLONGCODE"] {
            assert_eq!(Jurisdiction::parse(wrong), Err(InvalidJurisdiction), "{wrong}");
        }
    }
}
