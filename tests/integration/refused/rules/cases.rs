//! One way to break a package for each rule, and its twin that is right.

use serde_json::{Value, json};

const ORIGINS: &str = "https://iidi.phac-aspc.gc.ca/fhir/NamingSystem/origin-record";
const BC: &str = test_kit::people::BC_NUMBERS;

/// A way to break a package: the rule, the JSON pointer, what stands there, what is wrong at which place.
pub struct Case {
    pub rule: u8,
    pub at: &'static str,
    pub wrong: Value,
    /// What is right there instead; null: what stood there, or nothing.
    pub right: Value,
    /// The place that the refusal names, without `Bundle.`.
    pub place: &'static str,
}

fn case(rule: u8, at: &'static str, wrong: Value, right: Value, place: &'static str) -> Case {
    Case { rule, at, wrong, right, place }
}

/// The entries: 0 patient, 1 and 2 doses (in the order of their URLs), 3 allergy, 4 clinic.
const NULL: Value = Value::Null;

#[expect(clippy::too_many_lines, reason = "a table")]
pub fn cases() -> Vec<Case> {
    let extension = json!([{"url": "https://a.example/x", "valueBoolean": true}]);
    let urn = |last: u8| format!("urn:uuid:00000000-0000-4000-8000-0000000000{last:02}");
    let resource = |value: Value| json!({"fullUrl": urn(1), "resource": value});
    let origin = |value: &str| json!([{"system": ORIGINS, "value": value}]);
    let second = json!({"resourceType": "Patient", "identifier": origin("ON/Patient/second"), "gender": "male",
        "name": [{"family": "X"}], "birthDate": "1990-01-01"});
    let lone = json!({"resourceType": "Observation", "identifier": origin("ON/Observation/lone"), "status": "final",
        "code": {"text": "x"}});
    let task = json!({"resourceType": "Encounter", "identifier": origin("ON/Encounter/1"), "status": "finished",
        "class": {"code": "AMB"}});
    let contained = json!([{"resourceType": "Organization", "id": "m", "name": "M"}]);
    let cvx = |code: &str| json!({"system": "http://hl7.org/fhir/sid/cvx", "code": code});
    let snomed = |code: &str| json!({"system": "http://snomed.info/sct", "code": code});
    let dose = "entry[1].resource";
    let own = format!("ON/Immunization/{}", uuid::Uuid::new_v4());
    let number = test_kit::people::british_columbia_number();
    let (head, last) = number.split_at(number.len() - 1);
    let mistyped = format!("{head}{}", (last.parse::<u8>().expect("a digit") + 1) % 10);
    let mut all: Vec<Case> = [
        ("document", "entry"),
        ("message", "entry"),
        ("transaction", "entry[0].request"),
        ("transaction-response", "entry[0].response"),
        ("batch", "entry[0].request"),
        ("batch-response", "entry[0].response"),
        ("history", "entry[0].request"),
        ("searchset", "type"),
        ("nonsense", "type"),
    ]
    .into_iter()
    .map(|(kind, place)| case(5, "/type", json!(kind), NULL, place))
    .collect();
    all.extend([
        case(5, "/type", NULL, NULL, "type"),
        case(5, "/entry", NULL, NULL, "entry"),
        case(5, "/entry/1/resource", NULL, NULL, "entry[1]"),
        case(5, "/entry/1/fullUrl", NULL, NULL, "entry[1].fullUrl"),
        case(5, "/entry/1/fullUrl", json!("Immunization/1"), json!(urn(9)), "entry[1].fullUrl"),
        case(
            5,
            "/entry/1/fullUrl",
            json!("https://x.example/Immunization/1/_history/2"),
            json!("https://x.example/Immunization/1"),
            "entry[1].fullUrl",
        ),
        case(5, "/total", json!(5), NULL, "total"),
        case(5, "/entry/1/search", json!({"mode": "match"}), NULL, "entry[1].search"),
        case(4, "/entry/1/resource/resourceType", json!("Immunisation"), NULL, dose),
        case(4, "/entry/1/resource/occurrence", json!("2010"), NULL, "entry[1].resource.occurrence"),
        case(4, "/entry/1/resource/lotNumber", json!(7), json!("7"), "entry[1].resource.lotNumber"),
        case(
            4,
            "/entry/0/resource/name",
            json!({"family": "X"}),
            json!([{"family": "X"}]),
            "entry[0].resource.name",
        ),
        case(6, "/entry/0", resource(lone.clone()), NULL, "entry"),
        case(6, "/entry/9", resource(second), NULL, "entry"),
        case(6, "/entry/9", resource(lone), NULL, "entry[5].resource"),
        case(6, "/entry/9", resource(task), NULL, "entry[5].resource"),
        case(7, "/entry/1/resource/status", NULL, NULL, "entry[1].resource.status"),
        case(7, "/entry/1/resource/status", json!("given"), json!("not-done"), "entry[1].resource.status"),
        case(7, "/entry/1/resource/vaccineCode", NULL, NULL, "entry[1].resource.vaccineCode"),
        case(7, "/entry/1/resource/patient", NULL, NULL, "entry[1].resource.patient"),
        case(7, "/entry/1/resource/occurrenceDateTime", NULL, NULL, "entry[1].resource.occurrence"),
        case(7, "/entry/1/resource/occurrenceString", json!("once"), NULL, "entry[1].resource.occurrence"),
        case(
            7,
            "/entry/1/resource/protocolApplied",
            json!([{"series": "s"}]),
            json!([{"doseNumberPositiveInt": 1}]),
            "entry[1].resource.protocolApplied[0].doseNumber",
        ),
        case(
            7,
            "/entry/1/resource/protocolApplied",
            json!([{"doseNumberPositiveInt": 0}]),
            json!([{"doseNumberString": "0"}]),
            "entry[1].resource.protocolApplied[0].doseNumberPositiveInt",
        ),
        case(
            7,
            "/entry/1/resource/performer",
            json!([{"function": {"text": "x"}}]),
            json!([{"actor": {"display": "x"}}]),
            "entry[1].resource.performer[0].actor",
        ),
        case(
            7,
            "/entry/1/resource/education",
            json!([{"publicationDate": "2010"}]),
            json!([{"documentType": "x"}]),
            "entry[1].resource.education[0]",
        ),
        case(
            8,
            "/entry/1/resource/occurrenceDateTime",
            json!("2010-3-4"),
            json!("2010-03-04"),
            "entry[1].resource.occurrenceDateTime",
        ),
        case(
            8,
            "/entry/1/resource/occurrenceDateTime",
            json!("2010-03-04T10:00"),
            json!("2010-03-04T10:00:00-05:00"),
            "entry[1].resource.occurrenceDateTime",
        ),
        case(
            8,
            "/entry/1/resource/occurrenceDateTime",
            json!("2010-02-30"),
            json!("2010-02-28"),
            "entry[1].resource.occurrenceDateTime",
        ),
        case(
            8,
            "/entry/1/resource/occurrenceDateTime",
            json!("2199-01-01"),
            json!("2010"),
            "entry[1].resource.occurrenceDateTime",
        ),
        case(
            8,
            "/entry/1/resource/occurrenceDateTime",
            json!("1899-01-01"),
            json!("2010-03"),
            "entry[1].resource.occurrenceDateTime",
        ),
        case(
            8,
            "/entry/0/resource/deceasedDateTime",
            json!("2000-01-01"),
            json!("2020-01-01"),
            "entry[1].resource.occurrenceDateTime",
        ),
        case(
            10,
            "/entry/1/resource/patient/reference",
            json!("Patient/other"),
            NULL,
            "entry[1].resource.patient.reference",
        ),
        case(
            10,
            "/entry/1/resource/patient/reference",
            json!("https://x.example/fhir/Patient/1"),
            NULL,
            "entry[1].resource.patient.reference",
        ),
        case(
            10,
            "/entry/1/resource/patient/reference",
            json!(urn(77)),
            NULL,
            "entry[1].resource.patient.reference",
        ),
        case(10, "/entry/1/resource/patient", json!({"display": "x"}), NULL, "entry[1].resource.patient"),
        case(
            10,
            "/entry/1/resource/encounter",
            json!({"reference": "Encounter/5"}),
            json!({"identifier": {"system": "s:s", "value": "5"}}),
            "entry[1].resource.encounter.reference",
        ),
        case(
            11,
            "/entry/1/resource/manufacturer",
            json!({"reference": "#m"}),
            json!({"display": "M"}),
            "entry[1].resource.manufacturer.reference",
        ),
        case(11, "/entry/1/resource/contained", contained, NULL, "entry[1].resource.contained[0]"),
        case(
            11,
            "/entry/3/resource/contained",
            json!([{"resourceType": "Organization", "id": "m", "contained": [{"resourceType": "Patient", "id": "n"}]}]),
            NULL,
            "entry[3].resource.contained[0].contained",
        ),
        case(
            11,
            "/entry/3/resource/contained",
            json!([{"resourceType": "Organization", "id": "m", "meta": {"versionId": "1"}}]),
            NULL,
            "entry[3].resource.contained[0].meta.versionId",
        ),
        case(
            12,
            "/entry/1/resource/modifierExtension",
            extension.clone(),
            NULL,
            "entry[1].resource.modifierExtension",
        ),
        case(
            12,
            "/entry/0/resource/name/0/extension",
            json!([{"url": "x y"}]),
            extension.clone(),
            "entry[0].resource.name[0].extension[0]",
        ),
        case(
            12,
            "/entry/1/resource/implicitRules",
            json!("https://a.example/r"),
            NULL,
            "entry[1].resource.implicitRules",
        ),
        case(12, "/implicitRules", json!("https://a.example/r"), NULL, "implicitRules"),
        case(13, "/entry/3/resource/clinicalStatus", NULL, NULL, "entry[3].resource.clinicalStatus"),
        case(
            15,
            "/entry/1/resource/vaccineCode",
            json!({"coding": [{"display": "MMR"}]}),
            json!({"text": "MMR"}),
            "entry[1].resource.vaccineCode",
        ),
        case(
            16,
            "/entry/1/resource/vaccineCode",
            json!({"coding": [cvx("03"), snomed("28441000087100")]}),
            json!({"coding": [cvx("21"), snomed("28441000087100")]}),
            "entry[1].resource.vaccineCode",
        ),
        case(
            17,
            "/entry/0/resource/identifier/0/value",
            json!("1234567890"),
            json!("1234567897"),
            "entry[0].resource.identifier[0].value",
        ),
        case(
            17,
            "/entry/0/resource/identifier/0",
            json!({"system": BC, "value": mistyped}),
            json!({"system": BC, "value": number}),
            "entry[0].resource.identifier[0].value",
        ),
        case(
            17,
            "/entry/0/resource/identifier/0/system",
            json!("https://a.example/numbers"),
            NULL,
            "entry[0].resource.identifier[0].system",
        ),
        case(23, "/entry/1/resource/identifier", NULL, NULL, "entry[1].resource.identifier"),
        case(
            23,
            "/entry/1/resource/identifier",
            json!([{"system": "s:s", "value": "1"}]),
            origin(&own),
            "entry[1].resource.identifier",
        ),
        case(
            23,
            "/entry/1/resource/identifier",
            origin("ON/Patient/1"),
            origin(&own),
            "entry[1].resource.identifier[0]",
        ),
        case(
            23,
            "/entry/1/resource/identifier",
            origin("on/Immunization/1"),
            origin(&own),
            "entry[1].resource.identifier[0]",
        ),
    ]);
    all
}
