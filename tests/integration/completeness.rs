//! A record is sent whole, with what it refers to, or not at all.

use contracts::ProblemCode;
use domain::{Jurisdiction, PatientId, SourceOutcome, TransferId, TransferState};
use fhir::OriginRecord;
use fhir::canonical::closed_to;
use local_stack::ProvinceService::{Inbound, Outbound};
use outbound_transfer::record::Record;
use outbound_transfer::step::{FaultClass, StepError};
use serde_json::{Value, json};
use test_kit::people::put_all;
use test_kit::{Original, Person, World, copy_id, url_of};

use test_kit::fhir_proxy::{Fault, Proxy};

async fn doses_of(world: &World, province: &str, patient: &str) -> Vec<Value> {
    world.fhir(province).search("Immunization", &[("patient", patient)]).await.unwrap()
}

#[tokio::test]
async fn four_hundred_doses_arrive_whole() {
    let world = World::shared().await;
    let person = Person::new().doses(400);
    person.upload(&world.fhir("ON")).await;
    let original = Original::of(world, "ON", &person).await;

    let transfer = world.outbound("ON").transfer(&person.id(), "BC").await;

    assert_eq!(transfer.sealed_counts["Immunization"], 400);
    assert_eq!(transfer.receipt.unwrap().counts["Immunization"].created, 400);
    assert_eq!(doses_of(world, "BC", &copy_id("ON", "Patient", &person.id())).await.len(), 400);
    original.assert_copied(world, "BC").await;
}

#[tokio::test]
async fn a_merged_record_is_refused_by_naming_the_live_one_which_brings_all_doses() {
    let world = World::shared().await;
    let on = world.fhir("ON");
    // Grown together over time: `oldest` was merged into `older`, and that into `live`.
    let [live, mut older, mut oldest] = [
        Person::new().doses(1),
        Person::new().dose("2005-05-05", "21"),
        Person::new().dose("2006-06-06", "62"),
    ];
    live.upload(&on).await;
    let merge = |into: &Person| json!([{"other": {"reference": format!("Patient/{}", into.id())}, "type": "replaced-by"}]);
    older.patient["link"] = merge(&live);
    older.patient["active"] = json!(false);
    older.upload(&on).await;
    oldest.patient["link"] = merge(&older);
    oldest.upload(&on).await;
    let mut knowing = live.patient.clone();
    knowing["link"] =
        json!([{"other": {"reference": format!("Patient/{}", older.id())}, "type": "replaces"}]);
    put_all(&on, &[knowing]).await;

    let outbound = world.outbound("ON");
    let id = outbound.request(&older.id(), "BC").await;
    let refused = outbound.until(id, TransferState::Rejected).await;
    assert_eq!(refused.last_problem.unwrap().known_code(), Some(ProblemCode::PatientMerged));
    assert_eq!(refused.live_patient_id, Some(PatientId::parse(&live.id()).unwrap()));

    let transfer = outbound.transfer(&live.id(), "BC").await;
    let there = OriginRecord::parse(&transfer.receipt.unwrap().patient).unwrap().id;
    let mut found: Vec<String> = doses_of(world, "BC", &there)
        .await
        .iter()
        .map(|dose| dose["id"].as_str().unwrap().to_owned())
        .collect();
    let mut sent: Vec<String> =
        [&live, &older, &oldest].map(|person| copy_id("ON", "Immunization", &person.resource_id(0))).to_vec();
    found.sort_unstable();
    sent.sort_unstable();
    assert_eq!(found, sent);
    let bc = world.fhir("BC");
    let patient = bc.search("Patient", &[("_id", &there)]).await.unwrap().remove(0);
    assert_eq!(patient.get("link"), None, "merges are local to a server");
    for merged in [&older, &oldest] {
        let copy = copy_id("ON", "Patient", &merged.id());
        assert_eq!(bc.count("Patient", &[("_id", &copy)]).await.unwrap(), 0);
    }
}

/// A person whose record refers to everything that travels, and to much that does not. Returned with those that stay.
fn connected() -> (Person, Vec<Value>) {
    let mut person = Person::new().dose("2012-02-02", "03").dose("2013-03-03", "21").allergy();
    let suffix = person.id();
    let id = |name: &str| format!("{name}{suffix}");
    let about = |person: &Person| json!({"reference": format!("Patient/{}", person.id())});
    let observation = |name: &str, subject: Value| {
        json!({"resourceType": "Observation", "id": id(name), "status": "final",
            "code": {"text": "Rougeur"}, "subject": subject,
            "performer": [{"reference": format!("Organization/{}", id("clinic"))}]})
    };
    let mother = Person::new();
    let travelling = [
        json!({"resourceType": "Organization", "id": id("network"), "name": "Réseau"}),
        json!({"resourceType": "Organization", "id": id("clinic"), "name": "Clinique",
            "partOf": {"reference": format!("Organization/{}", id("network"))}}),
        json!({"resourceType": "Practitioner", "id": id("nurse"), "name": [{"family": "Gagné"}]}),
        json!({"resourceType": "Location", "id": id("room"), "name": "Salle 3",
            "managingOrganization": {"reference": format!("Organization/{}", id("clinic"))}}),
        observation("redness", about(&person)),
    ];
    let staying = vec![
        mother.patient.clone(),
        json!({"resourceType": "Encounter", "id": id("visit"), "status": "finished",
            "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"}}),
        json!({"resourceType": "PractitionerRole", "id": id("role")}),
        json!({"resourceType": "Organization", "id": id("unconnected"), "name": "Personne n’y renvoie"}),
        observation("mothers", about(&mother)),
    ];
    person.patient["managingOrganization"] = json!({"reference": format!("Organization/{}", id("network"))});
    let dose = &mut person.resources[0];
    dose["performer"] = json!([
        {"actor": {"reference": format!("Practitioner/{}", id("nurse")), "display": "G. Gagné"}},
        {"actor": {"reference": format!("PractitionerRole/{}", id("role")), "display": "Infirmière"}},
    ]);
    dose["location"] = json!({"reference": format!("Location/{}", id("room"))});
    dose["encounter"] =
        json!({"reference": format!("Encounter/{}", id("visit")), "display": "Visite du 2 février"});
    dose["reaction"] = json!([
        {"detail": {"reference": format!("Observation/{}", id("redness"))}},
        {"detail": {"reference": format!("Observation/{}", id("mothers")), "display": "De la mère"}},
    ]);
    person.resources[2]["encounter"] = json!({"reference": format!("Encounter/{}", id("visit"))});
    person.resources.extend(travelling);
    (person, staying)
}

#[tokio::test]
async fn what_doses_refer_to_travels_and_what_stays_behind_is_named_by_its_origin() {
    let world = World::shared().await;
    let (on, bc) = (world.fhir("ON"), world.fhir("BC"));
    let (person, staying) = connected();
    let mut all = vec![person.patient.clone()];
    all.extend(person.resources.iter().chain(&staying).cloned());
    put_all(&on, &all).await;
    let original = Original::of(world, "ON", &person).await;

    let transfer = world.outbound("ON").transfer(&person.id(), "BC").await;

    let sent: Vec<_> = transfer.sealed_counts.iter().map(|(name, count)| (name.as_str(), *count)).collect();
    let expected = [
        ("AllergyIntolerance", 1),
        ("Immunization", 2),
        ("Location", 1),
        ("Observation", 1),
        ("Organization", 2),
        ("Patient", 1),
        ("Practitioner", 1),
    ];
    assert_eq!(sent, expected);
    original.assert_copied(world, "BC").await;

    // What the general comparison has said, once more in plain words for one dose.
    let dose = copy_id("ON", "Immunization", &person.resource_id(0));
    let dose = bc.search("Immunization", &[("_id", &dose)]).await.unwrap().remove(0);
    let room = dose["location"]["reference"].as_str().unwrap().strip_prefix("Location/").unwrap();
    let room = bc.search("Location", &[("_id", room)]).await.unwrap().remove(0);
    assert_eq!(room["name"], "Salle 3");
    let visit = url_of(&staying[1]);
    assert_eq!(
        dose["encounter"],
        json!({"identifier": {"system": fhir::ORIGIN_SYSTEM, "value": format!("ON/{visit}")},
            "display": "Visite du 2 février"})
    );
    assert_eq!(dose["reaction"][1]["detail"].get("reference"), None, "another person's observation");
    for resource in &staying {
        let (resource_type, id) =
            (resource["resourceType"].as_str().unwrap(), resource["id"].as_str().unwrap());
        let copy = copy_id("ON", resource_type, id);
        assert_eq!(bc.count(resource_type, &[("_id", &copy)]).await.unwrap(), 0, "{resource_type} stays");
    }
}

#[tokio::test]
async fn nobody_of_that_id_is_told_so() {
    let world = World::shared().await;
    let problem = world.outbound("ON").rejected(&Person::new().id(), "BC").await;
    assert_eq!(problem.known_code(), Some(ProblemCode::PatientNotFound));
}

#[tokio::test]
async fn a_closed_record_is_sent_only_to_where_it_points_and_later_doses_follow() {
    let world = World::shared().await;
    let on = world.fhir("ON");
    let person = Person::new().doses(2);
    person.upload(&on).await;
    let outbound = world.outbound("ON");
    outbound.transfer(&person.id(), "BC").await;

    let elsewhere = outbound.rejected(&person.id(), "QC").await;
    assert_eq!(elsewhere.known_code(), Some(ProblemCode::SourceClosed));
    let qc = copy_id("ON", "Patient", &person.id());
    assert_eq!(world.fhir("QC").count("Patient", &[("_id", &qc)]).await.unwrap(), 0);

    let later = person.clone().dose("2020-10-10", "140");
    put_all(&on, &later.resources[2..]).await;
    let followed = outbound.transfer(&person.id(), "BC").await;

    assert_eq!(followed.source, Some(SourceOutcome::Closed));
    let counts = followed.receipt.unwrap().counts["Immunization"];
    assert_eq!((counts.created, counts.unchanged), (1, 2));
    let there = copy_id("ON", "Patient", &person.id());
    assert_eq!(doses_of(world, "BC", &there).await.len(), 3);
    let source = on.search("Patient", &[("_id", &person.id())]).await.unwrap().remove(0);
    let bc = OriginRecord::new(&Jurisdiction::parse("BC").unwrap(), "Patient", &there);
    assert_eq!(closed_to(&source), Some(bc));
}

#[tokio::test]
async fn a_count_that_disagrees_is_no_record() {
    let world = World::shared().await;
    let person = Person::new().doses(3);
    person.upload(&world.fhir("ON")).await;
    let id = PatientId::parse(&person.id()).unwrap();
    for fault in [Fault::OneMoreIsCounted, Fault::OneLessIsCounted, Fault::APageIsLost, Fault::HalfAnAnswer] {
        let proxy = Proxy::start(world.stack().fhir_url("ON").unwrap()).await;
        proxy.break_next("Immunization", fault);
        let expected = match fault {
            Fault::HalfAnAnswer => ProblemCode::FhirServerUnavailable,
            _ => ProblemCode::RecordIncomplete,
        };
        match Record::read(&proxy.server(), &id).await {
            Err(StepError::Failed(failure)) => {
                assert_eq!(failure.class, FaultClass::Transient, "{fault:?}");
                assert_eq!(failure.problem.known_code(), Some(expected), "{fault:?}");
            }
            other => panic!("{fault:?}: {other:?}"),
        }
        let record = Record::read(&proxy.server(), &id).await.unwrap();
        assert_eq!(record.resources.len(), 3, "{fault:?}");
    }
}

#[tokio::test]
async fn nothing_is_sealed_before_counts_agree() {
    let world = World::prepared("counts", &[("ON", Outbound), ("BC", Inbound)]).await;
    let person = Person::new().doses(3);
    person.upload(&world.fhir("ON")).await;
    let proxy = Proxy::start(world.stack().fhir_url("ON").unwrap()).await;
    proxy.break_next("Immunization", Fault::OneMoreIsCounted);
    let base = proxy.base().to_owned();
    let behind = move |config: &mut Value| config["fhir"]["base_url"] = json!(base);
    world.start("ON", Outbound, "", &behind, &[]).await;
    world.start("BC", Inbound, "", &|_| {}, &[]).await;

    let outbound = world.outbound("ON");
    let id: TransferId = outbound.request(&person.id(), "BC").await;
    let view = outbound.until(id, TransferState::Completed).await;

    assert_eq!(view.receipt.unwrap().counts["Immunization"].created, 3);
    let events = outbound.events(id).await.events;
    let names: Vec<_> = events.iter().map(|event| event.event.as_str()).collect();
    assert_eq!(names, ["requested", "attempt-failed", "sealed", "delivered", "completed"]);
    let problem = events[1].problem.as_ref().unwrap();
    assert_eq!(problem.known_code(), Some(ProblemCode::RecordIncomplete));
}
