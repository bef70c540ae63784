//! The finest table as text, RFC 4180.

use super::Row;

/// The media type of the table as text.
pub const CSV: &str = "text/csv; charset=utf-8";

const HEADER: &str = "Jurisdiction,OccurrenceYear,Age,Sex,VaccineType,VaccineCode,Dose,DoseLabel,Count,Suppressed,ReferenceDate\r\n";

/// Writes rows with a line of column names; what is `null` is an empty field.
pub fn write_csv<'a>(rows: impl IntoIterator<Item = &'a Row>) -> String {
    let mut text = HEADER.to_owned();
    for row in rows {
        let fields = [
            row.jurisdiction.to_string(),
            number(row.occurrence_year),
            quoted(&row.age),
            quoted(&row.sex),
            quoted(&row.vaccine_type),
            quoted(row.vaccine_code.as_deref().unwrap_or_default()),
            number(row.dose),
            quoted(&row.dose_label),
            number(row.count),
            row.suppressed.to_string(),
            row.reference_date.map(|date| date.to_string()).unwrap_or_default(),
        ];
        text.push_str(&fields.join(","));
        text.push_str("\r\n");
    }
    text
}

fn number(value: Option<impl ToString>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

fn quoted(value: &str) -> String {
    if value.contains([',', '"', '\r', '\n']) {
        format!("\"{}\"", value.replace('"', "\"\""))
    } else {
        value.to_owned()
    }
}
