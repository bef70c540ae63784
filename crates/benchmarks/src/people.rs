//! People shaped as Synthea makes them: a Patient of about 2 kB, 6 to 18 doses of about 700 bytes, an allergy now and
//! then. No two share a name, a number or a birth date with a name.

use fhir_client::FhirServer;
use serde_json::{Value, json};

/// Different sizes of records; person n has the shape n modulo this.
pub const SHAPES: usize = 7;

/// Vaccines of Synthea's exports, by CVX code.
const VACCINES: [(&str, &str); 6] = [
    ("140", "Influenza, seasonal, injectable, preservative free"),
    ("62", "HPV, quadrivalent"),
    ("114", "meningococcal MCV4P"),
    ("03", "MMR"),
    ("113", "Td (adult), 5 Lf tetanus toxoid, preservative free, adsorbed"),
    ("21", "varicella"),
];

/// What is different from person to person; everything else follows from the shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Stands in every id and in the name.
    pub token: String,
    /// A valid Ontario number.
    pub number: String,
    /// The birth date.
    pub birth_date: String,
    shape: usize,
}

impl Person {
    /// Makes person `n` of a run; runs differ, so that one server can see several.
    pub fn new(run: u32, n: usize) -> Self {
        Self {
            token: format!("{run:08x}{n:06}"),
            number: ontario_number(run, n),
            birth_date: format!("{}-{:02}-{:02}", 1940 + n % 59, 1 + n % 12, 1 + n % 28),
            shape: n % SHAPES,
        }
    }

    /// Returns the Patient's id.
    pub fn id(&self) -> String {
        format!("b-{}", self.token)
    }

    /// Returns the whole record, the Patient first.
    pub fn record(&self) -> Vec<Value> {
        let doses = 6 + 2 * self.shape;
        let mut record = vec![self.patient()];
        record.extend((0..doses).map(|n| self.dose(n)));
        if self.shape.is_multiple_of(3) {
            record.push(self.allergy());
        }
        record
    }

    fn patient(&self) -> Value {
        let Self { token, number, birth_date, .. } = self;
        json!({
            "resourceType": "Patient",
            "id": self.id(),
            "extension": [
                {"url": "http://hl7.org/fhir/StructureDefinition/patient-mothersMaidenName",
                    "valueString": format!("Mère{token}")},
                {"url": "http://hl7.org/fhir/StructureDefinition/patient-birthPlace",
                    "valueAddress": {"city": "Thunder Bay", "state": "ON", "country": "CA"}},
            ],
            "identifier": [
                {"system": "https://github.com/synthetichealth/synthea", "value": format!("s-{token}")},
                {"type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR",
                    "display": "Medical Record Number"}], "text": "Medical Record Number"},
                    "system": "http://hospital.smarthealthit.org", "value": format!("m-{token}")},
                {"type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "JHN",
                    "display": "Jurisdictional health number"}], "text": "Jurisdictional health number"},
                    "system": test_kit::people::ON_NUMBERS, "value": number},
            ],
            "name": [{"use": "official", "family": format!("Épreuve{token}"), "given": ["Zoé", "Marie"],
                "prefix": ["Mme"]}],
            "telecom": [{"system": "phone", "value": "555-555-0100", "use": "home"}],
            "gender": "female",
            "birthDate": birth_date,
            "address": [{"line": ["1 rue Principale"], "city": "Thunder Bay", "state": "ON", "postalCode": "P7A 0A1",
                "country": "CA"}],
            "maritalStatus": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-MaritalStatus",
                "code": "M", "display": "Married"}], "text": "Married"},
            "communication": [{"language": {"coding": [{"system": "urn:ietf:bcp:47", "code": "fr-CA"}],
                "text": "French"}}],
        })
    }

    fn dose(&self, n: usize) -> Value {
        let (code, display) = VACCINES[n % VACCINES.len()];
        json!({
            "resourceType": "Immunization",
            "id": format!("i-{}-{n:02}", self.token),
            "status": "completed",
            "vaccineCode": {"coding": [{"system": "http://hl7.org/fhir/sid/cvx", "code": code, "display": display}],
                "text": display},
            "patient": {"reference": format!("Patient/{}", self.id())},
            "occurrenceDateTime": format!("{}-{:02}-1{}T01:16:46-04:00", 2001 + n, 1 + n % 12, n % 10),
            "primarySource": true,
            "location": {"display": "WILLIAMS MEDICAL GROUP PRACTICE LLC"},
        })
    }

    fn allergy(&self) -> Value {
        json!({
            "resourceType": "AllergyIntolerance",
            "id": format!("a-{}", self.token),
            "clinicalStatus": {"coding": [{
                "system": "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical", "code": "active"}]},
            "verificationStatus": {"coding": [{
                "system": "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification",
                "code": "confirmed"}]},
            "type": "allergy", "category": ["food"], "criticality": "low",
            "code": {"text": "Allergy to peanuts"},
            "patient": {"reference": format!("Patient/{}", self.id())},
            "recordedDate": "2001-07-01T01:16:46-04:00",
        })
    }
}

/// Writes people to a FHIR server, a few at a time.
pub async fn upload(fhir: &FhirServer, people: &[Person]) {
    use futures::StreamExt;
    let writes = people.chunks(5).map(|some| {
        let resources: Vec<Value> = some.iter().flat_map(Person::record).collect();
        async move { test_kit::people::put_all(fhir, &resources).await }
    });
    futures::stream::iter(writes).buffer_unordered(8).collect::<Vec<()>>().await;
}

/// Nine digits from run and number, and a tenth by Luhn.
fn ontario_number(run: u32, n: usize) -> String {
    let mixed = u64::from(run % 900) * 1_000_000 + n as u64 % 1_000_000;
    let body = format!("{}", 100_000_000 + mixed % 900_000_000);
    let sum: u32 = body.chars().rev().enumerate().fold(0, |sum, (at, digit)| {
        let doubled = digit.to_digit(10).unwrap_or_default() * if at % 2 == 0 { 2 } else { 1 };
        sum + doubled / 10 + doubled % 10
    });
    format!("{body}{}", (10 - sum % 10) % 10)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn nobody_shares_a_number_with_somebody() {
        let numbers: BTreeSet<_> = (0..5000).map(|n| ontario_number(7, n)).collect();
        assert_eq!(numbers.len(), 5000);
        assert!(numbers.iter().all(|number| number.len() == 10));
    }

    #[test]
    fn records_have_7_to_20_resources() {
        let sizes: BTreeSet<_> = (0..SHAPES).map(|n| Person::new(1, n).record().len()).collect();
        assert_eq!((sizes.first(), sizes.last()), (Some(&8), Some(&20)));
    }
}
