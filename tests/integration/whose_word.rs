//! Whose word counts: each row of the design's table, with what is written and what stays.

use contracts::{Problem, Receipt};
use domain::TransferId;
use serde_json::{Value, json};
use test_kit::delivery::{deliver, deliver_package};
use test_kit::people::put_all;
use test_kit::{Person, World, copy_id, package_of};

async fn stored(world: &World, province: &str, resource_type: &str, id: &str) -> Option<Value> {
    world.fhir(province).search(resource_type, &[("_id", id)]).await.unwrap().pop()
}

/// The copy of a person's n-th record at a province.
async fn copy(world: &World, province: &str, person: &Person, at: usize) -> Value {
    let kind = person.resources[at]["resourceType"].as_str().unwrap();
    stored(world, province, kind, &copy_id("ON", kind, &person.resource_id(at))).await.unwrap_or_default()
}

/// ON sends a person to BC; the person is returned.
async fn at_bc(world: &World) -> Person {
    let person = Person::new().dose("2015-06-01", "03").dose("2016-06-01", "21").allergy();
    deliver(world, &person, "ON", "BC").await.unwrap();
    person
}

fn counts(receipt: &Receipt, kind: &str) -> (u64, u64, u64, u64) {
    let counts = receipt.counts[kind];
    (counts.created, counts.updated, counts.unchanged, counts.duplicate_of)
}

fn code(answer: Result<Receipt, Problem>) -> String {
    answer.err().map_or_else(|| "accepted".to_owned(), |problem| problem.code)
}

#[tokio::test]
async fn the_same_record_again_changes_nothing() {
    let world = World::shared().await;
    let person = at_bc(world).await;
    let receipt = deliver(world, &person, "ON", "BC").await.unwrap();
    assert_eq!(counts(&receipt, "Immunization"), (0, 0, 2, 0));
    assert_eq!(counts(&receipt, "Patient"), (0, 0, 1, 0));
    assert_eq!(receipt.conflicts, []);
    assert_eq!(copy(world, "BC", &person, 0).await["meta"]["versionId"], "1");
}

#[tokio::test]
async fn a_copy_that_is_unchanged_here_follows_its_own_province() {
    let world = World::shared().await;
    let mut person = at_bc(world).await;
    person.resources[0]["lotNumber"] = json!("NEW-1");
    person.patient["gender"] = json!("male");
    let receipt = deliver(world, &person, "ON", "BC").await.unwrap();
    assert_eq!(counts(&receipt, "Immunization"), (0, 1, 1, 0));
    assert_eq!(counts(&receipt, "Patient"), (0, 1, 0, 0));
    assert_eq!(copy(world, "BC", &person, 0).await["lotNumber"], "NEW-1");
}

#[tokio::test]
async fn a_copy_is_left_when_a_third_province_says_otherwise() {
    let world = World::shared().await;
    let mut person = at_bc(world).await;
    person.resources[0]["lotNumber"] = json!("OTHER");
    let id = TransferId::generate();
    let receipt = deliver_package(world, &package_of(&person, "ON", id), "QC", "BC", id).await.unwrap();
    assert_eq!(counts(&receipt, "Immunization"), (0, 0, 2, 0));
    assert_eq!(receipt.conflicts.len(), 1);
    assert_eq!(receipt.conflicts[0].fields, ["lotNumber"]);
    assert_eq!(copy(world, "BC", &person, 0).await.get("lotNumber"), None);
}

#[tokio::test]
async fn a_copy_that_was_corrected_here_stays_and_is_listed() {
    let world = World::shared().await;
    let mut person = at_bc(world).await;
    let mut corrected = copy(world, "BC", &person, 0).await;
    corrected["lotNumber"] = json!("BC-KNOWS");
    put_all(&world.fhir("BC"), &[corrected]).await;
    person.resources[0]["lotNumber"] = json!("ON-SAYS");
    let receipt = deliver(world, &person, "ON", "BC").await.unwrap();
    assert_eq!(counts(&receipt, "Immunization"), (0, 0, 2, 0));
    assert_eq!(receipt.conflicts[0].fields, ["lotNumber"]);
    assert!(!serde_json::to_string(&receipt).unwrap().contains("ON-SAYS"));
    assert_eq!(copy(world, "BC", &person, 0).await["lotNumber"], "BC-KNOWS");
}

#[tokio::test]
async fn entered_in_error_marks_a_copy_also_where_it_was_corrected() {
    let world = World::shared().await;
    let mut person = at_bc(world).await;
    let mut corrected = copy(world, "BC", &person, 0).await;
    corrected["lotNumber"] = json!("BC-KNOWS");
    put_all(&world.fhir("BC"), &[corrected]).await;
    for dose in 0..2 {
        person.resources[dose]["status"] = json!("entered-in-error");
    }
    let receipt = deliver(world, &person, "ON", "BC").await.unwrap();
    assert_eq!(counts(&receipt, "Immunization"), (0, 2, 0, 0));
    assert_eq!(copy(world, "BC", &person, 0).await["status"], "entered-in-error");
}

#[tokio::test]
async fn a_correction_beside_its_mistaken_dose_is_no_duplicate() {
    let world = World::shared().await;
    let mut person = at_bc(world).await;
    person.resources[0]["status"] = json!("entered-in-error");
    let person = person.dose("2015-06-01", "94");
    let receipt = deliver(world, &person, "ON", "BC").await.unwrap();
    assert_eq!(counts(&receipt, "Immunization"), (1, 1, 1, 0));
    assert_eq!(copy(world, "BC", &person, 3).await["status"], "completed");
}

#[tokio::test]
async fn a_copy_that_was_deleted_here_refuses_the_package_and_writes_nothing() {
    let world = World::shared().await;
    let person = at_bc(world).await;
    // What a Provenance targets can only be deleted with it; a dose received by another transfer stands free.
    let person = person.dose("2017-01-01", "140");
    let second = deliver(world, &person, "ON", "BC").await.unwrap();
    let provenance = inbound_transfer::plan::provenance_id(&"ON".parse().unwrap(), second.jti);
    let dose = copy_id("ON", "Immunization", &person.resource_id(3));
    let urls = [format!("Immunization/{dose}"), format!("Provenance/{provenance}")];
    test_kit::people::delete_all(&world.fhir("BC"), &urls).await;
    let person = person.dose("2018-01-01", "140");
    assert_eq!(code(deliver(world, &person, "ON", "BC").await), "deleted-here");
    assert_eq!(copy(world, "BC", &person, 4).await, Value::Null);
}

#[tokio::test]
async fn our_own_record_coming_home_is_never_overwritten_but_marked_in_error() {
    let world = World::shared().await;
    let original = Person::new().dose("2015-06-01", "03").dose("2016-06-01", "21").allergy();
    original.upload(&world.fhir("ON")).await;
    let id = TransferId::generate();
    let mut package = package_of(&original, "ON", id);
    for entry in package["entry"].as_array_mut().unwrap() {
        let resource = &mut entry["resource"];
        match resource["resourceType"].as_str().unwrap() {
            "Immunization" if resource["occurrenceDateTime"] == "2015-06-01" => {
                resource["lotNumber"] = json!("X");
            }
            "Immunization" => resource["status"] = json!("entered-in-error"),
            "AllergyIntolerance" => {
                resource["verificationStatus"] = json!({"coding": [{
                    "system": "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification",
                    "code": "entered-in-error"}]});
                resource.as_object_mut().unwrap().remove("clinicalStatus");
            }
            _ => resource["gender"] = json!("other"),
        }
    }
    let receipt = deliver_package(world, &package, "BC", "ON", id).await.unwrap();
    assert_eq!(counts(&receipt, "Immunization"), (0, 1, 1, 0));
    assert_eq!(counts(&receipt, "AllergyIntolerance"), (0, 1, 0, 0));
    assert_eq!(counts(&receipt, "Patient"), (0, 0, 1, 0));
    let fields: Vec<_> = receipt.conflicts.iter().map(|conflict| conflict.fields.join(",")).collect();
    assert_eq!(fields, ["gender", "lotNumber"]);
    let on = |kind: &'static str, id: String| async move { stored(world, "ON", kind, &id).await.unwrap() };
    assert_eq!(on("Immunization", original.resource_id(0)).await["meta"]["versionId"], "1");
    assert_eq!(on("Immunization", original.resource_id(1)).await["status"], "entered-in-error");
    let allergy = on("AllergyIntolerance", original.resource_id(2)).await;
    assert_eq!(allergy["verificationStatus"]["coding"][0]["code"], "entered-in-error");
    assert_eq!(allergy.get("clinicalStatus"), None);
}

/// BC has somebody with one dose; ON sends the same person with doses of its own.
async fn met_at_bc(doses: impl Fn(Person) -> Person) -> (Person, Result<Receipt, Problem>) {
    let world = World::shared().await;
    let ours = Person::new().dose("2019-05-02", "03");
    let ours = ours
        .with("lotNumber", json!("L1"))
        .with("identifier", json!([{"system": "urn:clinic", "value": "7"}]));
    ours.upload(&world.fhir("BC")).await;
    let mut theirs = doses(Person::new());
    theirs.patient["birthDate"] = ours.patient["birthDate"].clone();
    theirs.patient["identifier"] = ours.patient["identifier"].clone();
    let receipt = deliver(world, &theirs, "ON", "BC").await;
    (ours, receipt)
}

#[tokio::test]
async fn a_dose_that_is_recorded_here_already_is_a_duplicate_and_another_one_is_not() {
    let (ours, receipt) = met_at_bc(|person| {
        person.dose("2019-05-02", "94").dose("2019-05-02", "140").dose("2019-05-12", "03")
    })
    .await;
    let receipt = receipt.unwrap();
    // MMRV on the day of MMR; influenza on the same day; MMR ten days later (with a warning).
    assert_eq!(counts(&receipt, "Immunization"), (2, 0, 0, 1));
    let world = World::shared().await;
    let doses = world.fhir("BC").count("Immunization", &[("patient", &ours.id())]).await.unwrap();
    assert_eq!(doses, 3);
}

#[tokio::test]
async fn duplicates_are_sought_in_our_record_and_never_inside_the_package() {
    let (_, receipt) = met_at_bc(|person| person.dose("2020-01-01", "21").dose("2020-01-01", "21")).await;
    assert_eq!(counts(&receipt.unwrap(), "Immunization"), (2, 0, 0, 0));
}

#[tokio::test]
async fn what_was_not_given_or_is_an_error_is_stored_and_merged_with_nothing() {
    let (ours, receipt) = met_at_bc(|person| {
        let person = person.dose("2019-05-02", "03").with("status", json!("not-done"));
        let person = person.dose("2019-05-02", "03").with("status", json!("entered-in-error"));
        person.dose("2012-05-02", "03").with("primarySource", json!(false))
    })
    .await;
    assert_eq!(counts(&receipt.unwrap(), "Immunization"), (3, 0, 0, 0));
    let world = World::shared().await;
    let all = world.fhir("BC").search("Immunization", &[("patient", &ours.id())]).await.unwrap();
    let ours = all.iter().find(|dose| dose["id"] == ours.resource_id(0).as_str()).unwrap();
    assert_eq!((&ours["status"], &ours["meta"]["versionId"]), (&json!("completed"), &json!("1")));
    assert_eq!(all.iter().filter(|dose| dose["primarySource"] == false).count(), 1);
}

#[tokio::test]
async fn a_business_identifier_on_another_event_refuses_the_package() {
    let named = |date: &'static str, cvx: &'static str| {
        move |person: Person| {
            person.dose(date, cvx).with("identifier", json!([{"system": "urn:clinic", "value": "7"}]))
        }
    };
    assert_eq!(code(met_at_bc(named("2019-05-02", "140")).await.1), "identifier-conflict");
    assert_eq!(code(met_at_bc(named("2021-05-02", "03")).await.1), "identifier-conflict");
    assert_eq!(counts(&met_at_bc(named("2019-05-02", "03")).await.1.unwrap(), "Immunization"), (0, 0, 0, 1));
}

#[tokio::test]
async fn a_copy_that_was_closed_and_comes_again_is_open_and_still_follows_its_province() {
    let world = World::shared().await;
    let person = Person::new().dose("2015-06-01", "03");
    person.upload(&world.fhir("ON")).await;
    let there = copy_id("ON", "Patient", &person.id());
    world.outbound("ON").transfer(&person.id(), "BC").await;
    world.outbound("BC").transfer(&there, "ON").await;
    let mut patient = stored(world, "ON", "Patient", &person.id()).await.unwrap();
    patient["gender"] = json!("unknown");
    put_all(&world.fhir("ON"), &[patient]).await;
    let receipt = world.outbound("ON").transfer(&person.id(), "BC").await.receipt.unwrap();
    assert_eq!(receipt.conflicts, []);
    let copy = stored(world, "BC", "Patient", &there).await.unwrap();
    assert_eq!((&copy["gender"], &copy["active"]), (&json!("unknown"), &json!(true)));
    assert!(!fhir::canonical::is_closed(&copy));
}
