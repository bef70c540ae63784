use super::*;

fn on() -> Jurisdiction {
    Jurisdiction::parse("ON").unwrap()
}

fn built(record: &Record) -> Value {
    let id = TransferId::parse("0190b0c4-7d9e-7c4b-9a53-3f1f0f0b6f11").unwrap();
    let purpose = Purpose {
        here: &on(),
        id,
        destination_identifier: None,
        sealed_at: DateTime::from_timestamp(0, 0).unwrap(),
    };
    serde_json::from_slice(&build(record, purpose).bytes).unwrap()
}

fn record(patient: Value, resources: &[Value]) -> Record {
    let key =
        |r: &Value| (r["resourceType"].as_str().unwrap().to_owned(), r["id"].as_str().unwrap().to_owned());
    Record {
        patient,
        merged: BTreeSet::from(["old".to_owned()]),
        resources: resources.iter().map(|r| (key(r), r.clone())).collect(),
        arrivals: BTreeSet::new(),
    }
}

fn patient() -> Value {
    json!({"resourceType": "Patient", "id": "1", "meta": {"versionId": "4", "source": "#x"},
        "link": [{"other": {"reference": "Patient/old"}, "type": "replaces"}]})
}

fn dose(id: &str, of: &str) -> Value {
    json!({"resourceType": "Immunization", "id": id, "patient": {"reference": format!("Patient/{of}")},
        "encounter": {"reference": "Encounter/55", "display": "Visit"},
        "location": {"reference": "Location/L"}})
}

#[test]
fn a_reference_to_what_stays_behind_becomes_logical() {
    let bundle = built(&record(patient(), &[dose("a", "1")]));
    let sent = &bundle["entry"][1]["resource"];
    assert_eq!(
        sent["encounter"],
        json!({"display": "Visit", "identifier": OriginRecord::parse("ON/Encounter/55").unwrap().to_identifier()})
    );
    assert_eq!(sent["location"]["identifier"]["value"], "ON/Location/L");
}

#[test]
fn a_dose_of_a_merged_record_is_pointed_to_the_live_patient() {
    let bundle = built(&record(patient(), &[dose("a", "1"), dose("b", "old")]));
    let live = &bundle["entry"][0]["fullUrl"];
    assert_eq!(&bundle["entry"][1]["resource"]["patient"]["reference"], live);
    assert_eq!(&bundle["entry"][2]["resource"]["patient"]["reference"], live);
    assert_eq!(bundle["entry"][0]["resource"].get("link"), None);
}

#[test]
fn what_travels_with_the_dose_is_referred_to_inside_the_package() {
    let location = json!({"resourceType": "Location", "id": "L", "name": "Clinique"});
    let bundle = built(&record(patient(), &[dose("a", "1"), location]));
    assert_eq!(bundle["entry"][1]["resource"]["location"]["reference"], bundle["entry"][2]["fullUrl"]);
    assert_eq!(bundle["entry"][2]["resource"]["identifier"][0]["value"], "ON/Location/L");
}

#[test]
fn our_own_records_get_our_origin_and_copies_keep_theirs() {
    let origin = OriginRecord::parse("QC/Immunization/7").unwrap();
    let mut copy = dose(&origin.copy_id(), "1");
    add_origin(&mut copy, &origin);
    let bundle = built(&record(patient(), &[copy]));
    assert_eq!(bundle["entry"][0]["resource"]["identifier"][0]["value"], "ON/Patient/1");
    assert_eq!(bundle["entry"][1]["resource"]["identifier"].as_array().unwrap().len(), 1);
    assert_eq!(bundle["entry"][1]["fullUrl"], format!("urn:uuid:{}", origin.copy_id()));
}

#[test]
fn server_meta_and_ids_stay_behind_and_the_same_record_gives_the_same_bytes() {
    let record = record(patient(), &[dose("b", "1"), dose("a", "1")]);
    let bundle = built(&record);
    assert_eq!(bundle["entry"][0]["resource"].get("meta"), None);
    assert_eq!(bundle["entry"][0]["resource"].get("id"), None);
    assert_eq!(bundle.to_string(), built(&record).to_string());
}

#[test]
fn a_closed_patient_is_sent_as_active() {
    let mut closed = patient();
    fhir::canonical::close(&mut closed, &OriginRecord::parse("BC/Patient/9").unwrap());
    let bundle = built(&record(closed, &[]));
    assert_eq!(bundle["entry"][0]["resource"]["active"], true);
    assert_eq!(bundle["entry"][0]["resource"].get("link"), None);
}
