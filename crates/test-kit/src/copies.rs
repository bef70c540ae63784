//! A record at its origin, and what its copy must look like elsewhere: by the documented rewrites alone, written a
//! second time, so that the services' own code is not held against itself.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::package::copy_id;
use crate::people::Person;
use crate::world::World;

const ORIGIN_RECORD: &str = "https://iidi.phac-aspc.gc.ca/fhir/NamingSystem/origin-record";

/// Resources (`Type/id`) as a province's FHIR server holds them.
#[derive(Debug, Clone)]
pub struct Original {
    province: String,
    /// The resources by `Type/id`, without what the server sets in `meta`.
    pub resources: BTreeMap<String, Value>,
}

impl Original {
    /// Reads resources (`Type/id`) from a province.
    ///
    /// # Panics
    /// When one is not there.
    pub async fn read(world: &World, province: &str, urls: &[String]) -> Self {
        let mut ids: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for url in urls {
            let (resource_type, id) = url.split_once('/').expect("a type and an id");
            ids.entry(resource_type).or_default().push(id.to_owned());
        }
        let mut resources = BTreeMap::new();
        for (resource_type, ids) in ids {
            let found = world.fhir(province).read_many(&[(resource_type, ids)]).await.expect("a search");
            for mut resource in found {
                strip_meta(&mut resource);
                let id = resource["id"].as_str().expect("an id").to_owned();
                resources.insert(format!("{resource_type}/{id}"), resource);
            }
        }
        let missing: Vec<&String> = urls.iter().filter(|url| !resources.contains_key(*url)).collect();
        assert!(missing.is_empty(), "not in {province}: {missing:?}");
        Self { province: province.to_owned(), resources }
    }

    /// Reads all of a person from a province.
    pub async fn of(world: &World, province: &str, person: &Person) -> Self {
        let urls: Vec<String> =
            std::iter::once(&person.patient).chain(&person.resources).map(url_of).collect();
        Self::read(world, province, &urls).await
    }

    /// Asserts that a province holds a copy of each, and that nothing but the documented rewrites tells them apart.
    ///
    /// # Panics
    /// When it is otherwise; the elements that differ are named with both values.
    pub async fn assert_copied(&self, world: &World, to: &str) {
        let expected: BTreeMap<String, Value> =
            self.resources.values().map(|resource| self.copy(resource)).collect();
        let urls: Vec<String> = expected.keys().cloned().collect();
        let found = Self::read(world, to, &urls).await;
        let mut differences = Vec::new();
        for (url, copy) in &expected {
            let found = &found.resources[url];
            let names: BTreeSet<&String> =
                copy.as_object().into_iter().chain(found.as_object()).flat_map(Map::keys).collect();
            for name in names.into_iter().filter(|name| copy.get(*name) != found.get(*name)) {
                let (expected, found) = (copy.get(name), found.get(name));
                differences.push(format!("{url}: {name}\n  expected {expected:?}\n  found    {found:?}"));
            }
        }
        assert!(differences.is_empty(), "{} differences\n{}", differences.len(), differences.join("\n"));
    }

    /// Returns what a resource is at another province, by `Type/id` there.
    fn copy(&self, resource: &Value) -> (String, Value) {
        let url = url_of(resource);
        let mut copy = resource.clone();
        self.rewrite(&mut copy, "");
        copy["id"] = json!(self.copy_id(&url));
        let origin = json!({"system": ORIGIN_RECORD, "value": format!("{}/{url}", self.province)});
        match copy.get_mut("identifier").and_then(Value::as_array_mut) {
            Some(list) => list.push(origin),
            None => copy["identifier"] = json!([origin]),
        }
        (url_of(&copy), copy)
    }

    fn copy_id(&self, url: &str) -> String {
        let (resource_type, id) = url.split_once('/').expect("a type and an id");
        copy_id(&self.province, resource_type, id)
    }

    fn rewrite(&self, value: &mut Value, key: &str) {
        match value {
            Value::Array(list) => list.iter_mut().for_each(|one| self.rewrite(one, key)),
            Value::Object(object) => {
                if key != "education"
                    && let Some(text) = object.get("reference").and_then(Value::as_str).map(str::to_owned)
                {
                    self.rewrite_reference(object, &text);
                }
                object.iter_mut().for_each(|(name, member)| self.rewrite(member, name));
            }
            _ => {}
        }
    }

    fn rewrite_reference(&self, reference: &mut Map<String, Value>, text: &str) {
        if text.starts_with('#') {
            return;
        }
        if self.resources.contains_key(text) {
            let (resource_type, _) = text.split_once('/').expect("a type and an id");
            reference.insert("reference".into(), json!(format!("{resource_type}/{}", self.copy_id(text))));
            return;
        }
        reference.remove("reference");
        let logical = json!({"system": ORIGIN_RECORD, "value": format!("{}/{text}", self.province)});
        reference.entry("identifier").or_insert(logical);
    }
}

/// Returns `Type/id` of a resource.
///
/// # Panics
/// When it has none.
pub fn url_of(resource: &Value) -> String {
    let text = |name: &str| resource[name].as_str().expect("type and id of a resource").to_owned();
    format!("{}/{}", text("resourceType"), text("id"))
}

fn strip_meta(resource: &mut Value) {
    let Some(meta) = resource.get_mut("meta").and_then(Value::as_object_mut) else { return };
    for of_the_server in ["versionId", "lastUpdated", "source"] {
        meta.remove(of_the_server);
    }
    if meta.is_empty() {
        resource.as_object_mut().expect("a resource").remove("meta");
    }
}
