//! A random package, and what is recorded at its destination.

use std::collections::{BTreeMap, BTreeSet};

use domain::{Jurisdiction, TransferId};
use fhir::OriginRecord;
use fhir::canonical::content_hash;
use fhir::origin::add_origin;
use inbound_transfer::plan::Local;
use inbound_transfer::store::ReceivedRecord;
use inbound_transfer::unit::{Arriving, Unit};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

/// A package at its destination.
#[derive(Debug, Clone)]
pub struct Situation {
    pub unit: Unit,
    pub local: Local,
}

pub fn here() -> Jurisdiction {
    jurisdiction("BC")
}

fn jurisdiction(code: &str) -> Jurisdiction {
    Jurisdiction::parse(code).expect("a jurisdiction")
}

/// A string of a JSON value, empty where there is none.
pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

pub fn url(resource: &Value) -> String {
    format!("{}/{}", text(&resource["resourceType"]), text(&resource["id"]))
}

/// Everything that stands here, by URL.
pub fn by_url(local: &Local) -> BTreeMap<String, Value> {
    let all = local.resources.values().chain(&local.doses).chain(&local.patient);
    all.map(|resource| (url(resource), resource.clone())).collect()
}

/// Where a record that arrives stands here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Nowhere,
    WithThePerson,
    WithAnother,
    Deleted,
}

/// How a record that arrives is known here.
#[derive(Debug, Clone)]
struct Known {
    place: Place,
    is_corrected: bool,
    was_received: bool,
    received_from: &'static str,
}

fn known() -> impl Strategy<Value = Known> {
    let place = prop_oneof![
        15 => Just(Place::Nowhere),
        15 => Just(Place::WithThePerson),
        1 => Just(Place::WithAnother),
        1 => Just(Place::Deleted),
    ];
    (place, any::<bool>(), prop::bool::weighted(0.9), any::<bool>(), select(vec!["ON", "QC"])).prop_map(
        |(place, is_corrected, is_usual, was_received, received_from)| Known {
            place,
            is_corrected,
            // As a rule what stands here was received, and what does not was not.
            was_received: if is_usual { place != Place::Nowhere } else { was_received },
            received_from,
        },
    )
}

type Entry = (&'static str, Vec<&'static str>, Value, Known);

/// What a record says beside its subject.
fn details(resource_type: &'static str) -> impl Strategy<Value = Value> {
    let target = select(vec![
        "urn:uuid:1",
        "urn:uuid:2",
        "urn:uuid:99",
        "Organization/1",
        "https://on.example/fhir/Organization/1",
        "#in",
        "Organization?name=x",
        "nothing",
        "Patient/ours",
    ]);
    let status =
        select(vec!["completed", "completed", "completed", "completed", "not-done", "entered-in-error"]);
    let date = select(vec!["2019-05-02", "2019-05-02", "2019-05-02T10:00:00-04:00", "2019-05-12", "2018"]);
    let cvx = select(vec!["03", "03", "94", "94", "140", "21"]);
    let identifier = prop::option::weighted(0.3, select(vec!["7", "8"]));
    (status, date, cvx, prop::option::of(select(vec!["A", "B"])), target, identifier, 0..40).prop_map(
        move |(status, date, cvx, lot, target, identifier, oddity)| {
            let mut resource = match resource_type {
                "Immunization" => json!({
                    "status": status,
                    "occurrenceDateTime": date,
                    "vaccineCode": {"coding": [{"system": "http://hl7.org/fhir/sid/cvx", "code": cvx}]},
                    "performer": [{"actor": {"reference": target}}],
                }),
                "AllergyIntolerance" => json!({
                    "code": {"text": cvx},
                    "clinicalStatus": {"coding": [{"code": "active"}]},
                    "verificationStatus": {"coding": [{"code": status}]},
                    "recorder": {"reference": target, "display": "somebody"},
                }),
                _ => json!({"name": cvx, "partOf": {"reference": target}}),
            };
            resource["resourceType"] = json!(resource_type);
            if let (Some(lot), "Immunization") = (lot, resource_type) {
                resource["lotNumber"] = json!(lot);
            }
            if let Some(identifier) = identifier {
                resource["identifier"] = json!([{"system": "urn:clinic", "value": identifier}]);
            }
            if resource_type != "Organization" {
                // One of forty names somebody else.
                let of = if oddity == 0 { "Patient/ours" } else { "urn:uuid:0" };
                resource["patient"] = json!({"reference": of});
            }
            resource
        },
    )
}

fn entry() -> impl Strategy<Value = Entry> {
    let types =
        select(vec!["Immunization", "Immunization", "Immunization", "AllergyIntolerance", "Organization"]);
    types.prop_flat_map(|resource_type| (Just(resource_type), origins(), details(resource_type), known()))
}

fn origins() -> impl Strategy<Value = Vec<&'static str>> {
    select(vec![
        vec![],
        vec!["ON"],
        vec!["ON"],
        vec!["ON"],
        vec!["QC"],
        vec!["BC"],
        vec!["ON", "QC"],
        vec!["QC", "BC"],
    ])
}

/// Random situations.
pub fn situation() -> impl Strategy<Value = Situation> {
    let patient = (origins(), select(vec!["female", "male"]), any::<bool>(), 0..40, known());
    (select(vec!["ON", "ON", "QC"]), patient, 0..3, vec(entry(), 0..6), vec(details("Immunization"), 0..4)).prop_map(
        |(sender, (origins, gender, is_closed, oddity, patient_known), matched, entries, own_doses)| {
            let mut patient = json!({"resourceType": "Patient", "gender": gender, "birthDate": "1990-01-01",
                "identifier": [{"system": "urn:numbers", "value": "1"}]});
            if is_closed {
                close(&mut patient);
            }
            if oddity == 0 {
                patient["link"] = json!([{"other": {"reference": "Patient/ours"}, "type": "seealso"}]);
            }
            let named =
                std::iter::once((origins, patient)).chain(entries.iter().map(|one| (one.1.clone(), one.2.clone())));
            let unit = unit(sender, named);
            let mut local = Local::default();
            stand_patient(&mut local, &unit, matched, &patient_known);
            for (arriving, one) in unit.others.iter().zip(&entries) {
                stand(&mut local, &unit, arriving, &one.3);
            }
            for (at, mut dose) in own_doses.into_iter().enumerate() {
                let Some(patient) = &local.patient else { continue };
                dose["id"] = json!(format!("own-{at}"));
                dose["meta"] = json!({"versionId": "3"});
                dose["patient"] = json!({"reference": url(patient)});
                dose["performer"] = json!([{"actor": {"reference": "Organization/ours"}}]);
                local.doses.push(dose);
            }
            Situation { unit, local }
        },
    )
}

fn close(patient: &mut Value) {
    fhir::canonical::close(patient, &OriginRecord::new(&jurisdiction("QC"), "Patient", "there"));
}

fn unit(sender: &str, named: impl Iterator<Item = (Vec<&'static str>, Value)>) -> Unit {
    let entry = |(at, (origins, mut resource)): (usize, (Vec<&str>, Value))| {
        for code in origins {
            let resource_type = text(&resource["resourceType"]);
            add_origin(
                &mut resource,
                &OriginRecord::new(&jurisdiction(code), &resource_type, &format!("r{at}")),
            );
        }
        json!({"fullUrl": format!("urn:uuid:{at}"), "resource": resource})
    };
    let entries: Vec<Value> = named.enumerate().map(entry).collect();
    let id = TransferId::parse("0198a5a0-0000-7000-8000-000000000001").expect("an id");
    Unit::take_apart(&json!({"entry": entries}), &jurisdiction(sender), id, &here()).expect("a unit")
}

/// The patient here: none, one of ours that was matched, or the copy.
fn stand_patient(local: &mut Local, unit: &Unit, matched: i32, known: &Known) {
    let arriving = &unit.patient;
    if matched == 0 && !arriving.comes_home(&here()) {
        return;
    }
    let mut present = arriving.resource.clone();
    let is_copy = matched == 1;
    if is_copy || arriving.comes_home(&here()) {
        present["id"] = json!(arriving.local_id(&unit.sender, &here()));
    } else {
        present["id"] = json!("ours");
        present["identifier"] = json!([{"system": "urn:numbers", "value": "1"}]);
    }
    present.as_object_mut().expect("a resource").remove("link");
    remember(local, arriving, &present, known);
    if known.is_corrected {
        present["gender"] = json!("other");
    }
    if known.place == Place::Nowhere {
        close(&mut present);
    }
    present["meta"] = json!({"versionId": "3"});
    local.merged = BTreeSet::from(["merged".to_owned()]);
    local.patient = Some(present);
}

fn stand(local: &mut Local, unit: &Unit, arriving: &Arriving, known: &Known) {
    if arriving.origin.is_none() {
        return; // named by its URL in this package, which no other one has
    }
    let id = arriving.local_id(&unit.sender, &here());
    let key = (arriving.resource_type.clone(), id.clone());
    if known.place == Place::Deleted && arriving.comes_home(&here()) {
        local.deleted.insert(key);
        return;
    }
    let mut present = arriving.resource.clone();
    present["id"] = json!(id);
    if let Some(object) = present.as_object_mut().filter(|_| arriving.resource_type != "Organization") {
        let patient = if known.place == Place::WithAnother { None } else { local.patient.as_ref().map(url) };
        object.insert("patient".into(), json!({"reference": patient.unwrap_or("Patient/other".into())}));
    }
    for element in ["performer", "recorder", "partOf"] {
        present.as_object_mut().expect("a resource").remove(element);
    }
    // What has been corrected at the origin since: the lot, and whether it happened at all.
    present["lotNumber"] = json!("BEFORE");
    match arriving.resource_type.as_str() {
        "Immunization" => present["status"] = json!("completed"),
        "AllergyIntolerance" => present["verificationStatus"] = json!({"coding": [{"code": "confirmed"}]}),
        _ => {}
    }
    remember(local, arriving, &present, known);
    let is_nowhere = [Place::Nowhere, Place::Deleted].contains(&known.place);
    if is_nowhere && !arriving.comes_home(&here()) {
        return;
    }
    if known.is_corrected {
        present["lotNumber"] = json!("CORRECTED");
    }
    present["meta"] = json!({"versionId": "3"});
    if arriving.resource_type == "Immunization"
        && known.place != Place::WithAnother
        && local.patient.is_some()
    {
        local.doses.push(present.clone());
    }
    local.resources.insert(key, present);
}

fn remember(local: &mut Local, arriving: &Arriving, present: &Value, known: &Known) {
    let Some(origin) = arriving.origin.as_ref().filter(|_| known.was_received) else { return };
    let record = ReceivedRecord {
        origin: origin.to_string(),
        resource_type: arriving.resource_type.clone(),
        local_id: text(&present["id"]),
        content_hash: hex::encode(content_hash(present)),
        sender: jurisdiction(known.received_from),
    };
    local.received.insert(record.origin.clone(), record);
}
