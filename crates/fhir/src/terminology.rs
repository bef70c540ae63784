//! Vaccine codes: which diseases a code protects against, names in both languages, normal forms of codes.
//!
//! The table is of one version (see its header) and answers for the National Vaccine Catalogue's SNOMED CT codes
//! and for CVX. A code it does not know is no error: it is [`Diseases::Unmapped`], and the original stays.

mod generics;
mod systems;
#[rustfmt::skip]
mod tables;
mod vaccine;

use std::collections::BTreeSet;

use serde_json::Value;

pub use generics::{GENERICS, Generic, abbreviation, generic};
pub use systems::{ABSENT_UNKNOWN, CVX, SNOMED, normalise_cvx, normalise_system};
pub use vaccine::{Kind, Vaccine};

/// What a vaccine code says of diseases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Diseases {
    /// SNOMED CT codes of the diseases that the agent (a passive one too) protects against.
    Known(BTreeSet<&'static str>),
    /// The code may be a vaccine; we cannot say against what.
    Unmapped,
    /// The code says that there was no vaccine, or that nothing is known: never a dose.
    NoVaccine,
}

/// Tells which diseases the codings of a `vaccineCode` (CodeableConcept) protect against, all codings together.
pub fn diseases(vaccine_code: &Value) -> Diseases {
    let mut known = BTreeSet::new();
    let mut is_no_vaccine = false;
    for (system, code) in codings(vaccine_code) {
        match coding_diseases(system, code) {
            Diseases::Known(more) => known.extend(more),
            Diseases::NoVaccine => is_no_vaccine = true,
            Diseases::Unmapped => {}
        }
    }
    match (known.is_empty(), is_no_vaccine) {
        (false, _) => Diseases::Known(known),
        (true, true) => Diseases::NoVaccine,
        (true, false) => Diseases::Unmapped,
    }
}

/// Tells which diseases one coding protects against.
pub fn coding_diseases(system: &str, code: &str) -> Diseases {
    if systems::means_no_vaccine(system, code) {
        return Diseases::NoVaccine;
    }
    match vaccine(system, code) {
        Some(vaccine) if !vaccine.diseases.is_empty() => {
            Diseases::Known(vaccine.diseases.iter().copied().collect())
        }
        _ => Diseases::Unmapped,
    }
}

/// Looks a code up, whatever edition or alias its system is written with.
pub fn vaccine(system: &str, code: &str) -> Option<&'static Vaccine> {
    match normalise_system(system) {
        SNOMED => find(tables::NVC, code.trim()),
        CVX => find(tables::CVX, &normalise_cvx(code)),
        _ => None,
    }
}

/// Tells whether the table knows the `vaccineCode` as a passive agent (immunoglobulin, antitoxin, antibody).
pub fn is_passive(vaccine_code: &Value) -> bool {
    codings(vaccine_code).any(|(system, code)| vaccine(system, code).is_some_and(|known| known.is_passive))
}

/// Tells whether two codings of a `vaccineCode` have no disease in common: one of them must be wrong.
pub fn has_disjoint_codings(vaccine_code: &Value) -> bool {
    // The set of different lists is small however many codings there are.
    let known: BTreeSet<&[&str]> = codings(vaccine_code)
        .filter_map(|(system, code)| vaccine(system, code))
        .map(|vaccine| vaccine.diseases)
        .filter(|diseases| !diseases.is_empty())
        .collect();
    let is_disjoint = |one: &[&str], other: &[&str]| !one.iter().any(|disease| other.contains(disease));
    known.iter().any(|one| known.iter().any(|other| is_disjoint(one, other)))
}

/// Lists the vaccine groups of a CVX code; empty for an unknown one.
pub fn cvx_groups(code: &str) -> &'static [&'static str] {
    find(tables::CVX, &normalise_cvx(code)).map_or(&[], |vaccine| vaccine.groups)
}

/// Names a disease in English and French.
pub fn disease_name(code: &str) -> Option<(&'static str, &'static str)> {
    let found = tables::DISEASES.binary_search_by(|(known, _, _)| known.cmp(&code)).ok()?;
    tables::DISEASES.get(found).map(|(_, en, fr)| (*en, *fr))
}

fn find(table: &'static [Vaccine], code: &str) -> Option<&'static Vaccine> {
    let found = table.binary_search_by(|vaccine| vaccine.code.cmp(code)).ok()?;
    table.get(found)
}

fn codings(concept: &Value) -> impl Iterator<Item = (&str, &str)> {
    let list = concept.get("coding").and_then(Value::as_array);
    list.into_iter().flatten().filter_map(|coding| {
        let part = |name| coding.get(name).and_then(Value::as_str);
        Some((part("system")?, part("code")?))
    })
}

#[cfg(test)]
mod tests;
