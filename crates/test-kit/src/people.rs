//! People for tests, each of them new: nobody else has the name, the birth date and the number.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use fhir_client::FhirServer;
use serde_json::{Value, json};
use uuid::Uuid;

/// The naming system of Ontario's health numbers.
pub const ON_NUMBERS: &str = "https://fhir.infoway-inforoute.ca/NamingSystem/ca-on-patient-hcn";
/// The naming system of British Columbia's health numbers.
pub const BC_NUMBERS: &str = "https://fhir.infoway-inforoute.ca/NamingSystem/ca-bc-patient-healthcare-id";

static NEXT: AtomicU64 = AtomicU64::new(0);

/// A person and their record, to be changed before it is uploaded.
#[derive(Debug, Clone)]
pub struct Person {
    /// The Patient.
    pub patient: Value,
    /// Everything else.
    pub resources: Vec<Value>,
}

impl Person {
    /// Makes a person with an Ontario number and no doses.
    pub fn new() -> Self {
        let unique = Uuid::new_v4().simple().to_string();
        let count = NEXT.fetch_add(1, Ordering::Relaxed);
        let year = 1930 + (Uuid::new_v4().as_u128() % 60);
        let patient = json!({
            "resourceType": "Patient",
            "id": format!("t-{unique}"),
            "identifier": [{
                "type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "JHN"}]},
                "system": ON_NUMBERS,
                "value": ontario_number(),
            }],
            "name": [{"use": "official", "family": format!("Épreuve{unique}"), "given": [format!("Zoé{count}")]}],
            "gender": "female",
            "birthDate": format!("{year}-0{}-1{}", 1 + count % 9, count % 10),
        });
        Self { patient, resources: Vec::new() }
    }

    /// Adds `count` doses of different dates, all in January 2001 and later.
    #[must_use]
    pub fn doses(mut self, count: usize) -> Self {
        for n in 0..count {
            let day = 1 + n % 28;
            let month = 1 + (n / 28) % 12;
            let year = 2001 + n / (28 * 12);
            self = self.dose(&format!("{year}-{month:02}-{day:02}"), "03");
        }
        self
    }

    /// Adds a completed dose of a CVX code.
    #[must_use]
    pub fn dose(mut self, date: &str, cvx: &str) -> Self {
        let dose = json!({
            "resourceType": "Immunization",
            "id": format!("t-{}", Uuid::new_v4().simple()),
            "status": "completed",
            "vaccineCode": {"coding": [{"system": "http://hl7.org/fhir/sid/cvx", "code": cvx}]},
            "patient": {"reference": format!("Patient/{}", self.id())},
            "occurrenceDateTime": date,
            "primarySource": true,
        });
        self.resources.push(dose);
        self
    }

    /// Adds an allergy.
    #[must_use]
    pub fn allergy(mut self) -> Self {
        self.resources.push(json!({
            "resourceType": "AllergyIntolerance",
            "id": format!("t-{}", Uuid::new_v4().simple()),
            "clinicalStatus": {"coding": [{
                "system": "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical", "code": "active"}]},
            "code": {"text": "Arachides (noix) — œuf"},
            "patient": {"reference": format!("Patient/{}", self.id())},
        }));
        self
    }

    /// Changes the last resource that was added.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn with(mut self, element: &str, value: Value) -> Self {
        let last = self.resources.last_mut().expect("a resource to change");
        last[element] = value;
        self
    }

    /// Returns the Patient's id.
    pub fn id(&self) -> String {
        self.patient["id"].as_str().unwrap_or_default().to_owned()
    }

    /// Returns the id of the resource added at this place.
    pub fn resource_id(&self, at: usize) -> String {
        self.resources[at]["id"].as_str().unwrap_or_default().to_owned()
    }

    /// Writes the person to a FHIR server.
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn upload(&self, fhir: &FhirServer) {
        let all: Vec<&Value> = std::iter::once(&self.patient).chain(&self.resources).collect();
        for some in all.chunks(200) {
            let some: Vec<Value> = some.iter().map(|&resource| resource.clone()).collect();
            put_all(fhir, &some).await;
        }
    }
}

impl Default for Person {
    fn default() -> Self {
        Self::new()
    }
}

/// Writes resources to a FHIR server, under their own ids.
///
/// # Panics
/// When the server refuses.
pub async fn put_all(fhir: &FhirServer, resources: &[Value]) {
    let entry = |resource: &Value| {
        let url = format!(
            "{}/{}",
            resource["resourceType"].as_str().unwrap_or_default(),
            resource["id"].as_str().unwrap_or_default()
        );
        json!({"resource": resource, "request": {"method": "PUT", "url": url}})
    };
    let entries: Vec<Value> = resources.iter().map(entry).collect();
    let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": entries});
    fhir.transaction(Bytes::from(bundle.to_string())).await.expect("the FHIR server takes the fixture");
}

/// Deletes resources (`Type/id`) in one transaction.
///
/// # Panics
/// When the server refuses.
pub async fn delete_all(fhir: &FhirServer, urls: &[String]) {
    let entries: Vec<Value> =
        urls.iter().map(|url| json!({"request": {"method": "DELETE", "url": url}})).collect();
    let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": entries});
    // A deletion has no location in its answer: only a refusal counts.
    match fhir.transaction(Bytes::from(bundle.to_string())).await {
        Ok(_) | Err(fhir_client::FhirError::Unreadable { .. }) => {}
        Err(error) => panic!("the FHIR server does not delete the fixture: {error}"),
    }
}

/// Draws a valid Ontario number: ten digits, the first not 0, the last by Luhn.
pub fn ontario_number() -> String {
    let mut digits: Vec<u32> = std::iter::once(1 + random(9)).chain((0..8).map(|_| random(10))).collect();
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(at, &digit)| {
            let doubled = if at % 2 == 0 { digit * 2 } else { digit };
            doubled / 10 + doubled % 10
        })
        .sum();
    digits.push((10 - sum % 10) % 10);
    digits.iter().map(ToString::to_string).collect()
}

/// Draws a valid British Columbia number: 9, then eight digits, the last by modulus 11.
pub fn british_columbia_number() -> String {
    const WEIGHTS: [u32; 8] = [2, 4, 8, 5, 10, 9, 7, 3];
    loop {
        let digits: Vec<u32> = (0..8).map(|_| random(10)).collect();
        let sum: u32 = digits.iter().zip(WEIGHTS).map(|(digit, weight)| digit * weight % 11).sum();
        let check = (11 - sum % 11) % 11;
        if check < 10 {
            let body: String = digits.iter().map(ToString::to_string).collect();
            return format!("9{body}{check}");
        }
    }
}

fn random(below: u32) -> u32 {
    u32::try_from(Uuid::new_v4().as_u128() % u128::from(below)).unwrap_or_default()
}
