//! Who has which doses, as a FHIR server holds them: read without the services' code.

use std::collections::BTreeMap;

use fhir_client::double::FhirDouble;
use serde_json::Value;

use crate::people::NUMBERS;

/// The naming system of origin records, written out: it is not the services' constant that is judged by.
const ORIGIN_RECORD: &str = "https://iidi.phac-aspc.gc.ca/fhir/NamingSystem/origin-record";

/// A Patient with its doses.
#[derive(Debug, Clone)]
pub struct Held {
    /// The Patient.
    pub patient: Value,
    /// How often each event (date and vaccine) is recorded.
    pub doses: BTreeMap<(String, String), usize>,
}

impl Held {
    /// Tells whether the record is closed, and to which province it refers.
    pub fn closed_to(&self) -> Option<&str> {
        let link = self.patient["link"].as_array()?.iter().find(|link| link["type"] == "refer")?;
        (self.patient["active"] == false).then_some(())?;
        link["other"]["identifier"]["value"].as_str()?.split('/').next()
    }

    /// Returns the Patient's id.
    pub fn id(&self) -> &str {
        self.patient["id"].as_str().unwrap_or_default()
    }
}

/// Returns the Patients of a server by health number.
pub fn by_number(server: &FhirDouble) -> BTreeMap<String, Vec<Held>> {
    let mut doses: BTreeMap<String, BTreeMap<(String, String), usize>> = BTreeMap::new();
    for dose in server.all("Immunization") {
        let patient = dose["patient"]["reference"].as_str().unwrap_or_default().to_owned();
        *doses.entry(patient).or_default().entry(event(&dose)).or_default() += 1;
    }
    let mut people: BTreeMap<String, Vec<Held>> = BTreeMap::new();
    for patient in server.all("Patient") {
        let reference = format!("Patient/{}", patient["id"].as_str().unwrap_or_default());
        let number = identifier(&patient, NUMBERS).unwrap_or_default();
        let doses = doses.remove(&reference).unwrap_or_default();
        people.entry(number).or_default().push(Held { patient, doses });
    }
    people
}

/// Returns how often each origin record is held.
pub fn by_origin(server: &FhirDouble) -> BTreeMap<String, usize> {
    let mut held = BTreeMap::new();
    for resource_type in ["Patient", "Immunization", "AllergyIntolerance"] {
        for resource in server.all(resource_type) {
            if let Some(origin) = identifier(&resource, ORIGIN_RECORD) {
                *held.entry(origin).or_default() += 1;
            }
        }
    }
    held
}

/// Returns what a dose records: its date and its vaccine.
pub fn event(dose: &Value) -> (String, String) {
    let text = |pointer| dose.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    (text("/occurrenceDateTime"), text("/vaccineCode/coding/0/code"))
}

fn identifier(resource: &Value, system: &str) -> Option<String> {
    let found =
        resource["identifier"].as_array()?.iter().find(|identifier| identifier["system"] == system)?;
    Some(found["value"].as_str()?.to_owned())
}
