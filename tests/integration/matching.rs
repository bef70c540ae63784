//! Who is this person here? Each rule with an example that matches and one that does not.

use contracts::Problem;
use domain::TransferId;
use serde_json::{Value, json};
use test_kit::delivery::{deliver, deliver_package};
use test_kit::package::{copy_id, package_of};
use test_kit::people::{BC_NUMBERS, ON_NUMBERS, british_columbia_number, delete_all, put_all};
use test_kit::{Person, World, versions};

fn code<T>(answer: Result<T, Problem>) -> String {
    answer.err().map_or_else(|| "accepted".to_owned(), |problem| problem.code)
}

/// Somebody of another province whose number, name and birth date can be set.
fn twin_of(person: &Person) -> Person {
    let mut twin = Person::new();
    twin.patient["birthDate"] = person.patient["birthDate"].clone();
    twin.patient["identifier"] = person.patient["identifier"].clone();
    twin
}

async fn patient(world: &World, province: &str, id: &str) -> Value {
    world.fhir(province).search("Patient", &[("_id", id)]).await.unwrap().pop().unwrap_or_default()
}

#[tokio::test]
async fn a_person_whom_nobody_knows_gets_the_id_of_a_copy() {
    let world = World::shared().await;
    let person = Person::new().doses(1);
    let receipt = deliver(world, &person, "ON", "BC").await.unwrap();
    assert_eq!(receipt.patient, format!("BC/Patient/{}", copy_id("ON", "Patient", &person.id())));
    assert_eq!(receipt.counts["Patient"].created, 1);
}

#[tokio::test]
async fn a_number_with_the_birth_date_finds_the_person_and_their_demographics_stay() {
    let world = World::shared().await;
    let ours = Person::new();
    ours.upload(&world.fhir("BC")).await;
    let theirs = twin_of(&ours).doses(1);
    let receipt = deliver(world, &theirs, "ON", "BC").await.unwrap();
    assert_eq!(receipt.patient, format!("BC/Patient/{}", ours.id()));
    assert_eq!(receipt.counts["Patient"].updated, 1);
    let stored = patient(world, "BC", &ours.id()).await;
    assert_eq!(stored["name"], ours.patient["name"]);
    let origin = format!("ON/Patient/{}", theirs.id());
    assert!(stored["identifier"].as_array().unwrap().iter().any(|id| id["value"] == origin.as_str()));
}

#[tokio::test]
async fn a_number_is_found_however_it_was_spelled() {
    let world = World::shared().await;
    let mut ours = Person::new();
    let number = british_columbia_number();
    let spaced = format!("{} {} {}", &number[..4], &number[4..7], &number[7..]);
    let alias = "https://fhir.infoway-inforoute.ca/NamingSystem/ca-bc-patient-hcn";
    ours.patient["identifier"] = json!([{"system": alias, "value": spaced}]);
    ours.upload(&world.fhir("BC")).await;
    let mut theirs = Person::new();
    theirs.patient["birthDate"] = ours.patient["birthDate"].clone();
    theirs.patient["identifier"] = json!([{"system": BC_NUMBERS, "value": number}]);
    let receipt = deliver(world, &theirs, "ON", "BC").await.unwrap();
    assert_eq!(receipt.patient, format!("BC/Patient/{}", ours.id()));
}

#[tokio::test]
async fn a_number_with_another_birth_date_and_two_candidates_are_refused() {
    let world = World::shared().await;
    let (one, two) = (Person::new(), Person::new());
    one.upload(&world.fhir("BC")).await;
    let mut other_birth = twin_of(&one);
    other_birth.patient["birthDate"] = json!("1925-12-24");
    assert_eq!(code(deliver(world, &other_birth, "ON", "BC").await), "multiple-matches");

    let mut same_birth = two.clone();
    same_birth.patient["birthDate"] = one.patient["birthDate"].clone();
    same_birth.upload(&world.fhir("BC")).await;
    let mut both = twin_of(&one);
    let numbers = [one.patient["identifier"][0].clone(), two.patient["identifier"][0].clone()];
    both.patient["identifier"] = json!(numbers);
    assert_eq!(code(deliver(world, &both, "ON", "BC").await), "multiple-matches");
}

#[tokio::test]
async fn an_old_number_matches_nobody() {
    let world = World::shared().await;
    let ours = Person::new();
    ours.upload(&world.fhir("BC")).await;
    let mut theirs = twin_of(&ours);
    theirs.patient["identifier"][0]["use"] = json!("old");
    let receipt = deliver(world, &theirs, "ON", "BC").await.unwrap();
    assert_eq!(receipt.counts["Patient"].created, 1);
}

#[tokio::test]
async fn the_destinations_own_identifier_finds_the_person_with_the_birth_date_only() {
    let world = World::shared().await;
    let mut ours = Person::new();
    ours.patient["identifier"] = json!([{"system": BC_NUMBERS, "value": british_columbia_number()}]);
    ours.upload(&world.fhir("BC")).await;
    let known = ours.patient["identifier"][0].clone();
    let send = async |birth_date: &Value| {
        let mut theirs = Person::new();
        theirs.patient["birthDate"] = birth_date.clone();
        theirs.upload(&world.fhir("ON")).await;
        let body = json!({"patient_id": theirs.id(), "transfer_to": "BC", "approval_ref": "test",
            "destination_identifier": {"system": known["system"], "value": known["value"]}});
        world.outbound("ON").request_with(body).await
    };
    let found = send(&ours.patient["birthDate"]).await;
    let view = world.outbound("ON").until(found, domain::TransferState::Completed).await;
    assert_eq!(view.receipt.unwrap().patient, format!("BC/Patient/{}", ours.id()));
    let stored = patient(world, "BC", &ours.id()).await;
    assert!(!stored.to_string().contains("destination-identifier"));
    let other = send(&json!("1911-11-11")).await;
    let view = world.outbound("ON").until(other, domain::TransferState::Rejected).await;
    assert_eq!(view.last_problem.unwrap().code, "multiple-matches");
}

#[tokio::test]
async fn the_same_name_and_birth_date_alone_are_refused() {
    let world = World::shared().await;
    let ours = Person::new();
    ours.upload(&world.fhir("BC")).await;
    let mut theirs = Person::new();
    let family = ours.patient["name"][0]["family"].as_str().unwrap().to_uppercase().replace('É', "E");
    theirs.patient["name"] = json!([{"family": family, "given": ours.patient["name"][0]["given"]}]);
    theirs.patient["birthDate"] = ours.patient["birthDate"].clone();
    assert_eq!(code(deliver(world, &theirs, "ON", "BC").await), "probable-match");
    theirs.patient["name"][0]["given"] = json!(["Autre"]);
    assert_eq!(code(deliver(world, &theirs, "ON", "BC").await), "accepted");
}

#[tokio::test]
async fn a_merged_record_leads_to_the_live_one_and_its_doses_are_known() {
    let world = World::shared().await;
    let (bc, live) = (world.fhir("BC"), Person::new());
    live.upload(&bc).await;
    let mut old = Person::new().dose("2010-05-04", "03");
    old.upload(&bc).await;
    old.patient["link"] =
        json!([{"other": {"reference": format!("Patient/{}", live.id())}, "type": "replaced-by"}]);
    put_all(&bc, &[old.patient.clone()]).await;
    let theirs = twin_of(&old).dose("2010-05-04", "03");
    let receipt = deliver(world, &theirs, "ON", "BC").await.unwrap();
    assert_eq!(receipt.patient, format!("BC/Patient/{}", live.id()));
    assert_eq!(receipt.counts["Immunization"].duplicate_of, 1);
}

#[tokio::test]
async fn a_birth_date_corrected_at_the_origin_still_finds_the_copy() {
    let world = World::shared().await;
    let mut person = Person::new().doses(1);
    deliver(world, &person, "ON", "BC").await.unwrap();
    person.patient["birthDate"] = json!("1931-03-31");
    let receipt = deliver(world, &person, "ON", "BC").await.unwrap();
    assert_eq!(receipt.counts["Patient"].updated, 1);
    let copy = patient(world, "BC", &copy_id("ON", "Patient", &person.id())).await;
    assert_eq!(copy["birthDate"], "1931-03-31");
}

/// BC sends ON a package that says it is about ON's own patient.
async fn sent_home(
    world: &World,
    original: &Person,
    change: impl Fn(&mut Value),
) -> Result<contracts::Receipt, Problem> {
    let id = TransferId::generate();
    let mut package = package_of(original, "ON", id);
    change(&mut package["entry"][0]["resource"]);
    deliver_package(world, &package, "BC", "ON", id).await
}

#[tokio::test]
async fn an_origin_of_ours_is_believed_only_for_the_person_it_is() {
    let world = World::shared().await;
    let person = Person::new();
    person.upload(&world.fhir("ON")).await;
    assert_eq!(code(sent_home(world, &person, |_| ()).await), "accepted");
    let wrong_birth = sent_home(world, &person, |patient| patient["birthDate"] = json!("1940-01-01")).await;
    assert_eq!(code(wrong_birth), "origin-not-proven");
    let wrong_number = sent_home(world, &person, |patient| {
        patient["identifier"][0] = json!({"system": ON_NUMBERS, "value": test_kit::people::ontario_number()});
    });
    assert_eq!(code(wrong_number.await), "origin-not-proven");
    let unknown = Person::new();
    assert_eq!(code(sent_home(world, &unknown, |_| ()).await), "origin-not-proven");
    assert_eq!(versions(world, "ON", &format!("Patient/{}", person.id())).await, 1, "nothing is written");
    for id in [unknown.id(), copy_id("ON", "Patient", &unknown.id())] {
        assert_eq!(patient(world, "ON", &id).await, Value::Null);
    }
    let pool = world.database("ON", local_stack::ProvinceService::Inbound).await;
    let forensic =
        "SELECT count(*) FROM audit_event WHERE forensic AND detail->>'code' = 'origin-not-proven'";
    let rows: i64 = sqlx::query_scalar(forensic).fetch_one(&pool).await.unwrap();
    assert!(rows >= 3);
}

#[tokio::test]
async fn what_a_third_province_says_never_selects_an_original_of_ours() {
    let world = World::shared().await;
    let ours = Person::new();
    ours.upload(&world.fhir("BC")).await;
    let theirs = twin_of(&ours);
    deliver(world, &theirs, "ON", "BC").await.unwrap(); // BC's own patient now carries ON's origin
    let mut forged = Person::new();
    forged.patient["birthDate"] = ours.patient["birthDate"].clone();
    let origin = json!({"system": fhir::ORIGIN_SYSTEM, "value": format!("ON/Patient/{}", theirs.id())});
    forged.patient["identifier"].as_array_mut().unwrap().push(origin);
    let receipt = deliver(world, &forged, "QC", "BC").await.unwrap();
    assert_ne!(receipt.patient, format!("BC/Patient/{}", ours.id()));
    assert_eq!(receipt.counts["Patient"].created, 1);
}

#[tokio::test]
async fn a_patient_that_was_received_and_deleted_here_is_not_made_again() {
    let world = World::shared().await;
    let person = Person::new();
    let receipt = deliver(world, &person, "ON", "BC").await.unwrap();
    let (bc, id) = (world.fhir("BC"), copy_id("ON", "Patient", &person.id()));
    let provenance = inbound_transfer::plan::provenance_id(&"ON".parse().unwrap(), receipt.jti);
    let events = bc.search("AuditEvent", &[("entity", &format!("Patient/{id}"))]).await.unwrap();
    let mut urls = vec![format!("Patient/{id}"), format!("Provenance/{provenance}")];
    urls.extend(events.iter().map(|event| format!("AuditEvent/{}", event["id"].as_str().unwrap())));
    delete_all(&bc, &urls).await;
    assert_eq!(code(deliver(world, &person, "ON", "BC").await), "deleted-here");
}
