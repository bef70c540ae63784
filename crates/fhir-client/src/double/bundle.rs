//! Bundles that are posted to the base: transactions, and batches.

use std::fmt::Write as _;

use reqwest::StatusCode;
use serde_json::Value;

use super::Time;
use super::change::{self, Asked, Done, Method};
use super::outcome::{self, Refused};
use super::search;
use super::store::{Store, key};
use crate::transport::FhirResponse;

/// One entry of a Bundle.
enum Entry {
    /// A read, or a search.
    Get(String),
    Change(Asked),
}

pub(super) fn post(store: &mut Store, body: &[u8], cache: &str, now: Time) -> Result<FhirResponse, Refused> {
    let mut bundle = change::parse(body)?;
    let entries = match bundle.get_mut("entry").map(Value::take) {
        Some(Value::Array(entries)) => entries,
        _ => Vec::new(),
    };
    match bundle.get("type").and_then(Value::as_str) {
        Some("transaction") => transaction(store, entries, now),
        Some("batch") => Ok(batch(store, entries, cache, now)),
        _ => Err(Refused::bad_request("HAPI-0527: neither a transaction nor a batch")),
    }
}

fn transaction(store: &mut Store, entries: Vec<Value>, now: Time) -> Result<FhirResponse, Refused> {
    let mut changes = Vec::new();
    for entry in entries {
        match read_entry(entry)? {
            Entry::Change(asked) => changes.push(asked),
            Entry::Get(_) => return Err(Refused::unknown("the double reads in batches only")),
        }
    }
    let done = change::apply(store, changes, now)?;
    let mut body = String::from(r#"{"resourceType":"Bundle","type":"transaction-response","entry":["#);
    for (at, done) in done.iter().enumerate() {
        if at > 0 {
            body.push(',');
        }
        write_done(&mut body, store, done);
    }
    body.push_str("]}");
    Ok(outcome::ok(body))
}

fn batch(store: &mut Store, entries: Vec<Value>, cache: &str, now: Time) -> FhirResponse {
    let mut body = String::from(r#"{"resourceType":"Bundle","type":"batch-response","entry":["#);
    for (at, entry) in entries.into_iter().enumerate() {
        if at > 0 {
            body.push(',');
        }
        let answered = match read_entry(entry) {
            Ok(Entry::Get(url)) => match url.split_once('?') {
                Some((resource_type, criteria)) => {
                    write_search(&mut body, store, resource_type, criteria, (cache, now))
                }
                None => write_read(&mut body, store, &url),
            },
            Ok(Entry::Change(asked)) => change::apply(store, vec![asked], now)
                .map(|done| done.iter().for_each(|done| write_done(&mut body, store, done))),
            Err(refused) => Err(refused),
        };
        if let Err(refused) = answered {
            let outcome = String::from_utf8(refused.body().to_vec()).unwrap_or_default();
            let _ = write!(body, r#"{{"response":{{"status":"{}","outcome":{outcome}}}}}"#, refused.status);
        }
    }
    body.push_str("]}");
    outcome::ok(body)
}

/// Reads one resource.
pub(super) fn read(store: &Store, resource_type: &str, id: &str) -> Result<FhirResponse, Refused> {
    find(store, &key(resource_type, id)).map(|stored| outcome::ok(stored.text.clone()))
}

fn find<'a>(store: &'a Store, key: &str) -> Result<&'a super::store::Stored, Refused> {
    match store.get(key) {
        None => Err(Refused::new(StatusCode::NOT_FOUND, "HAPI-2001: Resource is not known")),
        Some(stored) if stored.is_deleted => {
            Err(Refused::new(StatusCode::GONE, "HAPI-2001: Resource was deleted"))
        }
        Some(stored) => Ok(stored),
    }
}

fn write_read(body: &mut String, store: &Store, key: &str) -> Result<(), Refused> {
    let stored = find(store, key)?;
    let text = std::str::from_utf8(&stored.text).unwrap_or("null");
    let version = stored.version;
    let _ = write!(
        body,
        r#"{{"resource":{text},"response":{{"status":"200 OK","etag":"W/\"{version}\"","lastModified":"{}"}}}}"#,
        stored.updated
    );
    Ok(())
}

fn write_search(
    body: &mut String,
    store: &mut Store,
    resource_type: &str,
    criteria: &str,
    (cache, now): (&str, Time),
) -> Result<(), Refused> {
    let found = search::search(store, resource_type, criteria, cache, now)?;
    let text = std::str::from_utf8(&found.body).unwrap_or("null");
    let _ = write!(body, r#"{{"resource":{text},"response":{{"status":"200 OK"}}}}"#);
    Ok(())
}

fn write_done(body: &mut String, store: &Store, done: &Done) {
    let Done { key, status, code } = done;
    let outcome = format!(
        r#"{{"resourceType":"OperationOutcome","issue":[{{"severity":"information","code":"informational","details":{{"coding":[{{"system":"https://hapifhir.io/fhir/CodeSystem/hapi-fhir-storage-response-code","code":"{code}"}}]}}}}]}}"#
    );
    let _ = match store.get(key) {
        Some(stored) => write!(
            body,
            r#"{{"response":{{"status":"{status}","location":"{key}/_history/{version}","etag":"{version}","lastModified":"{}","outcome":{outcome}}}}}"#,
            stored.updated,
            version = stored.version,
        ),
        None => write!(body, r#"{{"response":{{"status":"{status}","outcome":{outcome}}}}}"#),
    };
}

fn read_entry(mut entry: Value) -> Result<Entry, Refused> {
    let resource = entry.get_mut("resource").map(Value::take);
    let full_url = entry.get("fullUrl").and_then(Value::as_str).map(str::to_owned);
    let request = entry.get("request").cloned().unwrap_or_default();
    let text = |name: &str| request.get(name).and_then(Value::as_str).unwrap_or_default();
    if text("method") == "GET" {
        return Ok(Entry::Get(text("url").to_owned()));
    }
    if request.get("ifNoneExist").is_some() || text("url").contains('?') {
        return Err(Refused::unknown("the double does nothing on conditions"));
    }
    let (resource_type, id) = text("url").split_once('/').unwrap_or((text("url"), ""));
    let method = match text("method") {
        "PUT" => Method::Put,
        "POST" => Method::Post,
        "DELETE" => Method::Delete,
        _ => return Err(Refused::unknown("the double does not know this method")),
    };
    let if_match = request.get("ifMatch").and_then(Value::as_str).map(version);
    Ok(Entry::Change(Asked {
        method,
        resource_type: resource_type.to_owned(),
        id: id.to_owned(),
        resource,
        if_match,
        full_url,
    }))
}

/// Reads `W/"1"`, `"1"` and `1`.
fn version(etag: &str) -> String {
    etag.trim_start_matches("W/").trim_matches('"').to_owned()
}
