//! The rows of the tables. Column names are those that existing dashboards read.

use chrono::NaiveDate;
use domain::Jurisdiction;
use serde::{Deserialize, Deserializer, Serialize};

/// A column that says which group a row counts.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema,
)]
pub enum Column {
    /// Whose doses they are.
    Jurisdiction,
    /// The calendar year of the dose.
    OccurrenceYear,
    /// The age group on the date of the dose.
    Age,
    /// Administrative sex.
    Sex,
    /// The vaccine's short English name.
    VaccineType,
    /// The vaccine's generic concept in SNOMED CT.
    VaccineCode,
    /// The number of the dose.
    Dose,
    /// The number of the dose in words.
    DoseLabel,
}

/// A row of the finest table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Row {
    /// Whose doses they are.
    #[schema(value_type = String)]
    pub jurisdiction: Jurisdiction,
    /// The calendar year of the dose; `null` if unknown.
    pub occurrence_year: Option<i32>,
    /// The age group on the date of the dose, or `Unknown`.
    pub age: String,
    /// `Female`, `Male`, `Other` or `Unknown`.
    pub sex: String,
    /// The vaccine's short English name, or `Unmapped`.
    pub vaccine_type: String,
    /// The vaccine's generic concept in SNOMED CT; `null` if unmapped.
    pub vaccine_code: Option<String>,
    /// The number of the dose; `null` if unknown or mixed.
    pub dose: Option<u32>,
    /// The number of the dose, or `Unknown`, or `Mixed`.
    pub dose_label: String,
    /// How many doses; `null` exactly if they are hidden.
    pub count: Option<u64>,
    /// Whether they are hidden. Why is never told.
    pub suppressed: bool,
    /// The last day of the year; `null` if the year is unknown.
    #[schema(value_type = Option<String>, format = Date)]
    pub reference_date: Option<NaiveDate>,
}

/// A sum. It has the columns of its margin and no others: `None` is a column that is not there.
#[derive(
    Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct MarginRow {
    /// Whose doses they are; in the federator's margins only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub jurisdiction: Option<Jurisdiction>,
    /// The calendar year of the dose.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub occurrence_year: Option<Option<i32>>,
    /// The age group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age: Option<String>,
    /// The sex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sex: Option<String>,
    /// The vaccine's short English name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vaccine_type: Option<String>,
    /// The vaccine's generic concept.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub vaccine_code: Option<Option<String>>,
    /// The number of the dose.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub dose: Option<Option<u32>>,
    /// The number of the dose in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dose_label: Option<String>,
    /// How many doses; `null` exactly if they are hidden.
    pub count: Option<u64>,
    /// Whether they are hidden.
    pub suppressed: bool,
}

impl MarginRow {
    /// Returns the group that `row` belongs to in a margin by `columns`, without a number.
    pub fn group_of(row: &Row, columns: &[Column]) -> Self {
        let mut group = Self::default();
        for column in columns {
            match column {
                Column::Jurisdiction => group.jurisdiction = Some(row.jurisdiction.clone()),
                Column::OccurrenceYear => group.occurrence_year = Some(row.occurrence_year),
                Column::Age => group.age = Some(row.age.clone()),
                Column::Sex => group.sex = Some(row.sex.clone()),
                Column::VaccineType => group.vaccine_type = Some(row.vaccine_type.clone()),
                Column::VaccineCode => group.vaccine_code = Some(row.vaccine_code.clone()),
                Column::Dose => group.dose = Some(row.dose),
                Column::DoseLabel => group.dose_label = Some(row.dose_label.clone()),
            }
        }
        group
    }

    /// Returns the row's group, without its number.
    #[must_use]
    pub fn group(&self) -> Self {
        Self { count: None, suppressed: false, ..self.clone() }
    }

    /// Returns the columns it has, in their order.
    pub fn columns(&self) -> Vec<Column> {
        [
            (Column::Jurisdiction, self.jurisdiction.is_some()),
            (Column::OccurrenceYear, self.occurrence_year.is_some()),
            (Column::Age, self.age.is_some()),
            (Column::Sex, self.sex.is_some()),
            (Column::VaccineType, self.vaccine_type.is_some()),
            (Column::VaccineCode, self.vaccine_code.is_some()),
            (Column::Dose, self.dose.is_some()),
            (Column::DoseLabel, self.dose_label.is_some()),
        ]
        .into_iter()
        .filter_map(|(column, is_there)| is_there.then_some(column))
        .collect()
    }

    /// Writes a number into the row; `None` hides it.
    #[must_use]
    pub fn counting(mut self, count: Option<u64>) -> Self {
        self.count = count;
        self.suppressed = count.is_none();
        self
    }
}

/// Reads a member that is there, `null` or not; `default` stands for one that is not.
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(value: D) -> Result<Option<T>, D::Error> {
    T::deserialize(value).map(Some)
}
