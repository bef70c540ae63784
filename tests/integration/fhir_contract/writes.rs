//! Transactions: replays, versions, references, deletions.

use fhir_client::{FhirError, FhirServer, Found};
use serde_json::{Value, json};
use test_kit::Person;
use test_kit::people::{delete_all, put_all};
use uuid::Uuid;

use super::{put, puts, transaction, url};

fn is_refused(answer: &Result<impl Sized, FhirError>, status: u16) -> bool {
    matches!(answer, Err(FhirError::Refused { status: found, .. }) if found.as_u16() == status)
}

pub async fn putting_the_same_content_again_makes_no_new_version(fhir: FhirServer) {
    let person = Person::new();
    let first = fhir.transaction(put(&person.patient, None)).await.unwrap();
    let again = fhir.transaction(put(&person.patient, None)).await.unwrap();
    assert_eq!(first.entries[0].version, "1");
    assert_eq!(again, first);
    let guarded = fhir.transaction(put(&person.patient, Some("1"))).await.unwrap();
    assert_eq!(guarded, first);
}

pub async fn what_the_server_sets_in_meta_is_no_content(fhir: FhirServer) {
    let mut person = Person::new();
    fhir.transaction(put(&person.patient, None)).await.unwrap();
    person.patient["meta"] = json!({"versionId": "7", "lastUpdated": "2001-01-01T00:00:00Z"});
    let again = fhir.transaction(put(&person.patient, None)).await.unwrap();
    assert_eq!(again.entries[0].version, "1");
}

pub async fn a_stale_version_fails_the_transaction_even_if_the_content_is_unchanged(fhir: FhirServer) {
    let mut person = Person::new();
    fhir.transaction(put(&person.patient, None)).await.unwrap();
    person.patient["gender"] = json!("male");
    fhir.transaction(put(&person.patient, Some("1"))).await.unwrap();
    let stale = fhir.transaction(put(&person.patient, Some("1"))).await;
    assert!(matches!(stale, Err(FhirError::Stale)), "{stale:?}");
}

/// Not what one would wish: a record that was expunged would come back.
pub async fn a_version_of_what_never_was_is_not_asked_for(fhir: FhirServer) {
    let person = Person::new();
    let created = fhir.transaction(put(&person.patient, Some("1"))).await.unwrap();
    assert_eq!(created.entries[0].version, "1");
}

/// A transaction that holds such an entry is carried out once, however often and late it is tried.
pub async fn what_never_was_is_created_once_under_a_version_that_never_is(fhir: FhirServer) {
    let mut person = Person::new().doses(1);
    let created = fhir.transaction(put(&person.patient, Some("0"))).await.unwrap();
    assert_eq!(created.entries[0].version, "1");
    let again = fhir.transaction(put(&person.patient, Some("0"))).await;
    assert!(matches!(again, Err(FhirError::Stale)), "{again:?}");
    person.patient["gender"] = json!("male");
    let changed = [(&person.resources[0], None), (&person.patient, Some("0"))];
    let changed = fhir.transaction(puts(&changed)).await;
    assert!(matches!(changed, Err(FhirError::Stale)), "{changed:?}");
    assert_eq!(fhir.read("Immunization", &person.resource_id(0)).await.unwrap(), Found::Absent);
    delete_all(&fhir, &[format!("Patient/{}", person.id())]).await;
    let deleted = fhir.transaction(put(&person.patient, Some("0"))).await;
    assert!(matches!(deleted, Err(FhirError::Stale)), "{deleted:?}");
    let other = Person::new();
    let attempts = (0..12).map(|_| fhir.transaction(put(&other.patient, Some("0"))));
    let answers = futures::future::join_all(attempts).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1, "{answers:?}");
    let may_be = |answer| matches!(answer, &Ok(_) | &Err(FhirError::Stale | FhirError::Collision));
    assert!(answers.iter().all(may_be), "{answers:?}");
}

pub async fn a_deletion_makes_what_was_read_before_stale(fhir: FhirServer) {
    let person = Person::new();
    put_all(&fhir, std::slice::from_ref(&person.patient)).await;
    delete_all(&fhir, &[format!("Patient/{}", person.id())]).await;
    let stale = fhir.transaction(put(&person.patient, Some("1"))).await;
    assert!(matches!(stale, Err(FhirError::Stale)), "{stale:?}");
}

pub async fn a_failed_transaction_leaves_nothing(fhir: FhirServer) {
    let mut person = Person::new().doses(1);
    person.resources[0]["patient"] = json!({"reference": "Patient/nobody-of-this-name"});
    let refused = fhir.transaction(puts(&[(&person.patient, None), (&person.resources[0], None)])).await;
    assert!(is_refused(&refused, 400), "{refused:?}");
    assert_eq!(fhir.read("Patient", &person.id()).await.unwrap(), Found::Absent);
}

pub async fn one_stale_entry_leaves_nothing_of_the_others(fhir: FhirServer) {
    let mut person = Person::new().doses(1);
    fhir.transaction(put(&person.patient, None)).await.unwrap();
    person.patient["gender"] = json!("male");
    fhir.transaction(put(&person.patient, None)).await.unwrap();
    let stale = fhir.transaction(puts(&[(&person.resources[0], None), (&person.patient, Some("1"))])).await;
    assert!(matches!(stale, Err(FhirError::Stale)), "{stale:?}");
    assert_eq!(fhir.read("Immunization", &person.resource_id(0)).await.unwrap(), Found::Absent);
}

pub async fn parallel_creations_of_one_id_leave_one_and_may_be_repeated(fhir: FhirServer) {
    let person = Person::new();
    let attempts = (0..12).map(|_| fhir.transaction(put(&person.patient, None)));
    for answer in futures::future::join_all(attempts).await {
        assert!(matches!(answer, Ok(_) | Err(FhirError::Collision)), "{answer:?}");
    }
    let last = fhir.transaction(put(&person.patient, None)).await.unwrap();
    assert_eq!(last.entries[0].version, "1");
}

pub async fn names_inside_a_bundle_become_references(fhir: FhirServer) {
    let mut person = Person::new().doses(1);
    let name = format!("urn:uuid:{}", Uuid::new_v4());
    person.resources[0]["patient"] = json!({"reference": name});
    let entry = |resource: &Value, full_url: &str| json!({"fullUrl": full_url, "resource": resource, "request": {"method": "PUT", "url": url(resource)}});
    let other = format!("urn:uuid:{}", Uuid::new_v4());
    let entries = [entry(&person.resources[0], &other), entry(&person.patient, &name)];
    fhir.transaction(transaction(&entries)).await.unwrap();
    assert_eq!(fhir.count("Immunization", &[("patient", &person.id())]).await.unwrap(), 1);
    let refused = fhir.transaction(transaction(&entries[..1])).await;
    assert!(is_refused(&refused, 400), "{refused:?}");
}

pub async fn what_is_referred_to_cannot_be_deleted_alone(fhir: FhirServer) {
    let person = Person::new().doses(1);
    person.upload(&fhir).await;
    let patient = format!("Patient/{}", person.id());
    let alone = [json!({"request": {"method": "DELETE", "url": patient}})];
    let refused = fhir.transaction(transaction(&alone)).await;
    assert!(is_refused(&refused, 409), "{refused:?}");
    delete_all(&fhir, &[patient, format!("Immunization/{}", person.resource_id(0))]).await;
    assert_eq!(fhir.read("Patient", &person.id()).await.unwrap(), Found::Deleted);
}

pub async fn a_deleted_resource_comes_back_with_the_next_version(fhir: FhirServer) {
    let person = Person::new();
    put_all(&fhir, std::slice::from_ref(&person.patient)).await;
    delete_all(&fhir, &[format!("Patient/{}", person.id())]).await;
    let back = fhir.transaction(put(&person.patient, None)).await.unwrap();
    assert_eq!(back.entries[0].version, "3");
    assert!(matches!(fhir.read("Patient", &person.id()).await.unwrap(), Found::Present(_)));
}

pub async fn a_resource_twice_in_a_transaction_is_refused(fhir: FhirServer) {
    let person = Person::new();
    let refused = fhir.transaction(puts(&[(&person.patient, None), (&person.patient, None)])).await;
    assert!(is_refused(&refused, 400), "{refused:?}");
}

pub async fn a_numeric_id_is_the_servers_to_give(fhir: FhirServer) {
    let mut person = Person::new();
    person.patient["id"] = json!("4711");
    let refused = fhir.transaction(put(&person.patient, None)).await;
    assert!(is_refused(&refused, 400), "{refused:?}");
}

pub async fn a_reference_to_what_was_deleted_is_refused(fhir: FhirServer) {
    let person = Person::new().doses(1);
    put_all(&fhir, std::slice::from_ref(&person.patient)).await;
    delete_all(&fhir, &[format!("Patient/{}", person.id())]).await;
    let refused = fhir.transaction(put(&person.resources[0], None)).await;
    assert!(is_refused(&refused, 400), "{refused:?}");
}
