//! Following a server by what changes.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use fhir_client::FhirServer;
use fhir_client::feed::after;
use serde_json::{Value, json};
use test_kit::Person;
use test_kit::people::{delete_all, put_all};

fn updated(resource: &Value) -> DateTime<Utc> {
    let text = resource["meta"]["lastUpdated"].as_str().expect("a time");
    DateTime::parse_from_rfc3339(text).expect("a time").to_utc()
}

pub async fn what_changes_is_found_in_its_order_by_pages_that_begin_where_the_last_one_ended(
    fhir: FhirServer,
) {
    let begin = fhir.server_time().await.unwrap();
    let people: Vec<Person> = (0..3).map(|_| Person::new().doses(2)).collect();
    for person in &people {
        person.upload(&fhir).await;
    }
    let until = fhir.server_time().await.unwrap() + TimeDelta::seconds(1);
    let page = fhir.changed("Immunization", begin, until).await.unwrap();
    assert!(page.windows(2).all(|pair| updated(&pair[0]) <= updated(&pair[1])));
    let ids: BTreeSet<&str> = page.iter().filter_map(|record| record["id"].as_str()).collect();
    for person in &people {
        assert!((0..2).all(|at| ids.contains(person.resource_id(at).as_str())));
    }
    // The second person's dose has an instant that both ways of asking find, and none before it does.
    let second = people[1].resource_id(0);
    let at = page.iter().find(|record| record["id"] == second.as_str()).map(updated).unwrap();
    let has = |found: &[Value]| found.iter().any(|record| record["id"] == second.as_str());
    assert!(has(&fhir.changed("Immunization", at, after(at)).await.unwrap()));
    assert!(has(&fhir.changed_at("Immunization", at).await.unwrap()));
    assert!(!has(&fhir.changed("Immunization", begin, at).await.unwrap()));
    assert!(!has(&fhir.changed("Immunization", after(at), until).await.unwrap()));
}

pub async fn what_was_deleted_is_told_with_its_version_unless_it_has_come_back(fhir: FhirServer) {
    let begin = fhir.server_time().await.unwrap();
    let person = Person::new().doses(2);
    person.upload(&fhir).await;
    let (gone, back) = (person.resource_id(0), person.resource_id(1));
    delete_all(&fhir, &[format!("Immunization/{gone}"), format!("Immunization/{back}")]).await;
    let mut again = person.resources[1].clone();
    again["note"] = json!([{"text": "back"}]);
    put_all(&fhir, &[again]).await;
    let deleted = fhir.deleted_since("Immunization", begin).await.unwrap();
    let versions =
        |id: &str| deleted.iter().filter(|one| one.id == id).map(|one| one.version).collect::<Vec<_>>();
    assert_eq!(versions(&gone), [2]);
    // A server may name the deletion too: its version is below the present one.
    assert!(versions(&back).iter().all(|version| *version == 2));
    let until = fhir.server_time().await.unwrap() + TimeDelta::seconds(1);
    let page = fhir.changed("Immunization", begin, until).await.unwrap();
    let present: Vec<&Value> = page.iter().filter(|record| record["id"] == back.as_str()).collect();
    assert_eq!(present[0]["meta"]["versionId"], "3");
    assert!(page.iter().all(|record| record["id"] != gone.as_str()));
}

pub async fn the_server_tells_its_time(fhir: FhirServer) {
    let first = fhir.server_time().await.unwrap();
    let second = fhir.server_time().await.unwrap();
    assert!(first <= second && second - first < TimeDelta::minutes(1));
}
