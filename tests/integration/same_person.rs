//! One person stays one person, and two stay two, whoever sends them and when.

use chrono::TimeDelta;
use contracts::{ContentDigest, Problem, ProblemCode, Receipt};
use domain::{Clock, SystemClock, TransferId};
use futures::future::join_all;
use inbound_transfer::store::{Found, Store, StoreError};
use local_stack::ProvinceService::Inbound;
use serde_json::{Value, json};
use test_kit::delivery::{deliver, deliver_package};
use test_kit::people::{ON_NUMBERS, ontario_number, put_all};
use test_kit::{Person, World, copy_id, package_of, versions};

/// The same person as another province knows them: with the same name, birth date and number, under an id of its own.
fn known_elsewhere(person: &Person) -> Person {
    let mut other = Person::new();
    for element in ["name", "birthDate", "identifier"] {
        other.patient[element] = person.patient[element].clone();
    }
    other
}

/// Somebody who has no health number, only one of a clinic.
fn without_number() -> Person {
    let mut person = Person::new();
    person.patient["identifier"] = json!([{"system": "urn:clinic", "value": person.id()}]);
    person
}

fn local_id(receipt: &Receipt) -> &str {
    receipt.patient.rsplit('/').next().unwrap()
}

async fn patients(world: &World, person: &Person) -> u64 {
    let family = person.patient["name"][0]["family"].as_str().unwrap();
    world.fhir("BC").count("Patient", &[("family:exact", family)]).await.unwrap()
}

/// Two provinces send one person to BC at once.
async fn at_once(
    world: &World,
    one: &Person,
    two: &Person,
) -> (Result<Receipt, Problem>, Result<Receipt, Problem>) {
    futures::join!(deliver(world, one, "ON", "BC"), deliver(world, two, "QC", "BC"))
}

#[tokio::test]
async fn two_provinces_that_send_the_same_person_at_once_make_one_patient_with_all_doses() {
    let world = World::shared().await;
    let people: Vec<(Person, Person)> = (0..10)
        .map(|_| {
            let one = Person::new().dose("2011-01-01", "03");
            let two = known_elsewhere(&one).dose("2012-01-01", "21");
            (one, two)
        })
        .collect();
    let receipts = join_all(people.iter().map(|(one, two)| at_once(world, one, two))).await;
    for ((first, second), (one, _)) in receipts.into_iter().zip(&people) {
        let (first, second) = (first.unwrap(), second.unwrap());
        assert_eq!(first.patient, second.patient);
        assert_eq!(first.counts["Patient"].created + second.counts["Patient"].created, 1);
        assert_eq!(patients(world, one).await, 1);
        let doses = world.fhir("BC").count("Immunization", &[("patient", local_id(&first))]).await.unwrap();
        assert_eq!(doses, 2);
    }
}

#[tokio::test]
async fn the_same_dose_that_two_provinces_send_at_once_is_recorded_once() {
    let world = World::shared().await;
    let people: Vec<(Person, Person)> = (0..4)
        .map(|_| {
            let one = Person::new().dose("2011-01-01", "03");
            let two = known_elsewhere(&one).dose("2011-01-01", "03");
            (one, two)
        })
        .collect();
    let receipts = join_all(people.iter().map(|(one, two)| at_once(world, one, two))).await;
    for (first, second) in receipts {
        let (first, second) = (first.unwrap(), second.unwrap());
        let (one, two) = (first.counts["Immunization"], second.counts["Immunization"]);
        assert_eq!((one.created + two.created, one.duplicate_of + two.duplicate_of), (1, 1));
        let doses = world.fhir("BC").count("Immunization", &[("patient", local_id(&first))]).await.unwrap();
        assert_eq!(doses, 1);
    }
}

#[tokio::test]
async fn of_two_namesakes_without_numbers_only_the_first_is_taken() {
    let world = World::shared().await;
    let one = without_number().dose("2011-01-01", "03");
    let mut two = without_number().dose("2012-01-01", "21");
    for element in ["name", "birthDate"] {
        two.patient[element] = one.patient[element].clone();
    }
    let (first, second) = at_once(world, &one, &two).await;
    let (taken, refused) = match (first, second) {
        (Ok(taken), Err(refused)) | (Err(refused), Ok(taken)) => (taken, refused),
        other => panic!("one is taken, one refused: {other:?}"),
    };
    assert_eq!(refused.code, "probable-match");
    assert_eq!(patients(world, &one).await, 1);
    let doses = world.fhir("BC").count("Immunization", &[("patient", local_id(&taken))]).await.unwrap();
    assert_eq!(doses, 1, "nothing of the second is added to the first");
}

#[tokio::test]
async fn two_people_of_one_household_with_numbers_of_their_own_stay_two() {
    let world = World::shared().await;
    let one = Person::new().dose("2011-01-01", "03");
    let mut twin = known_elsewhere(&one).dose("2011-01-01", "03");
    twin.patient["name"][0]["given"] = json!(["Autre"]);
    twin.patient["identifier"] = json!([{"system": ON_NUMBERS, "value": ontario_number()}]);
    let (first, second) = at_once(world, &one, &twin).await;
    assert_ne!(first.unwrap().patient, second.unwrap().patient);
    assert_eq!(patients(world, &one).await, 2);
}

#[tokio::test]
async fn people_who_have_the_same_id_in_two_provinces_stay_two() {
    let world = World::shared().await;
    let bc = world.fhir("BC");
    let ours = Person::new().dose("2010-01-01", "03");
    ours.upload(&bc).await;
    let mut theirs = Person::new().dose("2011-01-01", "21");
    theirs.patient["id"] = json!(ours.id());
    theirs.resources[0]["id"] = json!(ours.resource_id(0));
    theirs.resources[0]["patient"] = json!({"reference": format!("Patient/{}", ours.id())});

    let receipt = deliver(world, &theirs, "ON", "BC").await.unwrap();
    assert_eq!(local_id(&receipt), copy_id("ON", "Patient", &ours.id()));
    for url in [format!("Patient/{}", ours.id()), format!("Immunization/{}", ours.resource_id(0))] {
        assert_eq!(versions(world, "BC", &url).await, 1, "{url} is not touched");
    }
    let dose = copy_id("ON", "Immunization", &ours.resource_id(0));
    let copy = bc.search("Immunization", &[("_id", &dose)]).await.unwrap().pop().unwrap();
    assert_eq!(copy["patient"]["reference"], format!("Patient/{}", local_id(&receipt)));
}

#[tokio::test]
async fn our_encounter_of_the_same_id_is_neither_touched_nor_referred_to() {
    let world = World::shared().await;
    let bc = world.fhir("BC");
    let stranger = Person::new();
    stranger.upload(&bc).await;
    let theirs = format!("e55-{}", stranger.id());
    let encounter = json!({"resourceType": "Encounter", "id": theirs, "status": "finished",
        "class": {"code": "AMB"}, "subject": {"reference": format!("Patient/{}", stranger.id())}});
    put_all(&bc, &[encounter]).await;
    let url = format!("Encounter/{theirs}");
    let person = Person::new().dose("2015-06-01", "03").with("encounter", json!({"reference": url}));

    deliver(world, &person, "ON", "BC").await.unwrap();
    let dose = copy(world, &person).await;
    assert_eq!(dose["encounter"]["identifier"]["value"], format!("ON/{url}"));
    assert_eq!(dose["encounter"].get("reference"), None);

    let literal = Person::new().dose("2015-06-01", "03");
    let id = TransferId::generate();
    let mut package = package_of(&literal, "ON", id);
    package["entry"][1]["resource"]["encounter"] = json!({"reference": url});
    let refused = deliver_package(world, &package, "ON", "BC", id).await.unwrap_err();
    assert_eq!(refused.code, "package-invalid");
    assert_eq!(versions(world, "BC", &url).await, 1);
    assert_eq!(bc.count("Immunization", &[("patient", &stranger.id())]).await.unwrap(), 0);
}

/// The copy at BC of a person's first dose in ON.
async fn copy(world: &World, person: &Person) -> Value {
    let id = copy_id("ON", "Immunization", &person.resource_id(0));
    world.fhir("BC").search("Immunization", &[("_id", &id)]).await.unwrap().pop().unwrap()
}

/// Its keys have run out too: another package of the person may have been written between its two looks.
#[tokio::test]
async fn whoever_has_held_a_package_too_long_cannot_refuse_it() {
    let world = World::shared().await;
    let store = Store::new(world.service_database("BC", Inbound).await);
    let (sender, now) = ("ON".parse().unwrap(), SystemClock.now());
    let delivery = (ContentDigest::of(b"a package"), 9);
    let lease = TimeDelta::seconds(30);
    let found =
        store.receive(&sender, TransferId::generate(), delivery, "test", now, now + lease).await.unwrap();
    let Found::Claimed(claim) = found else { panic!("{found:?}") };
    let problem = Problem::new(ProblemCode::ProbableMatch);

    // Nor by holding it longer first: whoever was asleep cannot know who had its keys meanwhile.
    let late = store.renew(&claim, now + lease, now + lease * 2).await;
    assert!(matches!(late, Err(StoreError::LeaseLost)), "{late:?}");
    let late = store.refused(&claim, &problem, false, now + lease).await;
    assert!(matches!(late, Err(StoreError::LeaseLost)), "{late:?}");
    assert_eq!(store.state(&sender, claim.id, now).await.unwrap(), Some((true, None)));

    store.refused(&claim, &problem, false, now + lease - TimeDelta::milliseconds(1)).await.unwrap();
    assert_eq!(store.state(&sender, claim.id, now).await.unwrap(), Some((false, Some(problem))));
}
