//! Which generic vaccine of the National Vaccine Catalogue a code means: what the national table counts by.
//!
//! The table is derived from the Catalogue's look-up table 1.85 (hc-sc/hc-pdir-vaccine-lookup-table), which does not
//! link trade names to generics; the choice where several share an abbreviation, and the generics of CVX codes, are
//! this project's. `synthesizer/tools/derive_generics.py` derives it.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde_json::Value;

use super::systems::means_no_vaccine;
use super::{CVX, SNOMED, normalise_cvx, normalise_system};

/// What a `vaccineCode` is in the national table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Generic {
    /// A dose of this generic vaccine.
    Vaccine {
        /// Its SNOMED CT code.
        code: &'static str,
        /// Its abbreviation in the Catalogue, such as `MMR`; several may share one.
        abbreviation: &'static str,
    },
    /// Antibodies: no vaccine dose.
    Passive,
    /// The code says that nothing was given, or that nothing is known.
    NoDose,
    /// The table does not know the code.
    Unmapped,
}

/// The table, as text: whoever keeps what it said can tell whether it says something else now.
pub const GENERICS: &str = include_str!("generics.csv");

static TABLE: LazyLock<HashMap<(&'static str, &'static str), Generic>> = LazyLock::new(|| {
    let lines = GENERICS.lines().skip(1);
    let row = |line: &'static str| {
        let mut columns = line.split(',');
        let (system, code) = (columns.next()?, columns.next()?);
        let generic = match columns.next()? {
            "vaccine" => Generic::Vaccine { code: columns.next()?, abbreviation: columns.next()? },
            "passive" => Generic::Passive,
            _ => Generic::NoDose,
        };
        Some(((system, code), generic))
    };
    lines.filter_map(row).collect()
});

/// Tells what a `vaccineCode` (CodeableConcept) is: the Catalogue's word goes before CVX.
pub fn generic(vaccine_code: &Value) -> Generic {
    let mut by_cvx = None;
    for (system, code) in super::codings(vaccine_code) {
        let found = match normalise_system(system) {
            SNOMED => TABLE.get(&("sct", code.trim())).copied(),
            CVX => {
                let found = TABLE.get(&("cvx", normalise_cvx(code).as_str())).copied();
                by_cvx = by_cvx.or(found);
                None
            }
            _ => None,
        };
        if let Some(found) = found {
            return found;
        }
        if means_no_vaccine(system, code) {
            return Generic::NoDose;
        }
    }
    by_cvx.unwrap_or(Generic::Unmapped)
}

static ABBREVIATIONS: LazyLock<HashMap<&'static str, &'static str>> = LazyLock::new(|| {
    let named = |generic: &Generic| match generic {
        Generic::Vaccine { code, abbreviation } => Some((*code, *abbreviation)),
        _ => None,
    };
    TABLE.values().filter_map(named).collect()
});

/// Returns the abbreviation of a generic by its code.
pub fn abbreviation(code: &str) -> Option<&'static str> {
    ABBREVIATIONS.get(code).copied()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(codings: &Value) -> Generic {
        generic(&json!({"coding": codings}))
    }

    #[test]
    fn a_trade_name_a_generic_and_a_cvx_code_lead_to_the_same() {
        let mmr = Generic::Vaccine { code: "871831003", abbreviation: "MMR" };
        assert_eq!(of(&json!([{"system": SNOMED, "code": "871831003"}])), mmr);
        for trade_name in ["7171000087106", "7161000087102"] {
            assert_eq!(of(&json!([{"system": SNOMED, "code": trade_name}])), mmr, "PRIORIX, M-M-R II");
        }
        assert_eq!(of(&json!([{"system": CVX, "code": "3"}])), mmr);
        let both = json!([{"system": CVX, "code": "140"}, {"system": SNOMED, "code": "871831003"}]);
        assert_eq!(of(&both), mmr, "the Catalogue goes before CVX");
    }

    #[test]
    fn antibodies_nothing_and_unknown_codes_are_no_dose_of_a_vaccine() {
        assert_eq!(of(&json!([{"system": CVX, "code": "998"}])), Generic::NoDose);
        assert_eq!(of(&json!([{"system": "http://example.org", "code": "x"}])), Generic::Unmapped);
        assert_eq!(generic(&json!({"text": "something"})), Generic::Unmapped);
        assert!(TABLE.values().any(|generic| *generic == Generic::Passive));
    }

    #[test]
    fn every_generic_is_in_the_catalogue() {
        for generic in TABLE.values() {
            if let Generic::Vaccine { code, abbreviation: name } = generic {
                assert!(super::super::vaccine(SNOMED, code).is_some(), "{code}");
                assert_eq!(abbreviation(code), Some(*name), "one generic, one abbreviation");
            }
        }
    }

    #[test]
    fn it_is_the_synthesizers_table() {
        let theirs = concat!(env!("CARGO_MANIFEST_DIR"), "/../../synthesizer/data/generics.csv");
        assert_eq!(std::fs::read_to_string(theirs).unwrap(), include_str!("generics.csv"));
    }
}
