//! What our services rely on of a FHIR server, held against the real one.
//!
//! Set `IIDI_FHIR_BASE` to hold another server to it, such as the one that is deployed.

use bytes::Bytes;
use fhir_client::{FhirError, FhirServer, FhirServerOptions, Found, Search, Searched};
use serde_json::{Value, json};
use test_kit::people::{delete_all, put_all};
use test_kit::{Person, World};

async fn server() -> FhirServer {
    match std::env::var("IIDI_FHIR_BASE") {
        Ok(base) => FhirServer::new(&base, FhirServerOptions::default()).expect("a client"),
        Err(_) => World::shared().await.fhir("BC"),
    }
}

fn put(resource: &Value, if_match: Option<&str>) -> Bytes {
    let url = format!(
        "{}/{}",
        resource["resourceType"].as_str().unwrap_or_default(),
        resource["id"].as_str().unwrap_or_default()
    );
    let mut request = json!({"method": "PUT", "url": url});
    if let Some(version) = if_match {
        request["ifMatch"] = json!(format!("W/\"{version}\""));
    }
    let entry = json!({"resource": resource, "request": request});
    Bytes::from(json!({"resourceType": "Bundle", "type": "transaction", "entry": [entry]}).to_string())
}

#[tokio::test]
async fn putting_the_same_content_again_makes_no_new_version() {
    let (fhir, person) = (server().await, Person::new());
    let first = fhir.transaction(put(&person.patient, None)).await.unwrap();
    let again = fhir.transaction(put(&person.patient, None)).await.unwrap();
    assert_eq!(first.entries[0].version, "1");
    assert_eq!(again, first);
    let guarded = fhir.transaction(put(&person.patient, Some("1"))).await.unwrap();
    assert_eq!(guarded, first);
}

#[tokio::test]
async fn a_stale_version_fails_the_transaction_even_if_the_content_is_unchanged() {
    let (fhir, mut person) = (server().await, Person::new());
    fhir.transaction(put(&person.patient, None)).await.unwrap();
    person.patient["gender"] = json!("male");
    fhir.transaction(put(&person.patient, Some("1"))).await.unwrap();
    let stale = fhir.transaction(put(&person.patient, Some("1"))).await;
    assert!(matches!(stale, Err(FhirError::Stale)), "{stale:?}");
}

#[tokio::test]
async fn a_failed_transaction_leaves_nothing() {
    let fhir = server().await;
    let mut person = Person::new().doses(1);
    person.resources[0]["patient"] = json!({"reference": "Patient/nobody-of-this-name"});
    let entries: Vec<Value> = [&person.patient, &person.resources[0]]
        .into_iter()
        .map(|resource| {
            let url = format!(
                "{}/{}",
                resource["resourceType"].as_str().unwrap(),
                resource["id"].as_str().unwrap()
            );
            json!({"resource": resource, "request": {"method": "PUT", "url": url}})
        })
        .collect();
    let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": entries});
    let refused = fhir.transaction(Bytes::from(bundle.to_string())).await;
    assert!(matches!(refused, Err(FhirError::Refused { .. })), "{refused:?}");
    assert_eq!(fhir.read("Patient", &person.id()).await.unwrap(), Found::Absent);
}

#[tokio::test]
async fn a_search_sees_what_was_written_a_moment_ago_over_all_its_pages() {
    let fhir = server().await;
    let person = Person::new().doses(450);
    assert_eq!(fhir.count("Immunization", &[("patient", &person.id())]).await.unwrap(), 0);
    person.upload(&fhir).await;
    let criteria = [("patient", person.id())];
    let criteria = criteria.each_ref().map(|(name, value)| (*name, value.as_str()));
    assert_eq!(fhir.count("Immunization", &criteria).await.unwrap(), 450);
    assert_eq!(fhir.search("Immunization", &criteria).await.unwrap().len(), 450);
}

#[tokio::test]
async fn a_deleted_resource_is_told_from_one_that_never_was() {
    let (fhir, person) = (server().await, Person::new());
    assert_eq!(fhir.read("Patient", &person.id()).await.unwrap(), Found::Absent);
    put_all(&fhir, std::slice::from_ref(&person.patient)).await;
    assert!(matches!(fhir.read("Patient", &person.id()).await.unwrap(), Found::Present(_)));
    delete_all(&fhir, &[format!("Patient/{}", person.id())]).await;
    assert_eq!(fhir.read("Patient", &person.id()).await.unwrap(), Found::Deleted);
    assert_eq!(fhir.read_many(&[("Patient", vec![person.id()])]).await.unwrap(), Vec::<Value>::new());
}

#[tokio::test]
async fn parallel_creations_of_one_id_leave_one_and_may_be_repeated() {
    let (fhir, person) = (server().await, Person::new());
    let attempts = (0..12).map(|_| fhir.transaction(put(&person.patient, None)));
    for answer in futures::future::join_all(attempts).await {
        assert!(matches!(answer, Ok(_) | Err(FhirError::Collision)), "{answer:?}");
    }
    let last = fhir.transaction(put(&person.patient, None)).await.unwrap();
    assert_eq!(last.entries[0].version, "1");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable() {
    let fhir = FhirServer::new("http://127.0.0.1:9/fhir", FhirServerOptions::default()).unwrap();
    assert!(matches!(fhir.ping().await, Err(FhirError::Unavailable { .. })));
}

#[tokio::test]
async fn searches_asked_together_answer_as_each_would_alone_and_never_from_a_cache() {
    let fhir = server().await;
    let person = Person::new().doses(450);
    let id = person.id();
    let (own, doses) = ([("_id", id.as_str())], [("patient", id.as_str())]);
    let ask = [
        Search::all("Patient", &own),
        Search::all("Immunization", &doses),
        Search::count("Immunization", &doses),
    ];
    let before = fhir.search_together(&ask).await.unwrap();
    assert_eq!(before, [Searched::All(vec![]), Searched::All(vec![]), Searched::Count(0)]);
    person.upload(&fhir).await;
    let after = fhir.search_together(&ask).await.unwrap();
    let [Searched::All(patients), Searched::All(found), Searched::Count(count)] = &after[..] else {
        panic!("other answers")
    };
    assert_eq!((patients.len(), found.len(), *count), (1, 450, 450));
    let alone = fhir.search("Immunization", &doses).await.unwrap();
    assert_eq!(found.len(), alone.len());
    let wrong = [Search::all("Patient", &own), Search::all("Immunization", &[("no-such-parameter", "1")])];
    assert!(fhir.search_together(&wrong).await.is_err());
}
