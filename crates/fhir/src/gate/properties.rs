//! The gate against what nobody thought of: arbitrary and mutated documents, and generated valid ones.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use serde_json::{Map, Value, json};

use super::{Limits, check_bundle, check_resource, parse};
use crate::rules::check_package;

/// JSON with member names that mean something to the gate.
fn arbitrary_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-zA-Z0-9:/#._ é<>&-]{0,12}".prop_map(Value::from),
        prop::sample::select(WORDS).prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 6, |inner| {
        let member = (prop::sample::select(WORDS), inner.clone());
        prop_oneof![
            vec(inner, 0..4).prop_map(Value::from),
            vec(member, 0..8).prop_map(|members| {
                Value::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
            }),
        ]
    })
}

const WORDS: &[&str] = &[
    "resourceType",
    "Bundle",
    "Patient",
    "Immunization",
    "Provenance",
    "entry",
    "resource",
    "fullUrl",
    "type",
    "collection",
    "contained",
    "id",
    "meta",
    "extension",
    "_birthDate",
    "birthDate",
    "name",
    "_given",
    "given",
    "reference",
    "patient",
    "identifier",
    "system",
    "value",
    "text",
    "div",
    "vaccineCode",
    "coding",
    "code",
    "occurrenceDateTime",
    "protocolApplied",
    "doseNumberPositiveInt",
    "valueQuantity",
    "url",
    "#a",
    "urn:uuid:1",
    "modifierExtension",
    "link",
    "other",
    "2020-02-30",
    "status",
    "completed",
    "<div>",
    "period",
    "start",
    "end",
];

/// A Patient that R4 allows, in many shapes.
fn valid_patient() -> impl Strategy<Value = Value> {
    let text = "[a-zéèA-Z' -]{0,10}[a-z]";
    let date = prop_oneof!["19[0-9]{2}", "19[0-9]{2}-0[1-9]", "19[0-9]{2}-1[0-2]-[0-2][1-8]"];
    let name =
        (text, prop::option::of(vec(text, 1..3)), prop::sample::select(&["official", "old", "usual"][..]));
    let name = name.prop_map(|(family, given, name_use)| match given {
        Some(given) => json!({"family": family, "given": given, "use": name_use}),
        None => json!({"text": family, "use": name_use}),
    });
    let extension = prop_oneof![
        (-1.0e6..1.0e6).prop_map(|n: f64| json!({"url": "http://a.example/e", "valueDecimal": n})),
        text.prop_map(|s| json!({"url": "http://a.example/e", "valueString": s})),
        text.prop_map(
            |s| json!({"url": "http://a.example/e", "extension": [{"url": "in", "valueMarkdown": s}]})
        ),
    ];
    let gender = prop::sample::select(&["male", "female", "other", "unknown"][..]);
    (vec(name, 1..3), prop::option::of(date), gender, vec(extension, 1..4), any::<bool>()).prop_map(
        |(names, date, gender, extensions, active)| {
            let mut patient = json!({"resourceType": "Patient", "name": names, "gender": gender,
                "extension": extensions.clone(), "active": active});
            match date {
                Some(date) => patient["birthDate"] = json!(date),
                None => patient["_birthDate"] = json!({"extension": extensions}),
            }
            patient
        },
    )
}

fn valid_immunization() -> impl Strategy<Value = Value> {
    let zone = prop::sample::select(&["Z", "-05:00", "+13:45"][..]);
    let time = (
        "20[0-2][0-9]-0[1-9]-[0-2][1-8]T[01][0-9]:[0-5][0-9]:[0-5][0-9]",
        prop::option::of("\\.[0-9]{1,6}"),
        zone,
    );
    let time =
        time.prop_map(|(start, fraction, zone)| format!("{start}{}{zone}", fraction.unwrap_or_default()));
    let status = prop::sample::select(&["completed", "not-done", "entered-in-error"][..]);
    (status, "[0-9]{2,3}", time, 1..20_i32, 0..10_u8, 0..1000_u16).prop_map(
        |(status, cvx, time, dose, whole, rest)| {
            // Written out, so that trailing zeros occur.
            let amount: Value = serde_json::from_str(&format!("{whole}.{rest:03}")).unwrap();
            json!({"resourceType": "Immunization", "status": status, "patient": {"reference": "Patient/1"},
            "vaccineCode": {"coding": [{"system": "http://hl7.org/fhir/sid/cvx", "code": cvx}]},
            "occurrenceDateTime": time, "protocolApplied": [{"doseNumberPositiveInt": dose}],
            "doseQuantity": {"value": amount, "unit": "mL"}})
        },
    )
}

/// Puts `value` where the `place`th value of the document stands.
fn replace(document: &mut Value, place: &mut usize, value: &Value) {
    if *place == 0 {
        *document = value.clone();
        *place = usize::MAX;
        return;
    }
    *place = place.saturating_sub(usize::from(*place != usize::MAX));
    match document {
        Value::Object(object) => object.values_mut().for_each(|member| replace(member, place, value)),
        Value::Array(list) => list.iter_mut().for_each(|item| replace(item, place, value)),
        _ => {}
    }
}

fn bundle(resources: Vec<Value>) -> Value {
    let entry = |(n, resource): (usize, Value)| json!({"fullUrl": format!("urn:uuid:00000000-0000-0000-0000-{n:012}"), "resource": resource});
    json!({"resourceType": "Bundle", "type": "collection",
        "entry": resources.into_iter().enumerate().map(entry).collect::<Vec<_>>()})
}

/// Everything that looks at an arriving document.
fn look_at(document: &Value) {
    let _ = check_resource(document);
    let _ = check_bundle(document, &Limits::default());
    let _ = check_package(document, "2026-01-01T00:00:00Z".parse().unwrap());
}

/// The same cases on every run.
fn config() -> ProptestConfig {
    ProptestConfig { rng_seed: RngSeed::Fixed(4), failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in vec(any::<u8>(), 0..200)) {
        let _ = parse(&bytes, &Limits::default());
    }

    #[test]
    fn json_like_text_never_panics_and_is_read_as_serde_json_reads_it(
        text in "[\\[\\]{}\",:0-9a-fnrtulse\\\\ .+-]{0,40}",
    ) {
        if let Ok(read) = parse(text.as_bytes(), &Limits::default()) {
            prop_assert_eq!(read, serde_json::from_str::<Value>(&text).unwrap());
        }
    }

    #[test]
    fn arbitrary_json_never_panics(document in arbitrary_json()) {
        look_at(&document);
        if let Ok(read) = parse(document.to_string().as_bytes(), &Limits::default()) {
            prop_assert_eq!(read, document);
        }
    }

    #[test]
    fn valid_resources_pass(patient in valid_patient(), dose in valid_immunization()) {
        let bundle = bundle(vec![patient, dose]);
        let bytes = bundle.to_string();
        let read = parse(bytes.as_bytes(), &Limits::default()).unwrap();
        prop_assert_eq!(&read, &bundle);
        prop_assert_eq!(check_bundle(&read, &Limits::default()), []);
    }

    #[test]
    fn mutated_bundles_never_panic(
        patient in valid_patient(),
        dose in valid_immunization(),
        changes in vec((0_usize..60, arbitrary_json()), 1..4),
    ) {
        let mut bundle = bundle(vec![patient, dose]);
        for (place, value) in changes {
            replace(&mut bundle, &mut place.clone(), &value);
        }
        look_at(&bundle);
    }

    #[test]
    fn mutated_bytes_never_panic(patient in valid_patient(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = patient.to_string().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(read) = parse(&bytes, &Limits::default()) {
            look_at(&read);
        }
    }
}

#[test]
fn a_tree_deeper_than_any_document_is_checked_without_overflow() {
    let mut extension = json!({"url": "x", "valueCode": "y"});
    for _ in 0..400 {
        extension = json!({"url": "x", "extension": [extension]});
    }
    let mut patient = Map::new();
    patient.insert("resourceType".into(), json!("Patient"));
    patient.insert("extension".into(), json!([extension]));
    let issues = check_resource(&Value::Object(patient));
    assert_eq!(issues.len(), 1);
}
