//! What references point to: contained resources, entries of the Bundle, and the types they may have.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use super::path::Path;
use super::walk::Walk;
use crate::IssueCode;
use crate::references::{self, Target};

/// The resources that a reference can name where the check stands.
#[derive(Default)]
pub(super) struct Scope<'a> {
    contained: HashMap<&'a str, Contained<'a>>,
    /// Types by `fullUrl`.
    entries: HashMap<&'a str, &'a str>,
    /// Whether the check stands in a contained resource, which may refer to its container by `#`.
    is_in_contained: bool,
    /// The ids of the elements met so far in the resource, contained ones by themselves.
    element_ids: HashSet<&'a str>,
}

/// The contained resources of one id: one, if all is right.
struct Contained<'a> {
    resource_type: &'a str,
    count: usize,
    is_used: bool,
}

/// The scope of the resource around, to be given back to [`Scope::leave`].
pub(super) struct Outer<'a> {
    contained: HashMap<&'a str, Contained<'a>>,
    container: Container<'a>,
}

/// What a contained resource has of its own, of the resource around it; to be given back to
/// [`Scope::leave_contained`].
pub(super) struct Container<'a> {
    is_in_contained: bool,
    element_ids: HashSet<&'a str>,
}

impl<'a> Scope<'a> {
    /// Enters a resource: its contained resources are now the ones that `#id` means.
    pub fn enter(&mut self, resource: &'a Map<String, Value>) -> Outer<'a> {
        let mut inner = HashMap::new();
        let contained = resource.get("contained").and_then(Value::as_array);
        for inside in contained.into_iter().flatten() {
            let id = inside.get("id").and_then(Value::as_str);
            let (Some(id), Some(resource_type)) = (id, super::type_of(inside)) else { continue };
            let known = inner.entry(id).or_insert(Contained { resource_type, count: 0, is_used: false });
            known.count += 1;
            known.is_used |= names_its_container(inside);
        }
        Outer { contained: std::mem::replace(&mut self.contained, inner), container: self.enter_part(false) }
    }

    /// Leaves a resource.
    pub fn leave(&mut self, outer: Outer<'a>) {
        self.contained = outer.contained;
        self.leave_contained(outer.container);
    }

    /// Enters a contained resource.
    pub fn enter_contained(&mut self) -> Container<'a> {
        self.enter_part(true)
    }

    /// Leaves a contained resource.
    pub fn leave_contained(&mut self, outer: Container<'a>) {
        self.is_in_contained = outer.is_in_contained;
        self.element_ids = outer.element_ids;
    }

    fn enter_part(&mut self, is_contained: bool) -> Container<'a> {
        Container {
            is_in_contained: std::mem::replace(&mut self.is_in_contained, is_contained),
            element_ids: std::mem::take(&mut self.element_ids),
        }
    }

    /// Notes the id of an element; tells whether it is the first of its name.
    pub fn note_element_id(&mut self, id: &'a str) -> bool {
        self.element_ids.insert(id)
    }

    /// Adds an entry of the Bundle.
    pub fn note_entry(&mut self, full_url: &'a str, resource_type: &'a str) {
        self.entries.insert(full_url, resource_type);
    }

    /// Notes that a uri of the resource may name a contained resource.
    pub fn note_use(&mut self, uri: &str) {
        let named = uri.strip_prefix('#').and_then(|id| self.contained.get_mut(id));
        if let Some(contained) = named {
            contained.is_used = true;
        }
    }
}

/// Tells whether a contained resource refers to the one it stands in, by the reference `#`.
fn names_its_container(resource: &Value) -> bool {
    match resource {
        Value::Object(object) => {
            object.get("reference").and_then(Value::as_str) == Some("#")
                || object.values().any(names_its_container)
        }
        Value::Array(list) => list.iter().any(names_its_container),
        _ => false,
    }
}

/// Checks where a Reference points: `ref-1`, and the types that the element allows.
pub(super) fn check_reference<'a>(
    walk: &mut Walk<'a>,
    reference: &'a Map<String, Value>,
    allowed: &[&str],
    path: &Path<'_>,
) {
    let stated = reference.get("type").and_then(Value::as_str);
    let text = reference.get("reference").and_then(Value::as_str);
    if text.is_some_and(|text| text.contains(char::is_whitespace)) {
        walk.error(IssueCode::Value, &path.field("reference"), "a reference is a URL and has no blanks");
    }
    let pointed = match text.map(references::target) {
        Some(Target::Contained("")) if !walk.scope.is_in_contained => {
            walk.broken(
                &path.field("reference"),
                "only a contained resource refers to its container (ref-1)",
            );
            None
        }
        None | Some(Target::Contained("") | Target::Other(_)) => None,
        Some(Target::Contained(id)) => {
            walk.scope.note_use(text.unwrap_or_default());
            let found = walk.scope.contained.get(id).map(|found| found.resource_type);
            if found.is_none() {
                walk.broken(&path.field("reference"), "no contained resource has this id (ref-1)");
            }
            found
        }
        Some(Target::Urn(urn)) => walk.scope.entries.get(urn).copied(),
        Some(Target::Relative { resource_type, .. } | Target::Absolute { resource_type, .. }) => {
            Some(resource_type)
        }
        Some(Target::Conditional(query)) => query.split('?').next(),
    };
    if let (Some(pointed), Some(stated)) = (pointed, stated)
        && pointed != stated
    {
        walk.error(IssueCode::Structure, &path.field("type"), "is not the type that the reference names");
    }
    let wrong = [pointed, stated].into_iter().flatten().any(|found| !allowed.contains(&found));
    if wrong && !allowed.is_empty() {
        let text = format!("may refer to {} only", allowed.join(", "));
        walk.error(IssueCode::Structure, &path.field("reference"), text);
    }
}

/// Checks a resource's contained ones: `dom-2` to `dom-5`.
pub(super) fn check_contained(walk: &mut Walk<'_>, resource: &Map<String, Value>, path: &Path<'_>) {
    let Some(list) = resource.get("contained").and_then(Value::as_array) else { return };
    let contained = path.field("contained");
    for (index, inside) in list.iter().enumerate() {
        let here = contained.index(index);
        if inside.get("contained").is_some() {
            walk.broken(&here.field("contained"), "contained resources hold none themselves (dom-2)");
        }
        let meta = here.field("meta");
        for name in ["versionId", "lastUpdated"] {
            if inside.get("meta").and_then(|meta| meta.get(name)).is_some() {
                walk.broken(&meta.field(name), "not allowed in a contained resource (dom-4)");
            }
        }
        if inside.get("meta").and_then(|meta| meta.get("security")).is_some() {
            walk.broken(&meta.field("security"), "not allowed in a contained resource (dom-5)");
        }
        let id = inside.get("id").and_then(Value::as_str).unwrap_or_default();
        let found = walk.scope.contained.get(id);
        let (count, is_used) = found.map_or((0, false), |known| (known.count, known.is_used));
        if count > 1 {
            walk.error(IssueCode::Duplicate, &here.field("id"), "two contained resources have this id");
        } else if !is_used {
            walk.broken(&here, "nothing refers to this contained resource (dom-3)");
        }
    }
}
