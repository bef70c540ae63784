//! Names of the jurisdictions, for the local directory.

use serde::Serialize;

/// A name in both official languages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Named {
    /// English name.
    pub en: &'static str,
    /// French name.
    pub fr: &'static str,
}

/// Code, English name, French name: ten provinces, three territories, and the federal agency.
const NAMES: [(&str, &str, &str); 14] = [
    ("AB", "Alberta", "Alberta"),
    ("BC", "British Columbia", "Colombie-Britannique"),
    ("MB", "Manitoba", "Manitoba"),
    ("NB", "New Brunswick", "Nouveau-Brunswick"),
    ("NL", "Newfoundland and Labrador", "Terre-Neuve-et-Labrador"),
    ("NS", "Nova Scotia", "Nouvelle-Écosse"),
    ("NT", "Northwest Territories", "Territoires du Nord-Ouest"),
    ("NU", "Nunavut", "Nunavut"),
    ("ON", "Ontario", "Ontario"),
    ("PE", "Prince Edward Island", "Île-du-Prince-Édouard"),
    ("PHAC", "Public Health Agency of Canada", "Agence de la santé publique du Canada"),
    ("QC", "Quebec", "Québec"),
    ("SK", "Saskatchewan", "Saskatchewan"),
    ("YT", "Yukon", "Yukon"),
];

/// Names of a jurisdiction; `None` for a code that is not in use.
pub fn names_of(code: &str) -> Option<Named> {
    let (_, en, fr) = NAMES.iter().find(|(known, _, _)| *known == code)?;
    Some(Named { en, fr })
}
