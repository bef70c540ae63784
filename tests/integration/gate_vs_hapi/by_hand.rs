//! Changes that mean something at one place only.

use serde_json::Value;

use super::mutations::{Mutation, replaced};

mod bytes;
mod content;
mod invariants;
mod links;

/// The document's type, what is done, where (a JSON pointer), and the new value as JSON; nothing removes.
type Case = (&'static str, &'static str, &'static str, &'static str);

/// Makes them.
pub fn all(documents: &[(&'static str, Value)]) -> Vec<Mutation> {
    let cases = [content::CASES, invariants::CASES, links::REFERENCES, links::CONTAINED, links::NARRATIVE];
    let made = cases.into_iter().flatten().map(|case| {
        let (resource_type, class, at, new) = *case;
        let document = &of_type(documents, resource_type).1;
        let changed = if new.is_empty() {
            without(document, at)
        } else {
            set(
                document,
                at,
                serde_json::from_str(new).unwrap_or_else(|_| panic!("{class}: {new} is no JSON")),
            )
        };
        mutation(resource_type, class, format!("{at} {new}"), changed.to_string().into_bytes())
    });
    let patient = of_type(documents, "Patient").1.to_string();
    let broken = bytes::all(&patient);
    made.chain(broken.into_iter().map(|(class, bytes)| mutation("Patient", class, String::new(), bytes)))
        .collect()
}

fn of_type<'a>(documents: &'a [(&'static str, Value)], wanted: &str) -> &'a (&'static str, Value) {
    documents.iter().find(|(resource_type, _)| *resource_type == wanted).expect("a document of the type")
}

fn mutation(resource_type: &'static str, class: &'static str, mut at: String, bytes: Vec<u8>) -> Mutation {
    if let Some((end, _)) = at.char_indices().nth(150) {
        at.truncate(end);
    }
    Mutation { resource_type, class, at, bytes }
}

/// Sets what stands at a place, whether something stood there or not; `new` may be an object of several members, each
/// of which is set, where the place ends with `/*`.
fn set(document: &Value, at: &str, new: Value) -> Value {
    if let Some(parent) = at.strip_suffix("/*") {
        let members = new.as_object().expect("members to set").clone();
        return members.into_iter().fold(document.clone(), |document, (name, value)| {
            let at = format!("{parent}/{name}");
            if value.is_null() { without(&document, &at) } else { set(&document, &at, value) }
        });
    }
    let (parent, name) = at.rsplit_once('/').expect("a pointer");
    let mut object = document.pointer(parent).unwrap_or_else(|| panic!("{at} has a parent")).clone();
    match &mut object {
        Value::Object(members) => drop(members.insert(name.to_owned(), new)),
        Value::Array(items) => items.push(new),
        _ => panic!("nothing can stand at {at}"),
    }
    replaced(document, parent, object)
}

fn without(document: &Value, at: &str) -> Value {
    let (parent, name) = at.rsplit_once('/').expect("a pointer");
    let mut object = document.pointer(parent).unwrap_or_else(|| panic!("{at} has a parent")).clone();
    object
        .as_object_mut()
        .and_then(|members| members.remove(name))
        .unwrap_or_else(|| panic!("{at} is there"));
    replaced(document, parent, object)
}
