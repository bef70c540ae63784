//! The real FHIR server, while people write to it.

use std::collections::BTreeMap;

use domain::TransferState;
use fhir_client::FhirServer;
use futures::future::join_all;
use local_stack::ProvinceService::{Aggregator, Inbound, Outbound};
use serde_json::{Value, json};
use sqlx::PgPool;
use test_kit::people::{delete_all, put_all};
use test_kit::{Person, World, eventually};

/// What the facts say of some patients' records: by which reason each is excluded, in which year and cell it counts.
pub(super) async fn of(
    facts: &PgPool,
    patients: &[String],
) -> BTreeMap<String, (Option<String>, Option<i32>, String)> {
    type Counted = (String, Option<String>, Option<i32>, Option<String>);
    let rows: Vec<Counted> = sqlx::query_as(
        "SELECT fact.id, p.reason, p.year, concat_ws('|', p.age, p.sex, p.vaccine, p.dose)
        FROM fact JOIN place p ON p.id = fact.place WHERE patient_id = ANY($1)",
    )
    .bind(patients)
    .fetch_all(facts)
    .await
    .unwrap();
    rows.into_iter().map(|(id, reason, year, age)| (id, (reason, year, age.unwrap_or_default()))).collect()
}

/// Follows without waiting, and looks back less far than in service.
pub(super) fn quick(config: &mut Value) {
    config["collect"] = json!({"every_seconds": 1, "grace_seconds": 1, "overlap_seconds": 60});
}

/// Waits until the facts about these patients are what another aggregator makes of the same server from nothing, which
/// is so many records; returns them.
pub(super) async fn equal_a_fresh_rebuild(
    facts: &PgPool,
    province: &str,
    patients: &[String],
    records: usize,
) -> BTreeMap<String, (Option<String>, Option<i32>, String)> {
    let fresh = World::with("fresh", &[(province, Aggregator)], &quick).await;
    let rebuilt = fresh.database(province, Aggregator).await;
    let expected = eventually("a whole rebuild", async || {
        let found = of(&rebuilt, patients).await;
        (found.len() == records).then_some(found)
    })
    .await;
    eventually("the facts to equal it", async || (of(facts, patients).await == expected).then_some(())).await;
    expected
}

const PEOPLE: usize = 300;

/// Writes people's records and changes some; returns how many records were written.
async fn write(fhir: &FhirServer, people: &[(usize, &Person)]) -> usize {
    let mut written = 0;
    for (n, person) in people {
        person.upload(fhir).await;
        written += 1 + person.resources.len();
        if n % 3 == 0 {
            delete_all(fhir, &[format!("Immunization/{}", person.resource_id(0))]).await;
            written += 1;
        }
        let mut later = Vec::new();
        if n % 4 == 0 {
            let mut changed = person.resources[1].clone();
            changed["occurrenceDateTime"] = json!("2015-03-04");
            changed["protocolApplied"] = json!([{"doseNumberPositiveInt": 7}]);
            changed["status"] = json!(if n % 8 == 0 { "entered-in-error" } else { "completed" });
            later.push(changed);
        }
        if n % 5 == 0 {
            let mut patient = person.patient.clone();
            patient["birthDate"] = json!("2001-01-01");
            patient["gender"] = json!("unknown");
            later.push(patient);
        }
        if n % 6 == 0 {
            let mut again = person.resources[0].clone();
            again["occurrenceDateTime"] = json!("2016-03-04");
            later.push(again);
        }
        for changed in later {
            put_all(fhir, &[changed]).await;
            written += 1;
        }
    }
    written
}

#[tokio::test]
async fn after_a_storm_of_writes_the_facts_equal_a_fresh_rebuild() {
    let world = World::with("storm", &[("ON", Aggregator)], &quick).await;
    let (facts, fhir) = (world.database("ON", Aggregator).await, world.fhir("ON"));
    let people: Vec<Person> = (0..PEOPLE).map(|_| Person::new().doses(5)).collect();
    let ids: Vec<String> = people.iter().map(Person::id).collect();
    // Created, changed, deleted, born another day, brought back: two thousand writes while it reads, four at a time.
    let numbered: Vec<(usize, &Person)> = people.iter().enumerate().collect();
    let written = join_all(numbered.chunks(PEOPLE.div_ceil(4)).map(|some| write(&fhir, some))).await;
    assert!(written.iter().sum::<usize>() >= 2000, "{written:?}");
    // Of five doses each one is deleted of every third, and brought back of every sixth.
    let records = PEOPLE * 5 - PEOPLE.div_ceil(3) + PEOPLE.div_ceil(6);
    let expected = equal_a_fresh_rebuild(&facts, "ON", &ids, records).await;
    assert!(expected.values().any(|(reason, _, _)| reason.as_deref() == Some("entered-in-error")));
}

/// How many records are counted, and excluded by which reason, by province.
type Tally = BTreeMap<(&'static str, Option<String>), usize>;

/// Tallies one person's records: province, facts, and the id of the patient there.
async fn tally(records: &[(&'static str, &PgPool, String)]) -> Tally {
    let mut sum = Tally::new();
    for (code, facts, patient) in records {
        for (reason, _, _) in of(facts, std::slice::from_ref(patient)).await.into_values() {
            *sum.entry((code, reason)).or_default() += 1;
        }
    }
    sum
}

async fn until_tally(what: &str, records: &[(&'static str, &PgPool, String)], wanted: Tally) {
    eventually(what, async || (tally(records).await == wanted).then_some(())).await;
}

async fn two_provinces(name: &str) -> World {
    let services = ["ON", "BC"]
        .into_iter()
        .flat_map(|code| [Outbound, Inbound, Aggregator].map(|service| (code, service)));
    World::with(name, &services.collect::<Vec<_>>(), &|config| {
        if config["collect"].is_object() {
            quick(config);
        }
    })
    .await
}

#[tokio::test]
async fn a_dose_counts_once_wherever_its_person_goes() {
    let world = two_provinces("once").await;
    let person = Person::new().doses(3);
    person.upload(&world.fhir("ON")).await;
    let (on, bc) = (world.database("ON", Aggregator).await, world.database("BC", Aggregator).await);
    let there = test_kit::copy_id("ON", "Patient", &person.id());
    let records = [("ON", &on, person.id()), ("BC", &bc, there.clone())];
    let received = || Some("received".to_owned());
    let until = async |what: &str, wanted: Tally| until_tally(what, &records, wanted).await;
    until("three doses in Ontario", [(("ON", None), 3)].into()).await;

    world.outbound("ON").transfer(&person.id(), "BC").await;
    until("the copies to be received", [(("ON", None), 3), (("BC", received()), 3)].into()).await;

    // A dose in British Columbia, and back home: it is counted there, and received here.
    let mut later = person.resources[0].clone();
    later["id"] = json!(format!("later-{}", person.id()));
    later["patient"]["reference"] = json!(format!("Patient/{there}"));
    later["occurrenceDateTime"] = json!("2020-02-02");
    put_all(&world.fhir("BC"), &[later]).await;
    until(
        "the dose of British Columbia",
        [(("ON", None), 3), (("BC", received()), 3), (("BC", None), 1)].into(),
    )
    .await;
    let id = world.outbound("BC").request(&there, "ON").await;
    let ended = world.outbound("BC").until(id, TransferState::Completed).await;
    assert!(ended.receipt.is_some());
    until(
        "the person's return",
        [(("ON", None), 3), (("ON", received()), 1), (("BC", received()), 3), (("BC", None), 1)].into(),
    )
    .await;

    // A correction of the birth date where the person was changes nothing of the sum.
    let mut copy = world.fhir("BC").search("Patient", &[("_id", &there)]).await.unwrap().remove(0);
    copy["birthDate"] = json!("1999-09-09");
    copy.as_object_mut().unwrap().remove("meta");
    put_all(&world.fhir("BC"), &[copy]).await;
    eventually("the correction to be read", async || {
        let read =
            sqlx::query_scalar::<_, String>("SELECT birth_date FROM patient WHERE id = $1").bind(&there);
        (read.fetch_one(&bc).await.unwrap() == "1999-09-09").then_some(())
    })
    .await;
    assert_eq!(
        tally(&records).await,
        [(("ON", None), 3), (("ON", received()), 1), (("BC", received()), 3), (("BC", None), 1)].into()
    );
}

#[tokio::test]
async fn a_dose_whose_original_was_deleted_counts_nowhere_also_when_its_person_returns() {
    let world = two_provinces("gone").await;
    let person = Person::new().doses(3);
    person.upload(&world.fhir("ON")).await;
    let (on, bc) = (world.database("ON", Aggregator).await, world.database("BC", Aggregator).await);
    let there = test_kit::copy_id("ON", "Patient", &person.id());
    let records = [("ON", &on, person.id()), ("BC", &bc, there.clone())];
    world.outbound("ON").transfer(&person.id(), "BC").await;
    let received = || Some("received".to_owned());
    until_tally("the copies", &records, [(("ON", None), 3), (("BC", received()), 3)].into()).await;

    delete_all(&world.fhir("ON"), &[format!("Immunization/{}", person.resource_id(0))]).await;
    let after: Tally = [(("ON", None), 2), (("BC", received()), 3)].into();
    until_tally("the deletion", &records, after.clone()).await;

    // What Ontario has deleted, no other province's copy brings back.
    let refused = world.outbound("BC").rejected(&there, "ON").await;
    assert!(["deleted-here", "origin-not-proven"].contains(&refused.code.as_str()), "{refused:?}");
    assert_eq!(tally(&records).await, after);
    assert_eq!(world.fhir("ON").count("Immunization", &[("patient", &person.id())]).await.unwrap(), 2);
}
