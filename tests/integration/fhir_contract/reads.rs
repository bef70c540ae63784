//! Searches, counts and reads.

use fhir_client::{FhirError, FhirServer, Found, Search, Searched};
use serde_json::{Value, json};
use test_kit::Person;
use test_kit::people::{ON_NUMBERS, delete_all, put_all};

use super::found;

pub async fn a_search_sees_what_was_written_a_moment_ago_over_all_its_pages(fhir: FhirServer) {
    let person = Person::new().doses(450);
    assert_eq!(fhir.count("Immunization", &[("patient", &person.id())]).await.unwrap(), 0);
    person.upload(&fhir).await;
    let criteria = [("patient", person.id())];
    let criteria = criteria.each_ref().map(|(name, value)| (*name, value.as_str()));
    assert_eq!(fhir.count("Immunization", &criteria).await.unwrap(), 450);
    assert_eq!(fhir.search("Immunization", &criteria).await.unwrap().len(), 450);
}

pub async fn a_deleted_resource_is_told_from_one_that_never_was(fhir: FhirServer) {
    let person = Person::new();
    assert_eq!(fhir.read("Patient", &person.id()).await.unwrap(), Found::Absent);
    put_all(&fhir, std::slice::from_ref(&person.patient)).await;
    assert!(matches!(fhir.read("Patient", &person.id()).await.unwrap(), Found::Present(_)));
    delete_all(&fhir, &[format!("Patient/{}", person.id())]).await;
    assert_eq!(fhir.read("Patient", &person.id()).await.unwrap(), Found::Deleted);
    assert_eq!(fhir.read_many(&[("Patient", vec![person.id()])]).await.unwrap(), Vec::<Value>::new());
    assert_eq!(found(&fhir, "Patient", &[("_id", &person.id())]).await, Vec::<String>::new());
}

pub async fn several_ids_are_found_at_once(fhir: FhirServer) {
    let people = [Person::new(), Person::new(), Person::new()];
    put_all(&fhir, &people.each_ref().map(|person| person.patient.clone())).await;
    let mut ids: Vec<String> = people.iter().map(Person::id).collect();
    let list = ids.join(",");
    ids.sort_unstable();
    assert_eq!(found(&fhir, "Patient", &[("_id", &format!("{list},nobody-of-this-name"))]).await, ids);
}

pub async fn people_are_found_by_identifier_however_it_is_written(fhir: FhirServer) {
    let (mut one, two) = (Person::new(), Person::new());
    let odd = format!(r"a,b|c${}\d", one.id());
    one.patient["identifier"].as_array_mut().unwrap().push(json!({"system": "urn:odd", "value": odd}));
    put_all(&fhir, &[one.patient.clone(), two.patient.clone()]).await;
    let number = |person: &Person| person.patient["identifier"][0]["value"].as_str().unwrap().to_owned();
    let (first, second) = (number(&one), number(&two));
    let by = async |token: String| found(&fhir, "Patient", &[("identifier", &token)]).await;
    assert_eq!(by(format!("{ON_NUMBERS}|{first}")).await, [one.id()]);
    assert_eq!(by(format!("urn:other|{first}")).await, Vec::<String>::new());
    let mut both = vec![one.id(), two.id()];
    both.sort_unstable();
    assert_eq!(by(format!("{ON_NUMBERS}|{first},{ON_NUMBERS}|{second}")).await, both);
    let escaped = odd.replace('\\', r"\\").replace(',', r"\,").replace('|', r"\|").replace('$', r"\$");
    assert_eq!(by(format!("urn:odd|{escaped}")).await, [one.id()]);
}

pub async fn people_are_found_by_name_and_birth_date(fhir: FhirServer) {
    let person = Person::new();
    put_all(&fhir, std::slice::from_ref(&person.patient)).await;
    let family = person.patient["name"][0]["family"].as_str().unwrap();
    let birth_date = person.patient["birthDate"].as_str().unwrap();
    let by = async |criteria: &[(&str, &str)]| found(&fhir, "Patient", criteria).await;
    let plain = family.replace('É', "e");
    assert_eq!(by(&[("birthdate", birth_date), ("family", family)]).await, [person.id()]);
    assert_eq!(by(&[("family", &plain)]).await, [person.id()]);
    assert_eq!(by(&[("family", &plain[..plain.len() - 3])]).await, [person.id()]);
    assert_eq!(by(&[("family:exact", family)]).await, [person.id()]);
    assert_eq!(by(&[("family:exact", &plain)]).await, Vec::<String>::new());
    assert_eq!(by(&[("birthdate", "1850-01-01"), ("family", family)]).await, Vec::<String>::new());
}

pub async fn patients_are_found_by_their_links(fhir: FhirServer) {
    let (live, mut merged) = (Person::new(), Person::new());
    merged.patient["link"] =
        json!([{"other": {"reference": format!("Patient/{}", live.id())}, "type": "replaced-by"}]);
    put_all(&fhir, &[live.patient.clone(), merged.patient.clone()]).await;
    assert_eq!(found(&fhir, "Patient", &[("link", &format!("Patient/{}", live.id()))]).await, [merged.id()]);
    assert_eq!(fhir.merged_into(&live.patient).await.unwrap(), [merged.id()].into());
}

pub async fn records_of_several_patients_are_found_at_once(fhir: FhirServer) {
    let (one, two) = (Person::new().doses(2).allergy(), Person::new().doses(1));
    one.upload(&fhir).await;
    two.upload(&fhir).await;
    let people = format!("{},{}", one.id(), two.id());
    assert_eq!(found(&fhir, "Immunization", &[("patient", &people)]).await.len(), 3);
    assert_eq!(found(&fhir, "AllergyIntolerance", &[("patient", &people)]).await, [one.resource_id(2)]);
    assert_eq!(found(&fhir, "Immunization", &[("patient", &format!("Patient/{}", two.id()))]).await.len(), 1);
}

pub async fn provenance_and_audit_events_are_found_by_what_they_are_about(fhir: FhirServer) {
    let person = Person::new().doses(1);
    person.upload(&fhir).await;
    let patient = format!("Patient/{}", person.id());
    let who = json!({"identifier": {"system": "urn:x", "value": "here"}});
    let provenance = json!({
        "resourceType": "Provenance", "id": format!("p-{}", person.id()),
        "target": [{"reference": patient}, {"reference": format!("Immunization/{}", person.resource_id(0))}],
        "recorded": "2026-01-01T00:00:00Z", "agent": [{"who": who}],
    });
    let event = json!({
        "resourceType": "AuditEvent", "id": format!("e-{}", person.id()),
        "type": {"system": "http://dicom.nema.org/resources/ontology/DCM", "code": "110107"},
        "recorded": "2026-01-01T00:00:00Z", "agent": [{"who": who, "requestor": true}],
        "source": {"observer": who}, "entity": [{"what": {"reference": patient}}],
    });
    put_all(&fhir, &[provenance.clone(), event.clone()]).await;
    let id = |resource: &Value| resource["id"].as_str().unwrap().to_owned();
    assert_eq!(found(&fhir, "Provenance", &[("target", &patient)]).await, [id(&provenance)]);
    assert_eq!(found(&fhir, "AuditEvent", &[("entity", &patient)]).await, [id(&event)]);
}

pub async fn an_unknown_search_parameter_is_refused(fhir: FhirServer) {
    let refused = fhir.search("Patient", &[("shoe-size", "43")]).await;
    assert!(matches!(&refused, Err(FhirError::Refused { code, .. }) if code == "HAPI-0524"), "{refused:?}");
}

pub async fn every_resource_has_a_version_and_a_time(fhir: FhirServer) {
    let mut person = Person::new();
    put_all(&fhir, std::slice::from_ref(&person.patient)).await;
    person.patient["gender"] = json!("male");
    put_all(&fhir, std::slice::from_ref(&person.patient)).await;
    let Found::Present(read) = fhir.read("Patient", &person.id()).await.unwrap() else {
        panic!("it is there")
    };
    let searched = fhir.search("Patient", &[("_id", &person.id())]).await.unwrap().remove(0);
    for shown in [read, searched] {
        assert_eq!(shown["meta"]["versionId"], "2");
        assert!(shown["meta"]["lastUpdated"].as_str().unwrap().contains('T'), "{}", shown["meta"]);
        assert!(shown["meta"]["source"].as_str().unwrap().starts_with('#'), "{}", shown["meta"]);
        assert_eq!(shown["gender"], "male");
    }
}

pub async fn searches_asked_together_answer_as_each_would_alone_and_never_from_a_cache(fhir: FhirServer) {
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

pub async fn a_validation_tells_errors_and_stores_nothing(fhir: FhirServer) {
    let person = Person::new().doses(1);
    let mut dose = person.resources[0].clone();
    assert_eq!(fhir.validate("Immunization", &dose).await.unwrap(), Vec::<String>::new());
    for status in [json!(null), json!("unheard-of")] {
        dose["status"] = status;
        assert_ne!(fhir.validate("Immunization", &dose).await.unwrap(), Vec::<String>::new());
    }
    assert_eq!(fhir.read("Immunization", &person.resource_id(0)).await.unwrap(), Found::Absent);
}
