//! How numbers and groups of a release are written. A hidden number is an `x`, whatever else may be known of it.

use contracts::dictionary::{MIXED, UNKNOWN, UNMAPPED, age_terms};
use contracts::release::{Column, MarginRow};

use crate::arguments::Lang;
use crate::output::Output;
use crate::words::Word;

/// The columns that tell one cell of the finest table from another.
pub const CELL: [Column; 7] = [
    Column::OccurrenceYear,
    Column::Age,
    Column::Sex,
    Column::VaccineType,
    Column::VaccineCode,
    Column::Dose,
    Column::DoseLabel,
];

/// Writes a number.
pub fn number(count: Option<u64>) -> String {
    count.map_or_else(|| "x".to_owned(), |count| count.to_string())
}

/// Names the columns of a margin.
pub fn columns(output: &Output, by: &[Column]) -> String {
    // The code tells vaccines of one short name apart, the label says the dose: both stand in one word.
    let words = by.iter().filter_map(|column| match column {
        Column::Jurisdiction => Some(Word::ByJurisdiction),
        Column::OccurrenceYear => Some(Word::ByYear),
        Column::Age => Some(Word::ByAge),
        Column::Sex => Some(Word::BySex),
        Column::VaccineType => Some(Word::ByVaccine),
        Column::DoseLabel => Some(Word::ByDose),
        Column::VaccineCode | Column::Dose => None,
    });
    words.map(|word| output.word(word)).collect::<Vec<_>>().join(" × ")
}

/// Names the group of a margin's row.
pub fn group(output: &Output, row: &MarginRow) -> String {
    let mut parts = Vec::new();
    parts.extend(row.occurrence_year.map(|year| match year {
        Some(year) => year.to_string(),
        None => output.word(Word::ValueUnknownYearOrDose).to_owned(),
    }));
    parts.extend(row.age.as_deref().map(|age| value(output, age)));
    parts.extend(row.sex.as_deref().map(|sex| value(output, sex)));
    parts.extend(row.vaccine_type.as_deref().map(|name| match &row.vaccine_code {
        Some(Some(code)) => format!("{name} ({code})"),
        _ => value(output, name),
    }));
    parts.extend(row.dose_label.as_deref().map(|dose| {
        let label = match dose {
            UNKNOWN => output.word(Word::ValueUnknownYearOrDose).to_owned(),
            other => value(output, other),
        };
        format!("{} {label}", output.word(Word::ByDose))
    }));
    parts.join(", ")
}

/// A value in the reader's language, as far as the contract or this program has it.
fn value(output: &Output, value: &str) -> String {
    let word = match value {
        UNKNOWN => Word::ValueUnknown,
        UNMAPPED => Word::ValueUnmapped,
        MIXED => Word::ValueMixed,
        "Female" => Word::ValueFemale,
        "Male" => Word::ValueMale,
        "Other" => Word::ValueOther,
        age if output.lang == Lang::Fr => {
            let term = age_terms().into_iter().find(|term| term.code == age);
            return term.map_or_else(|| age.to_owned(), |term| term.fr);
        }
        other => return other.to_owned(),
    };
    output.word(word).to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::arguments::Form;

    #[test]
    fn a_group_is_named_in_the_readers_language() {
        let row: MarginRow = serde_json::from_value(json!({
            "OccurrenceYear": null, "Age": "2–6 years", "Sex": "Female", "VaccineType": "MMR",
            "VaccineCode": "871831003", "Dose": null, "DoseLabel": "Mixed", "Count": null, "Suppressed": true,
        }))
        .unwrap();
        let named = |lang| group(&Output::new(Some(lang), Form::Table), &row);
        assert_eq!(named(Lang::En), "Unknown, 2–6 years, Female, MMR (871831003), dose Mixed");
        assert_eq!(named(Lang::Fr), "Inconnue, 2 à 6 ans, Féminin, MMR (871831003), dose Mixte");
    }

    #[test]
    fn what_is_unknown_agrees_with_its_noun() {
        let row: MarginRow = serde_json::from_value(json!({
            "OccurrenceYear": null, "Sex": "Unknown", "Dose": null, "DoseLabel": "Unknown", "Count": null, "Suppressed": true,
        }))
        .unwrap();
        assert_eq!(
            group(&Output::new(Some(Lang::Fr), Form::Table), &row),
            "Inconnue, Inconnu, dose Inconnue"
        );
    }

    #[test]
    fn a_hidden_number_is_an_x() {
        assert_eq!([number(Some(0)), number(None)], ["0", "x"]);
    }
}
