//! People and their records, small: what is tested is what becomes of them, not their size.

use domain::Jurisdiction;
use serde_json::{Value, json};

/// The naming system of Ontario's health numbers; where somebody lives does not matter here.
pub const NUMBERS: &str = "https://fhir.infoway-inforoute.ca/NamingSystem/ca-on-patient-hcn";

/// Vaccines by CVX code.
const VACCINES: [&str; 4] = ["140", "03", "113", "21"];

/// Somebody; everything about them follows from their number in the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Person(pub usize);

impl Person {
    /// Returns the Patient's id in a province that recorded the person itself.
    pub fn patient_id(self, at: &Jurisdiction) -> String {
        format!("p{}-{}", self.0, at.lower())
    }

    /// Returns the health number: ten digits, the last by Luhn.
    pub fn number(self) -> String {
        let body = format!("{}", 100_000_000 + self.0);
        let sum: u32 = body.chars().rev().enumerate().fold(0, |sum, (at, digit)| {
            let doubled = digit.to_digit(10).unwrap_or_default() * if at % 2 == 0 { 2 } else { 1 };
            sum + doubled / 10 + doubled % 10
        });
        format!("{body}{}", (10 - sum % 10) % 10)
    }

    /// Returns the Patient as a province has recorded it.
    pub fn patient(self, at: &Jurisdiction) -> Value {
        json!({
            "resourceType": "Patient",
            "id": self.patient_id(at),
            "identifier": [{
                "type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "JHN"}]},
                "system": NUMBERS, "value": self.number(),
            }],
            "name": [{"use": "official", "family": format!("Épreuve{}", self.0), "given": ["Zoé"]}],
            "gender": "female",
            "birthDate": format!("{}-{:02}-{:02}", 1940 + self.0 % 59, 1 + self.0 % 12, 1 + self.0 % 28),
        })
    }

    /// Returns the dose of this number, as a province has recorded it for the Patient of this id there. The same number
    /// is the same event, wherever it is recorded.
    pub fn dose(self, number: usize, at: &Jurisdiction, patient_id: &str) -> Value {
        json!({
            "resourceType": "Immunization",
            "id": format!("i{}-{number}-{}", self.0, at.lower()),
            "status": "completed",
            "vaccineCode": {"coding": [{
                "system": "http://hl7.org/fhir/sid/cvx", "code": VACCINES[number % VACCINES.len()]}]},
            "patient": {"reference": format!("Patient/{patient_id}")},
            "occurrenceDateTime": format!("{}-05-1{}", 2001 + number / 4, number % 4),
            "primarySource": true,
        })
    }

    /// Returns the whole record with doses of these numbers.
    pub fn record(self, at: &Jurisdiction, doses: std::ops::Range<usize>) -> Vec<Value> {
        let id = self.patient_id(at);
        let mut record = vec![self.patient(at)];
        record.extend(doses.map(|number| self.dose(number, at, &id)));
        if self.0.is_multiple_of(5) {
            record.push(json!({
                "resourceType": "AllergyIntolerance",
                "id": format!("a{}-{}", self.0, at.lower()),
                "clinicalStatus": {"coding": [{
                    "system": "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical", "code": "active"}]},
                "code": {"text": "Arachides"},
                "patient": {"reference": format!("Patient/{id}")},
            }));
        }
        record
    }

    /// Returns a record that no destination takes: a dose before birth.
    pub fn impossible_record(self, at: &Jurisdiction) -> Vec<Value> {
        let mut record = self.record(at, 0..2);
        record[1]["occurrenceDateTime"] = json!("1901-01-01");
        record
    }
}
