//! By which rules a record becomes a fact.
//!
//! Facts keep what the rules said of a record, not the record. So the rules have a version, which stands beside the facts
//! and beside each series: under other rules everything is read anew before there is another release, and the next
//! release begins a new series, on an operator's word.

use std::sync::LazyLock;

use contracts::dictionary::{AGE_GROUPS, SEXES};
use contracts::release::{AGE_BASIS, CONTRACT_VERSION};
use sha2::{Digest, Sha256};

/// Raised by one with every change of the program's text by which the same record becomes another fact: `count.rs`,
/// `pseudonym.rs`, what they use of `fhir`. The tables count by themselves; a test below holds what this number means.
const PROGRAM: u32 = 1;

static VERSION: LazyLock<String> = LazyLock::new(|| {
    let mut tables = Sha256::new();
    for part in [CONTRACT_VERSION, AGE_BASIS, fhir::terminology::GENERICS].into_iter().chain(SEXES) {
        tables.update(part);
        tables.update([0]);
    }
    for group in AGE_GROUPS {
        tables.update(format!("{} {} {:?};", group.en, group.from_years, group.below_years));
    }
    format!("{PROGRAM}-{}", &hex::encode(tables.finalize())[..16])
});

/// Returns the version of the rules: the program's number, and a digest of the tables of vaccines and age groups.
pub fn version() -> &'static str {
    &VERSION
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use domain::Jurisdiction;
    use serde_json::{Value, json};

    use super::*;
    use crate::count;
    use crate::pseudonym::Pseudonyms;

    /// Records of all kinds, and what becomes of each.
    fn what_becomes_of_records() -> String {
        let on = Jurisdiction::parse("ON").unwrap();
        let snomed = |code: &str| json!({"coding": [{"system": "http://snomed.info/sct", "code": code}]});
        let cvx = |code: &str| json!({"coding": [{"system": "http://hl7.org/fhir/sid/cvx", "code": code}]});
        let changes = [
            json!({}),
            json!({"status": "not-done"}),
            json!({"status": "entered-in-error"}),
            json!({"status": null}),
            json!({"primarySource": false}),
            json!({"identifier": [{"system": fhir::ORIGIN_SYSTEM, "value": "BC/Immunization/1"}]}),
            json!({"identifier": [{"system": fhir::ORIGIN_SYSTEM, "value": "ON/Immunization/1"}]}),
            json!({"vaccineCode": cvx("03")}),
            json!({"vaccineCode": cvx("998")}),
            json!({"vaccineCode": {"text": "measles"}}),
            json!({"occurrenceDateTime": "2019"}),
            json!({"occurrenceDateTime": "2019-06-30T22:00:00-08:00"}),
            json!({"occurrenceDateTime": "1019-07-01"}),
            json!({"occurrenceDateTime": "2092-07-01"}),
            json!({"protocolApplied": [{"doseNumberPositiveInt": 1}, {"doseNumberPositiveInt": 2}]}),
            json!({"protocolApplied": [{"doseNumberString": "2"}]}),
            json!({"protocolApplied": [{"doseNumberString": "second"}]}),
        ];
        let mut said = String::new();
        for change in changes {
            let mut record = json!({"id": "d", "status": "completed", "vaccineCode": snomed("871831003"),
                "patient": {"reference": "Patient/p"}, "occurrenceDateTime": "2019-07-01", "primarySource": true});
            for (name, value) in change.as_object().unwrap() {
                record[name] = value.clone();
            }
            let dose = count::dose(&record, &on, 2026).unwrap();
            let year = count::year(&dose.occurrence);
            let ages =
                ["2018-05-06", "2018", "2012-07-02", ""].map(|b| count::age_group(b, &dose.occurrence));
            let reason = dose.reason.unwrap_or("counted");
            let _ = writeln!(said, "{reason}: {year:?} {ages:?} {} {}", dose.vaccine, dose.dose);
        }
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        std::fs::write(&file, "0123456789abcdef0123456789abcdef").unwrap();
        let pseudonyms = Pseudonyms::load(&file).unwrap();
        let system = "https://fhir.infoway-inforoute.ca/NamingSystem/ca-on-patient-hcn";
        for numbers in [json!([]), json!([{"system": system, "value": "1000 000 008"}])] {
            let patient: Value = json!({"id": "p", "identifier": numbers});
            let _ = writeln!(said, "{}", pseudonyms.of_patient(&patient));
        }
        let genders = ["female", "male", "other", "unknown", "F"].map(|gender| count::sex(Some(gender)));
        let _ = writeln!(said, "{genders:?}");
        said
    }

    #[test]
    fn where_the_same_records_become_other_facts_the_program_has_another_number() {
        let said = what_becomes_of_records();
        let digest = hex::encode(Sha256::digest(&said));
        assert_eq!(
            (PROGRAM, &digest[..16]),
            (1, "c725cd4f8b69b1ba"),
            "these rules are others: raise PROGRAM, then put down number and digest here\n{said}"
        );
    }
}
