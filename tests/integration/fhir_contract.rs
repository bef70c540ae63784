//! What our services rely on of a FHIR server, held against the real one and against the double alike.
//!
//! Set `IIDI_FHIR_BASE` to hold another server to it, such as the one that is deployed.

use std::time::Duration;

use bytes::Bytes;
use fhir_client::double::FhirDouble;
use fhir_client::double::serve::DoubleServer;
use fhir_client::{FhirError, FhirServer, FhirServerOptions};
use serde_json::{Value, json};
use test_kit::World;

mod feed;
mod reads;
mod writes;

/// Every case against every server: a case that only one of them passes names the one that differs.
macro_rules! contract {
    ($($module:ident: $($case:ident),+;)+) => {
        mod real {
            $($(#[tokio::test] async fn $case() { super::$module::$case(super::real_server().await).await; })+)+
        }
        mod double_in_process {
            $($(#[tokio::test] async fn $case() { super::$module::$case(super::double()).await; })+)+
        }
        mod double_over_http {
            $($(#[tokio::test] async fn $case() {
                let http = super::listening_double().await;
                super::$module::$case(super::client(http.base())).await;
            })+)+
        }
    };
}

contract! {
    feed:
        what_changes_is_found_in_its_order_by_pages_that_begin_where_the_last_one_ended,
        what_was_deleted_is_told_with_its_version_unless_it_has_come_back,
        the_server_tells_its_time;
    reads:
        a_search_sees_what_was_written_a_moment_ago_over_all_its_pages,
        a_deleted_resource_is_told_from_one_that_never_was,
        several_ids_are_found_at_once,
        people_are_found_by_identifier_however_it_is_written,
        people_are_found_by_name_and_birth_date,
        patients_are_found_by_their_links,
        records_of_several_patients_are_found_at_once,
        provenance_and_audit_events_are_found_by_what_they_are_about,
        an_unknown_search_parameter_is_refused,
        searches_asked_together_answer_as_each_would_alone_and_never_from_a_cache,
        every_resource_has_a_version_and_a_time,
        a_validation_tells_errors_and_stores_nothing;
    writes:
        putting_the_same_content_again_makes_no_new_version,
        what_the_server_sets_in_meta_is_no_content,
        a_stale_version_fails_the_transaction_even_if_the_content_is_unchanged,
        a_version_of_what_never_was_is_not_asked_for,
        what_never_was_is_created_once_under_a_version_that_never_is,
        a_deletion_makes_what_was_read_before_stale,
        a_failed_transaction_leaves_nothing,
        one_stale_entry_leaves_nothing_of_the_others,
        parallel_creations_of_one_id_leave_one_and_may_be_repeated,
        names_inside_a_bundle_become_references,
        what_is_referred_to_cannot_be_deleted_alone,
        a_deleted_resource_comes_back_with_the_next_version,
        a_resource_twice_in_a_transaction_is_refused,
        a_numeric_id_is_the_servers_to_give,
        a_reference_to_what_was_deleted_is_refused;
}

async fn real_server() -> FhirServer {
    match std::env::var("IIDI_FHIR_BASE") {
        Ok(base) => client(&base),
        Err(_) => World::shared().await.fhir("BC"),
    }
}

fn double() -> FhirServer {
    FhirServer::over(FhirDouble::default(), FhirServerOptions::default())
}

async fn listening_double() -> DoubleServer {
    DoubleServer::start(FhirDouble::default(), 0, Duration::ZERO).await.expect("a port")
}

fn client(base: &str) -> FhirServer {
    FhirServer::new(base, FhirServerOptions::default()).expect("a client")
}

fn url(resource: &Value) -> String {
    format!(
        "{}/{}",
        resource["resourceType"].as_str().unwrap_or_default(),
        resource["id"].as_str().unwrap_or_default()
    )
}

/// A transaction that puts these resources, each with the version that is expected, if any.
fn puts(resources: &[(&Value, Option<&str>)]) -> Bytes {
    let entries = resources.iter().map(|(resource, if_match)| {
        let mut request = json!({"method": "PUT", "url": url(resource)});
        if let Some(version) = if_match {
            request["ifMatch"] = json!(format!("W/\"{version}\""));
        }
        json!({"resource": resource, "request": request})
    });
    transaction(&entries.collect::<Vec<_>>())
}

fn put(resource: &Value, if_match: Option<&str>) -> Bytes {
    puts(&[(resource, if_match)])
}

fn transaction(entries: &[Value]) -> Bytes {
    Bytes::from(json!({"resourceType": "Bundle", "type": "transaction", "entry": entries}).to_string())
}

/// The ids that a search of at most 20 finds, sorted.
async fn found(fhir: &FhirServer, resource_type: &str, criteria: &[(&str, &str)]) -> Vec<String> {
    let found = fhir.search_few(resource_type, criteria, 20).await.expect("a search");
    let mut ids: Vec<String> =
        found.iter().map(|resource| resource["id"].as_str().unwrap_or_default().to_owned()).collect();
    ids.sort_unstable();
    let paged = fhir.search(resource_type, criteria).await.expect("a search");
    assert_eq!(paged.len(), ids.len(), "with and without pages");
    assert_eq!(fhir.count(resource_type, criteria).await.expect("a count"), ids.len() as u64);
    ids
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable() {
    let fhir = client("http://127.0.0.1:9/fhir");
    assert!(matches!(fhir.ping().await, Err(FhirError::Unavailable { .. })));
}
