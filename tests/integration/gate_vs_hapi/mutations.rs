//! Changes that can be made anywhere: each class tried at every place of every document.

use std::fmt;

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::values;

/// A document that was valid, changed in one place.
pub struct Mutation {
    pub resource_type: &'static str,
    /// What was done.
    pub class: &'static str,
    /// Where: a JSON pointer, items of lists without their number.
    pub at: String,
    pub bytes: Vec<u8>,
}

impl Mutation {
    /// A number that looks like chance, always the same for the same mutation and seed.
    pub fn rank(&self, seed: &str) -> [u8; 32] {
        Sha256::digest(format!("{seed} {self}")).into()
    }
}

impl fmt::Display for Mutation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}{}", self.class, self.resource_type, self.at)
    }
}

/// What becomes of a value: another one, or `None` where the class does not apply.
pub type Change = fn(&Value) -> Option<Value>;

/// Makes every mutation of every document.
pub fn of(documents: &[(&'static str, Value)]) -> Vec<Mutation> {
    let mut all = Vec::new();
    for (resource_type, document) in documents {
        for place in places(document) {
            let mut add = |class, changed: Option<Value>| {
                if let Some(changed) = changed {
                    let at = without_numbers(&place);
                    all.push(Mutation { resource_type, class, at, bytes: changed.to_string().into_bytes() });
                }
            };
            let old = document.pointer(&place).expect("a place of the document");
            for (class, change) in values::CHANGES {
                add(class, change(old).map(|new| replaced(document, &place, new)));
            }
            if place.is_empty() {
                continue;
            }
            for (class, change) in AROUND {
                add(class, changed_around(document, &place, *change));
            }
        }
    }
    all
}

/// JSON pointers to the document and everything in it, apart from `resourceType`.
fn places(document: &Value) -> Vec<String> {
    let mut found = vec![String::new()];
    match document {
        Value::Object(object) => {
            for (name, value) in object.iter().filter(|(name, _)| *name != "resourceType") {
                found.extend(places(value).into_iter().map(|rest| format!("/{name}{rest}")));
            }
        }
        Value::Array(list) => {
            for (index, value) in list.iter().enumerate() {
                found.extend(places(value).into_iter().map(|rest| format!("/{index}{rest}")));
            }
        }
        _ => {}
    }
    found
}

fn without_numbers(pointer: &str) -> String {
    let parts =
        pointer.split('/').filter(|part| !part.chars().all(|c| c.is_ascii_digit()) || part.is_empty());
    parts.collect::<Vec<_>>().join("/")
}

/// The document with another value at a place.
pub fn replaced(document: &Value, pointer: &str, new: Value) -> Value {
    let mut document = document.clone();
    if let Some(place) = document.pointer_mut(pointer) {
        *place = new;
    }
    document
}

/// Changes that need the object in which a member stands.
type ChangeAround = fn(&mut Map<String, Value>, &str);

const AROUND: &[(&str, ChangeAround)] = &[
    ("member removed", |object, name| drop(object.remove(name))),
    ("member renamed", |object, name| {
        if let Some(value) = object.remove(name) {
            object.insert(format!("{name}s"), value);
        }
    }),
    ("list for a single value", |object, name| {
        if let Some(value) = object.get_mut(name).filter(|value| !value.is_array()) {
            *value = json!([value.take()]);
        }
    }),
    ("reason for absence instead of a value", |object, name| {
        if object.get(name).is_some_and(|value| !value.is_object() && !value.is_array()) {
            object.remove(name);
            object.insert(format!("_{name}"), json!({"extension": [{
                "url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}]}));
        }
    }),
    ("companion of a primitive with an unknown member", |object, name| {
        if object.get(name).is_some_and(|value| !value.is_object() && !value.is_array()) {
            object.insert(format!("_{name}"), json!({"note": "x"}));
        }
    }),
    ("companion that is empty", |object, name| {
        if object.get(name).is_some_and(|value| !value.is_object() && !value.is_array()) {
            object.insert(format!("_{name}"), json!({}));
        }
    }),
    ("companion that is null", |object, name| {
        if object.get(name).is_some_and(|value| !value.is_object() && !value.is_array()) {
            object.insert(format!("_{name}"), Value::Null);
        }
    }),
    ("companion of an object", |object, name| {
        if object.get(name).is_some_and(Value::is_object) {
            object.insert(format!("_{name}"), json!({"id": "x"}));
        }
    }),
    ("companion with an id only beside a value", |object, name| {
        if object.get(name).is_some_and(|value| !value.is_object() && !value.is_array()) {
            object.insert(format!("_{name}"), json!({"id": "x"}));
        }
    }),
];

/// Applies a change to the object around a member; `None` when it changes nothing.
fn changed_around(document: &Value, pointer: &str, change: ChangeAround) -> Option<Value> {
    let (parent, name) = pointer.rsplit_once('/')?;
    let mut changed = document.clone();
    change(changed.pointer_mut(parent)?.as_object_mut()?, name);
    (changed != *document).then_some(changed)
}
