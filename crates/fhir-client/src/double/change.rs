//! Writes: everything that is asked is checked against what will be there, then all of it is stored, or nothing.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use bytes::Bytes;
use fhir::canonical::strip_server_meta;
use fhir::references;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::Time;
use super::facts::{Facts, facts};
use super::outcome::Refused;
use super::store::{Store, Write, instant, key};
use crate::transport::FhirResponse;

/// How a resource is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    /// A new one, under an id of the server's.
    Post,
    /// A new one or a new version, under the caller's id.
    Put,
    /// No longer there.
    Delete,
}

/// One change that is asked for.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) method: Method,
    pub(super) resource_type: String,
    /// Empty for one that the server shall choose.
    pub(super) id: String,
    pub(super) resource: Option<Value>,
    /// The version that the caller has read.
    pub(super) if_match: Option<String>,
    /// The name that other resources of the same Bundle may use for it.
    pub(super) full_url: Option<String>,
}

/// What became of one change.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) key: String,
    pub(super) status: &'static str,
    pub(super) code: &'static str,
}

/// What one change does to the store.
enum Effect {
    Nothing(Done),
    Written(Done, Write),
    Deleted(Done),
}

/// Carries out all changes, or none.
pub(super) fn apply(store: &mut Store, mut all: Vec<Asked>, now: Time) -> Result<Vec<Done>, Refused> {
    for asked in &mut all {
        check_id(store, asked)?;
    }
    rename(&mut all)?;
    let mut keys = HashSet::new();
    for asked in &all {
        let key = key(&asked.resource_type, &asked.id);
        if !keys.insert(key) {
            return Err(Refused::bad_request("HAPI-0535: the same resource twice in one transaction"));
        }
    }
    let source = store.new_source();
    let effects = all.into_iter().map(|asked| effect(store, asked, &source, now));
    let effects = effects.collect::<Result<Vec<_>, _>>()?;
    check_references(store, &effects)?;
    Ok(effects.into_iter().map(|effect| carry_out(store, effect, now)).collect())
}

fn check_id(store: &mut Store, asked: &mut Asked) -> Result<(), Refused> {
    if asked.method == Method::Post {
        asked.id = store.new_id();
        return Ok(());
    }
    let is_id = (1..=64).contains(&asked.id.len())
        && asked.id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.');
    let is_new = store.get(&key(&asked.resource_type, &asked.id)).is_none();
    if !is_id {
        return Err(Refused::bad_request("HAPI-0521: an id that is none"));
    }
    if asked.method == Method::Put && is_new && asked.id.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Refused::bad_request(
            "HAPI-0960: clients may only assign IDs with a non-numeric character",
        ));
    }
    Ok(())
}

/// References to the `urn:` names of a Bundle become references to what is stored.
fn rename(all: &mut [Asked]) -> Result<(), Refused> {
    let names: HashMap<String, String> = all
        .iter()
        .filter_map(|asked| Some((asked.full_url.clone()?, key(&asked.resource_type, &asked.id))))
        .collect();
    let mut unknown = false;
    for resource in all.iter_mut().filter_map(|asked| asked.resource.as_mut()) {
        references::for_each_mut(resource, &mut |reference| {
            let Some(Value::String(text)) = reference.get_mut("reference") else { return };
            if text.starts_with("urn:") {
                match names.get(text) {
                    Some(stored) => text.clone_from(stored),
                    None => unknown = true,
                }
            }
        });
    }
    if unknown {
        Err(Refused::bad_request("HAPI-0541: a name that the bundle does not hold"))
    } else {
        Ok(())
    }
}

fn effect(store: &Store, asked: Asked, source: &str, now: Time) -> Result<Effect, Refused> {
    let key = key(&asked.resource_type, &asked.id);
    let present = store.get(&key);
    let is_live = present.is_some_and(|stored| !stored.is_deleted);
    // The server compares with a deletion's version too, and asks for none where nothing ever was.
    if let (Some(wanted), Some(stored)) = (&asked.if_match, present)
        && stored.version.to_string() != *wanted
    {
        return Err(Refused::conflict("HAPI-0989: trying to update a version that is not current"));
    }
    if asked.method == Method::Delete {
        let code = if is_live { "SUCCESSFUL_DELETE" } else { "SUCCESSFUL_DELETE_NOT_FOUND" };
        let done = Done { key, status: "204 No Content", code };
        return Ok(if is_live { Effect::Deleted(done) } else { Effect::Nothing(done) });
    }
    let Some(mut resource) = asked.resource else {
        return Err(Refused::bad_request("HAPI-0522: a write without a resource"));
    };
    if resource.get("resourceType").and_then(Value::as_str) != Some(&*asked.resource_type) {
        return Err(Refused::bad_request("HAPI-0516: a resource of another type than its URL"));
    }
    if resource.get("meta").is_some_and(|meta| !meta.is_object()) {
        return Err(Refused::bad_request("HAPI-1821: a meta that is no object"));
    }
    resource["id"] = Value::from(asked.id);
    strip_server_meta(&mut resource);
    let content = hash(&resource);
    if let Some(stored) = present.filter(|stored| !stored.is_deleted && stored.content == content) {
        debug_assert!(!stored.text.is_empty(), "what is there has a text");
        return Ok(Effect::Nothing(Done { key, status: "200 OK", code: "SUCCESSFUL_UPDATE_NO_CHANGE" }));
    }
    let facts = facts(&asked.resource_type, &resource);
    let version = present.map_or(1, |stored| stored.version + 1);
    resource["meta"]["versionId"] = Value::from(version.to_string());
    resource["meta"]["lastUpdated"] = Value::from(instant(now));
    resource["meta"]["source"] = Value::from(source);
    let (status, code) = match (asked.method, is_live) {
        (Method::Post, _) => ("201 Created", "SUCCESSFUL_CREATE"),
        (_, false) => ("201 Created", "SUCCESSFUL_UPDATE_AS_CREATE"),
        (_, true) => ("200 OK", "SUCCESSFUL_UPDATE"),
    };
    let write = Write { text: Bytes::from(resource.to_string()), content, facts };
    Ok(Effect::Written(Done { key, status, code }, write))
}

/// Members of an object are in the order of their names, so equal content is equal text.
fn hash(resource: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    resource.to_string().hash(&mut hasher);
    hasher.finish()
}

/// Everything that is referred to must be there afterwards.
fn check_references(store: &Store, effects: &[Effect]) -> Result<(), Refused> {
    let mut written = HashSet::new();
    let mut deleted = HashSet::new();
    for effect in effects {
        match effect {
            Effect::Written(done, _) => written.insert(done.key.as_str()),
            Effect::Deleted(done) => deleted.insert(done.key.as_str()),
            Effect::Nothing(_) => false,
        };
    }
    for effect in effects {
        let Effect::Written(_, Write { facts: Facts { targets, .. }, .. }) = effect else { continue };
        for target in targets.iter().map(String::as_str).filter(|target| !written.contains(target)) {
            let refused = match store.get(target) {
                None => "HAPI-1094: a reference to what is not there",
                Some(stored) if stored.is_deleted || deleted.contains(target) => {
                    "HAPI-1096: a reference to what was deleted"
                }
                Some(_) => continue,
            };
            return Err(Refused::bad_request(refused));
        }
    }
    for gone in &deleted {
        let stays = |key: &str| !deleted.contains(key) && !written.contains(key);
        if store.referring(gone).any(|stored| stays(&stored.key)) {
            return Err(Refused::conflict(
                "HAPI-0515: Unable to delete: another resource has a reference to it",
            ));
        }
    }
    Ok(())
}

fn carry_out(store: &mut Store, effect: Effect, now: Time) -> Done {
    match effect {
        Effect::Nothing(done) => done,
        Effect::Written(done, write) => {
            store.put(&done.key, write, now);
            done
        }
        Effect::Deleted(done) => {
            store.delete(&done.key, now);
            done
        }
    }
}

/// Carries out a single change, outside of any Bundle.
pub(super) fn one(
    store: &mut Store,
    method: Method,
    resource_type: &str,
    id: Option<&str>,
    body: &[u8],
    now: Time,
) -> Result<FhirResponse, Refused> {
    let resource = match method {
        Method::Delete => None,
        Method::Post | Method::Put => Some(parse(body)?),
    };
    let asked = Asked {
        method,
        resource_type: resource_type.to_owned(),
        id: id.unwrap_or_default().to_owned(),
        resource,
        if_match: None,
        full_url: None,
    };
    let done = apply(store, vec![asked], now)?;
    let stored = done.first().and_then(|done| store.get(&done.key)).filter(|stored| !stored.is_deleted);
    let is_new = done.first().is_some_and(|done| done.status.starts_with("201"));
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    let nothing = || Bytes::from(json!({"resourceType": "OperationOutcome", "issue": []}).to_string());
    let body = stored.map_or_else(nothing, |stored| stored.text.clone());
    Ok(FhirResponse { status, body })
}

/// Writes resources under their own ids, all or none.
pub(super) fn put_all(store: &mut Store, resources: &[Value], now: Time) -> Result<(), Refused> {
    let text =
        |resource: &Value, name| resource.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let asked = resources.iter().map(|resource| Asked {
        method: Method::Put,
        resource_type: text(resource, "resourceType"),
        id: text(resource, "id"),
        resource: Some(resource.clone()),
        if_match: None,
        full_url: None,
    });
    let asked = asked.collect();
    apply(store, asked, now).map(|_| ())
}

pub(super) fn parse(body: &[u8]) -> Result<Value, Refused> {
    let parsed = serde_json::from_slice(body);
    parsed.map_err(|_| Refused::bad_request("HAPI-0450: Failed to parse request body as JSON resource"))
}
