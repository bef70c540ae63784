//! What stands at a destination after a transfer.

use std::collections::BTreeMap;

use domain::TransferId;
use fhir::origin::stable_id;
use fhir_client::Found;

use crate::package::copy_id;
use crate::people::Person;
use crate::world::World;

/// Returns how many versions a resource (`Type/id`) has had at a province.
///
/// They are numbered without gaps; the server's own count in a history is a minute old.
///
/// # Panics
/// When the FHIR server does not answer, or does not have it.
pub async fn versions(world: &World, province: &str, url: &str) -> u64 {
    let (resource_type, id) = url.split_once('/').expect("a type and an id");
    match world.fhir(province).read(resource_type, id).await.expect("the FHIR server answers") {
        Found::Present(resource) => {
            let version = resource["meta"]["versionId"].as_str().expect("a version");
            version.parse().expect("a numbered version")
        }
        _ => panic!("{url} is not there"),
    }
}

/// Asserts that a province has one patient and one copy of each record of a person, and that nothing of the
/// transfer was ever written a second time.
///
/// # Panics
/// When it is otherwise.
pub async fn assert_arrived_once(world: &World, person: &Person, from: &str, to: &str, transfer: TransferId) {
    let fhir = world.fhir(to);
    let patient = copy_id(from, "Patient", &person.id());
    let family = person.patient["name"][0]["family"].as_str().expect("a name");
    let found = fhir.search("Patient", &[("family:exact", family)]).await.expect("a search");
    let ids: Vec<&str> = found.iter().filter_map(|one| one["id"].as_str()).collect();
    assert_eq!(ids, [patient.as_str()], "exactly one patient");

    let mut sent: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for resource in &person.resources {
        let resource_type = resource["resourceType"].as_str().expect("a type");
        let id = resource["id"].as_str().expect("an id");
        sent.entry(resource_type).or_default().push(copy_id(from, resource_type, id));
    }
    let mut urls = vec![
        format!("Patient/{patient}"),
        format!("Provenance/{}", stable_id(&format!("{from}/{transfer}/provenance"))),
        format!("AuditEvent/{}", stable_id(&format!("{from}/{transfer}/audit-event"))),
    ];
    for (resource_type, mut copies) in sent {
        let found = fhir.search(resource_type, &[("patient", &patient)]).await.expect("a search");
        let mut ids: Vec<&str> = found.iter().filter_map(|one| one["id"].as_str()).collect();
        ids.sort_unstable();
        copies.sort_unstable();
        assert_eq!(ids, copies, "one copy of each {resource_type}");
        urls.extend(copies.into_iter().map(|id| format!("{resource_type}/{id}")));
    }
    for url in urls {
        assert_eq!(versions(world, to, &url).await, 1, "versions of {url}");
    }
}
