//! The values of the published table's columns, as data, with their names in both languages.

use serde::{Deserialize, Serialize};

/// What is not known.
pub const UNKNOWN: &str = "Unknown";
/// A vaccine that the catalogue does not map.
pub const UNMAPPED: &str = "Unmapped";
/// A dose to which the record gives several numbers.
pub const MIXED: &str = "Mixed";
/// The values of `Sex`.
pub const SEXES: [&str; 4] = ["Female", "Male", "Other", UNKNOWN];

/// An age group: completed years from the first, up to and without the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AgeGroup {
    /// The value in the column, which is its English name.
    pub en: &'static str,
    /// Its French name.
    pub fr: &'static str,
    /// The least age.
    pub from_years: u32,
    /// The first age above; `None` in the last group.
    pub below_years: Option<u32>,
}

const fn ages(en: &'static str, fr: &'static str, from_years: u32, below_years: u32) -> AgeGroup {
    AgeGroup { en, fr, from_years, below_years: Some(below_years) }
}

/// The age groups of contract version 1, cut at the birthdays by which national coverage is reported (2, 7, 17).
///
/// `Unknown` comes after them in every list of values.
pub const AGE_GROUPS: [AgeGroup; 10] = [
    ages("Under 1 year", "Moins de 1 an", 0, 1),
    ages("1 year", "1 an", 1, 2),
    ages("2–6 years", "2 à 6 ans", 2, 7),
    ages("7–11 years", "7 à 11 ans", 7, 12),
    ages("12–16 years", "12 à 16 ans", 12, 17),
    ages("17–29 years", "17 à 29 ans", 17, 30),
    ages("30–49 years", "30 à 49 ans", 30, 50),
    ages("50–64 years", "50 à 64 ans", 50, 65),
    ages("65–79 years", "65 à 79 ans", 65, 80),
    AgeGroup { en: "80 years and over", fr: "80 ans et plus", from_years: 80, below_years: None },
];

/// Returns the value of the column `Age` for an age in completed years; `None` is `Unknown`.
pub fn age_group(years: Option<u32>) -> &'static str {
    let holds = |group: &&AgeGroup, years| {
        group.from_years <= years && group.below_years.is_none_or(|below| years < below)
    };
    years
        .and_then(|years| AGE_GROUPS.iter().find(|group| holds(group, years)))
        .map_or(UNKNOWN, |group| group.en)
}

/// A value of a column and what it is called.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Term {
    /// The value.
    pub code: String,
    /// Its English name.
    pub en: String,
    /// Its French name.
    pub fr: String,
}

/// The values that a table uses.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Dictionary {
    /// The age groups in their order, `Unknown` last; `code` is what stands in `Age`.
    pub age_groups: Vec<Term>,
    /// The vaccines; `code` is what stands in `VaccineCode`.
    pub vaccines: Vec<Term>,
    /// The jurisdictions; in the federator's answer only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub jurisdictions: Vec<Term>,
}

/// Returns all values of `Age` in their order.
pub fn age_terms() -> Vec<Term> {
    let term = |en: &str, fr: &str| Term { code: en.to_owned(), en: en.to_owned(), fr: fr.to_owned() };
    AGE_GROUPS.iter().map(|group| term(group.en, group.fr)).chain([term(UNKNOWN, "Inconnu")]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_age_is_in_exactly_one_group() {
        assert_eq!(AGE_GROUPS[0].from_years, 0);
        for pair in AGE_GROUPS.windows(2) {
            assert_eq!(pair[0].below_years, Some(pair[1].from_years), "{}", pair[0].en);
        }
        for (years, group) in
            [(0, "Under 1 year"), (1, "1 year"), (2, "2–6 years"), (6, "2–6 years"), (7, "7–11 years")]
        {
            assert_eq!(age_group(Some(years)), group);
        }
        assert_eq!(age_group(Some(16)), "12–16 years");
        assert_eq!(age_group(Some(17)), "17–29 years");
        assert_eq!(age_group(Some(79)), "65–79 years");
        assert_eq!(age_group(Some(119)), "80 years and over");
        assert_eq!(age_group(None), UNKNOWN);
    }

    #[test]
    fn the_list_of_ages_ends_with_unknown() {
        assert_eq!(age_terms().len(), 11);
        assert_eq!(age_terms().last().map(|term| term.code.as_str()), Some(UNKNOWN));
    }
}
