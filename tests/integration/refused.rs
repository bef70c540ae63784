//! What is no good package is refused by name, and nothing of it is written.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use contracts::{ContentDigest, Problem};
use domain::TransferId;
use futures::StreamExt;
use local_stack::{ProvinceService, Stack};
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE};
use reqwest::{Body, Method, Response};
use serde_json::{Value, json};
use test_kit::{Person, World, copy_id, package_of};
use tokio::sync::{Mutex, MutexGuard, OnceCell};

mod hang_ups;
mod mutations;
mod rules;

const FHIR_JSON: &str = "application/fhir+json";

/// A world whose only service is the gateway of BC, with room for one package at a time; for one test at a time.
async fn gateway() -> (&'static World, MutexGuard<'static, ()>) {
    static WORLD: OnceCell<World> = OnceCell::const_new();
    static ALONE: Mutex<()> = Mutex::const_new(());
    let alone = ALONE.lock().await;
    let make = async || {
        let services = [("ON", ProvinceService::Outbound), ("BC", ProvinceService::Inbound)];
        let world = World::prepared("refused", &services).await;
        let narrow = |config: &mut Value| config["intake"]["concurrency"] = json!(1);
        world.start("BC", ProvinceService::Inbound, "", &narrow, &[]).await;
        world
    };
    (WORLD.get_or_init(make).await, alone)
}

/// Reads a refusal, which is a problem document with a request id.
async fn problem(answer: Response) -> Problem {
    let status = answer.status();
    let headers = answer.headers().clone();
    let body = answer.text().await.expect("a text");
    assert!(status.is_client_error(), "{status}: {body}");
    assert_eq!(headers[CONTENT_TYPE], "application/problem+json", "{body}");
    assert!(!headers["x-request-id"].is_empty());
    let problem: Problem = serde_json::from_str(&body).expect("a problem document");
    assert_eq!(problem.status, status.as_u16());
    assert!(problem.known_code().is_some(), "{body}");
    problem
}

/// Asserts that BC's FHIR server has nothing of a person.
async fn assert_nothing_arrived(world: &World, person: &Person) {
    let id = copy_id("ON", "Patient", &person.id());
    let bc = world.fhir("BC");
    assert_eq!(bc.count("Patient", &[("_id", &id)]).await.expect("a count"), 0);
    assert_eq!(bc.count("Immunization", &[("patient", &id)]).await.expect("a count"), 0);
}

/// A person with a bit of everything that is sent.
fn person() -> Person {
    let mut person = Person::new().dose("2010-03-04", "03").dose("2011-03-04", "21").allergy();
    let clinic =
        json!({"resourceType": "Organization", "id": format!("o{}", person.id()), "name": "Clinique"});
    let actor =
        json!([{"actor": {"reference": format!("Organization/{}", clinic["id"].as_str().expect("an id"))}}]);
    person.resources[0]["performer"] = actor.clone();
    person.resources[1]["performer"] = actor;
    person.resources.push(clinic);
    person
}

/// Replaces what stands at a JSON pointer; null removes it, an index behind the end appends.
fn set(package: &mut Value, pointer: &str, value: Value) {
    let (parent, name) = pointer.rsplit_once('/').expect("a pointer");
    match package.pointer_mut(parent).unwrap_or_else(|| panic!("nothing at {parent}")) {
        Value::Object(object) if value.is_null() => drop(object.remove(name)),
        Value::Object(object) => drop(object.insert(name.to_owned(), value)),
        Value::Array(list) => match name.parse::<usize>() {
            Ok(at) if at < list.len() => list[at] = value,
            _ => list.push(value),
        },
        _ => panic!("nothing can stand at {pointer}"),
    }
}

#[tokio::test]
async fn bytes_that_are_no_document_are_refused_and_leave_nothing() {
    let world = World::shared().await;
    let person = person();
    let good = package_of(&person, "ON", TransferId::generate()).to_string();
    let inserted = |text: &str| good.replacen("{\"", &format!("{{{text},\""), 1).into_bytes();
    let mut bad_utf8 = good.clone().into_bytes();
    let at = good.find("Zo").unwrap();
    bad_utf8[at] = 0xff;
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let cases: [(&str, Vec<u8>, &str); 16] = [
        ("a duplicate key", inserted("\"type\":\"collection\",\"type\":\"collection\""), "invalid-json"),
        ("depth", deep.clone().into_bytes(), "too-deep"),
        ("depth inside", inserted(&format!("\"extension\":{deep}")), "too-deep"),
        ("depth, never closed", "{\"a\":".repeat(10_000).into_bytes(), "too-deep"),
        ("no UTF-8", bad_utf8, "invalid-json"),
        ("a byte order mark", [b"\xef\xbb\xbf", good.as_bytes()].concat(), "invalid-json"),
        ("UTF-16", good.encode_utf16().flat_map(u16::to_le_bytes).collect(), "invalid-json"),
        ("a number of 400 digits", inserted(&format!("\"total\":{}", "9".repeat(400))), "invalid-json"),
        ("an endless exponent", inserted(&format!("\"total\":1e{}", "9".repeat(400))), "invalid-json"),
        ("nothing", Vec::new(), "invalid-json"),
        ("blanks", b" \n\t ".to_vec(), "invalid-json"),
        ("a part", good.as_bytes()[..good.len() / 2].to_vec(), "invalid-json"),
        ("two documents", [good.as_bytes(), good.as_bytes()].concat(), "invalid-json"),
        ("an empty list", inserted("\"link\":[]"), "invalid-json"),
        ("a lone surrogate", inserted("\"language\":\"\\ud800\""), "invalid-json"),
        ("NUL", inserted("\"language\":\"\\u0000\""), "package-invalid"),
    ];
    for (what, bytes, code) in cases {
        let found = problem(world.put("ON", "BC", TransferId::generate(), &bytes).await).await;
        assert_eq!(found.code, code, "{what}: {found:?}");
        assert!(!found.issues.is_empty(), "{what}");
    }
    assert_nothing_arrived(world, &person).await;
}

#[tokio::test]
async fn documents_that_are_no_package_are_refused() {
    let world = World::shared().await;
    for bytes in
        ["null", "true", "7", "\"Bundle\"", "[{\"a\":1}]", "{\"resourceType\":\"Patient\"}", "{\"a\":1}"]
    {
        let found = problem(world.put("ON", "BC", TransferId::generate(), bytes.as_bytes()).await).await;
        assert_eq!((found.status, found.code.as_str()), (422, "package-invalid"), "{bytes}");
    }
}

#[tokio::test]
async fn names_that_no_element_has_are_refused_whatever_is_in_them() {
    let world = World::shared().await;
    let long = "n".repeat(100_000);
    for name in
        ["\0", "a\0b", "\u{1}\u{7f}", "'; DROP TABLE inbound_transfer; --", "é\u{202e}", "a.b[0]", "", &long]
    {
        for at in
            ["", "/entry/0", "/entry/0/resource", "/entry/0/resource/name/0", "/entry/1/resource/vaccineCode"]
        {
            let person = person();
            let mut package = package_of(&person, "ON", TransferId::generate());
            let place = package.pointer_mut(at).unwrap().as_object_mut().unwrap();
            place.insert(name.to_owned(), json!("Person"));
            let id = TransferId::generate();
            let answer = world.put("ON", "BC", id, package.to_string().as_bytes()).await;
            let found = problem(answer).await;
            let short: String = name.chars().take(40).collect();
            assert_eq!(
                (found.status, found.code.as_str()),
                (422, "package-invalid"),
                "{short:?} at {at}: {found:?}"
            );
            assert!(serde_json::to_string(&found).unwrap().len() < 20_000, "{short:?} at {at} is repeated");
        }
    }
}

#[tokio::test]
async fn a_body_of_a_hundred_megabytes_is_refused_and_not_read_to_its_end() {
    const CHUNK: usize = 1 << 20;
    let (world, _alone) = gateway().await;
    let memory = || {
        let name = format!("bc-inbound-transfer-{}", world.name());
        let all = Stack::status(world.stack().layout());
        all.into_iter().find(|one| one.record.name == name).expect("the service runs").memory_bytes
    };
    let client = world.peer_client("ON", "outbound-transfer", "BC");
    let put = |id: TransferId| {
        let call = client.put(format!("{}/inbound-transfer/{id}", world.gateway("BC", "")));
        call.header(CONTENT_TYPE, FHIR_JSON)
            .header("Content-Digest", ContentDigest::of(b"whatever").to_header())
    };
    let before = memory();
    let pulled = Arc::new(AtomicUsize::new(0));
    for length in [Some(100 * CHUNK), None] {
        let counted = pulled.clone();
        let chunks = futures::stream::iter(0..100).map(move |_| {
            counted.fetch_add(CHUNK, Ordering::Relaxed);
            Ok::<_, std::io::Error>(Bytes::from(vec![b' '; CHUNK]))
        });
        let mut call = put(TransferId::generate());
        if let Some(length) = length {
            call = call.header("Content-Length", length);
        }
        let found = problem(call.body(Body::wrap_stream(chunks)).send().await.unwrap()).await;
        assert_eq!((found.status, found.code.as_str()), (413, "too-large"), "{length:?}");
    }
    // Both together: what was refused by its length was hardly read, the other one not beyond the limit and buffers.
    assert!(pulled.load(Ordering::Relaxed) < 40 * CHUNK, "{pulled:?} bytes were drawn");
    assert!(memory() < before + (64 << 20), "{before} bytes grew to {}", memory());
}

/// Method, path, media type, digest, encoding; status and code.
type Case<'a> = (Method, &'a str, &'a str, Option<&'a str>, Option<&'a str>, u16, &'a str);

#[tokio::test]
async fn what_is_asked_in_the_wrong_way_is_refused_by_a_problem() {
    let world = World::shared().await;
    let person = person();
    let package = package_of(&person, "ON", TransferId::generate()).to_string();
    let client = world.peer_client("ON", "outbound-transfer", "BC");
    let good = ContentDigest::of(package.as_bytes()).to_header();
    let other = ContentDigest::of(b"other").to_header();
    let id = TransferId::generate().to_string();
    let path = format!("/inbound-transfer/{id}");
    let xml = "application/fhir+xml";
    let cases: [Case<'_>; 14] = [
        (Method::PUT, &path, "application/json", Some(&good), None, 415, "unsupported-media-type"),
        (Method::PUT, &path, xml, Some(&good), None, 415, "unsupported-media-type"),
        (Method::PUT, &path, "", Some(&good), None, 415, "unsupported-media-type"),
        (Method::PUT, &path, FHIR_JSON, Some(&good), Some("gzip"), 415, "unsupported-media-type"),
        (Method::PUT, &path, FHIR_JSON, None, None, 400, "invalid-request"),
        (Method::PUT, &path, FHIR_JSON, Some("sha-256=:!!:"), None, 400, "invalid-request"),
        (Method::PUT, &path, FHIR_JSON, Some("md5=:AAAA:"), None, 400, "invalid-request"),
        (Method::PUT, &path, FHIR_JSON, Some(&other), None, 400, "digest-mismatch"),
        (Method::PUT, "/inbound-transfer/7", FHIR_JSON, Some(&good), None, 400, "invalid-request"),
        (Method::PUT, "/inbound-transfer/%ff", FHIR_JSON, Some(&good), None, 400, "invalid-request"),
        (Method::POST, &path, FHIR_JSON, Some(&good), None, 405, "method-not-allowed"),
        (Method::DELETE, &path, FHIR_JSON, None, None, 405, "method-not-allowed"),
        (Method::PUT, "/inbound-transfer", FHIR_JSON, Some(&good), None, 404, "not-found"),
        (Method::GET, "/fhir/Patient", "", None, None, 404, "not-found"),
    ];
    for (method, path, media_type, digest, encoding, status, code) in cases {
        let mut call = client.request(method.clone(), format!("{}{path}", world.gateway("BC", "")));
        if !media_type.is_empty() {
            call = call.header(CONTENT_TYPE, media_type);
        }
        for (name, value) in [("content-digest", digest), (CONTENT_ENCODING.as_str(), encoding)] {
            call = if let Some(value) = value { call.header(name, value) } else { call };
        }
        let answer = call.body(package.clone()).send().await.unwrap();
        let found = problem(answer).await;
        let case = format!("{method} {path} {media_type} {digest:?} {encoding:?}");
        assert_eq!((found.status, found.code.as_str()), (status, code), "{case}");
    }
    // No try has left anything: the same id is still unknown, and free.
    let find = client.get(format!("{}{path}", world.gateway("BC", ""))).send().await.unwrap();
    assert_eq!(problem(find).await.code, "not-found");
    assert_nothing_arrived(world, &person).await;
}
