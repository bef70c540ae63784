//! Going through a document element by element, tables in hand.

use serde_json::{Map, Value};

use super::limits::Limits;
use super::links::Scope;
use super::path::Path;
use super::primitives::{self, Fault};
use super::types::{Binding, Element, Prim, Ty, TypeDef};
use super::{bundle, narrative, tables};
use crate::{Issue, IssueCode};

/// Deeper than any document that [`super::parse`] lets through; bounds our own calls.
const DEPTH_CEILING: usize = 150;

/// Checks a resource and everything in it.
pub(super) fn check(resource: &Value, limits: &Limits) -> Vec<Issue> {
    let mut walk =
        Walk { issues: Vec::new(), max_issues: limits.max_issues, depth: 0, scope: Scope::default() };
    let name = super::type_of(resource).unwrap_or("Resource");
    walk.resource(resource, &Path::root(super::path::printable(name)), Place::Root);
    walk.issues
}

/// Where a resource stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// By itself, or as a Bundle's entry: its contained resources are its own.
    Root,
    /// In `contained`.
    Contained,
}

/// The state of one check.
pub(super) struct Walk<'a> {
    issues: Vec<Issue>,
    max_issues: usize,
    depth: usize,
    /// What references may point to, where we are.
    pub scope: Scope<'a>,
}

impl<'a> Walk<'a> {
    /// Notes an error.
    pub fn error(&mut self, code: IssueCode, path: &Path<'_>, text: impl Into<String>) {
        if self.issues.len() < self.max_issues {
            self.issues.push(Issue::error(code, path.render(), text));
        }
    }

    /// Notes a broken invariant.
    pub fn broken(&mut self, path: &Path<'_>, text: &'static str) {
        self.error(IssueCode::Invariant, path, text);
    }

    fn is_full(&self) -> bool {
        self.issues.len() >= self.max_issues
    }

    fn resource(&mut self, value: &'a Value, path: &Path<'_>, place: Place) {
        let Value::Object(object) = value else {
            return self.error(IssueCode::Structure, path, "a resource (JSON object) is expected");
        };
        let Some(name) = object.get("resourceType") else {
            return self.error(IssueCode::Structure, path, "resourceType is missing");
        };
        let found = tables::RESOURCES.iter().find(|def| name.as_str() == Some(def.name));
        let Some(def) = found else {
            return self.error(IssueCode::NotSupported, path, "this resourceType is unknown here");
        };
        match place {
            Place::Contained => {
                let outer = self.scope.enter_contained();
                self.object(def, object, path);
                self.scope.leave_contained(outer);
            }
            Place::Root => {
                let outer = self.scope.enter(object);
                bundle::note_entries(&mut self.scope, object);
                self.object(def, object, path);
                super::links::check_contained(self, object, path);
                self.scope.leave(outer);
            }
        }
    }

    /// Checks the members of an object against its type.
    fn object(&mut self, def: &'static TypeDef, object: &'a Map<String, Value>, path: &Path<'_>) {
        if self.depth >= DEPTH_CEILING {
            return self.error(IssueCode::TooLong, path, "the document is nested too deeply");
        }
        if object.is_empty() {
            return self.broken(path, "an element without content is not allowed (ele-1)");
        }
        self.depth += 1;
        let (mut present, mut hint) = (0_u64, 0);
        for (key, value) in object {
            if self.is_full() {
                break;
            }
            let (name, is_companion) = match key.strip_prefix('_') {
                Some(name) => (name, true),
                None => (key.as_str(), false),
            };
            let found = def.find(name, hint).map(|place| (place, &def.elements[place]));
            let Some((place, element)) =
                found.filter(|(_, element)| !is_companion || element.may_have_companion(def))
            else {
                let here = path.field(key);
                self.error(IssueCode::Structure, &here, "R4 knows no such element here");
                continue;
            };
            hint = place + 1;
            present |= 1 << place;
            let here = path.field(name);
            if is_companion {
                self.companion(element, value, object.get(name), &here);
            } else {
                self.element(element, value, object, &here);
            }
        }
        if !self.is_full() {
            self.cardinality(def, object, present, path);
            if let Some(invariants) = def.invariants {
                invariants(self, object, path);
            }
        }
        self.depth -= 1;
    }

    fn cardinality(&mut self, def: &TypeDef, object: &'a Map<String, Value>, present: u64, path: &Path<'_>) {
        for (wanted, name) in def.required {
            if present & wanted == 0 {
                self.error(IssueCode::Required, &path.field(name.trim_end_matches("[x]")), "must be there");
            }
        }
        for (alternatives, name) in def.choices {
            if (present & alternatives).count_ones() > 1 {
                let here = path.field(name.trim_end_matches("[x]"));
                self.error(IssueCode::Structure, &here, "only one of its types may be there");
            }
        }
        if !def.is_resource
            && let Some(id) = object.get("id")
        {
            if object.len() == 1 {
                self.broken(path, "an element needs more than an id (ele-1)");
            }
            self.element_id(id, path);
        }
    }

    /// Checks an id inside a resource, which has more letters than a resource's own.
    fn element_id(&mut self, id: &'a Value, path: &Path<'_>) {
        let Value::String(id) = id else { return };
        let here = path.field("id");
        if id.contains(char::is_whitespace) {
            self.error(IssueCode::Value, &here, "an element's id has no blanks");
        }
        if !self.scope.note_element_id(id) {
            self.error(IssueCode::Duplicate, &here, "another element of the resource has this id");
        }
    }

    fn element(
        &mut self,
        element: &'static Element,
        value: &'a Value,
        owner: &'a Map<String, Value>,
        path: &Path<'_>,
    ) {
        if element.modifier && matches!(element.name, "modifierExtension" | "implicitRules") {
            self.unknown_modifier(value, path);
        }
        match value {
            Value::Array(list) if element.many => {
                if list.is_empty() {
                    self.broken(path, "an empty list is not allowed (ele-1)");
                }
                for (index, item) in list.iter().enumerate() {
                    if self.is_full() {
                        return;
                    }
                    let here = path.index(index);
                    if item.is_null() && matches!(element.ty, Ty::Prim(_)) {
                        if !has_companion_at(owner, element.name, index) {
                            self.broken(&here, "null stands only beside an extension (ele-1)");
                        }
                        continue;
                    }
                    self.single(element, item, &here);
                }
            }
            _ if element.many => self.error(IssueCode::Structure, path, "a list is expected"),
            Value::Array(_) => self.error(IssueCode::Structure, path, "a list is not allowed here"),
            single => self.single(element, single, path),
        }
    }

    fn single(&mut self, element: &'static Element, value: &'a Value, path: &Path<'_>) {
        match &element.ty {
            Ty::Prim(prim) => self.primitive(*prim, element, value, path),
            Ty::Resource => {
                let place = if element.name == "contained" { Place::Contained } else { Place::Root };
                self.resource(value, path, place);
            }
            Ty::Xhtml => match value {
                Value::String(text) => {
                    if let Some(fault) = narrative::fault(text) {
                        self.broken(path, fault);
                    }
                }
                _ => self.error(IssueCode::Structure, path, "a string is expected"),
            },
            Ty::Complex(def) => {
                let Value::Object(object) = value else {
                    return self.error(IssueCode::Structure, path, "an object is expected");
                };
                self.object(def, object, path);
                if def.name == "Reference" {
                    super::links::check_reference(self, object, element.targets, path);
                }
                if let Binding::Concepts(concepts) = element.binding
                    && !has_bound_coding(value, concepts)
                {
                    self.error(IssueCode::CodeInvalid, path, "a code of the required value set is expected");
                }
            }
        }
    }

    fn primitive(&mut self, prim: Prim, element: &Element, value: &'a Value, path: &Path<'_>) {
        match primitives::fault(prim, value) {
            Some(Fault::Shape(text)) => return self.error(IssueCode::Structure, path, text),
            Some(Fault::Format(text)) => return self.error(IssueCode::Value, path, text),
            None => {}
        }
        let Value::String(text) = value else { return };
        if let Binding::Codes(codes) = element.binding
            && codes.binary_search(&text.as_str()).is_err()
        {
            self.error(IssueCode::CodeInvalid, path, "the code is not in the required value set");
        }
        if matches!(prim, Prim::Uri | Prim::Url | Prim::Canonical) {
            self.scope.note_use(text);
        }
    }

    /// Checks `_name`, the id and extensions of a primitive.
    fn companion(
        &mut self,
        element: &'static Element,
        value: &'a Value,
        sibling: Option<&'a Value>,
        path: &Path<'_>,
    ) {
        match value {
            Value::Array(list) if element.many => {
                if list.is_empty() || list.iter().all(Value::is_null) {
                    self.broken(path, "an element without content is not allowed (ele-1)");
                }
                for (index, item) in list.iter().enumerate() {
                    let has_value =
                        sibling.and_then(|values| values.get(index)).is_some_and(|v| !v.is_null());
                    let here = path.index(index);
                    if item.is_null() {
                        if !has_value {
                            self.broken(&here, "an element without content is not allowed (ele-1)");
                        }
                    } else {
                        self.companion_object(element, item, has_value, &here);
                    }
                }
            }
            _ if element.many => self.error(IssueCode::Structure, path, "a list is expected"),
            single => self.companion_object(element, single, sibling.is_some(), path),
        }
    }

    fn companion_object(&mut self, element: &Element, value: &'a Value, has_value: bool, path: &Path<'_>) {
        let Value::Object(object) = value else {
            return self.error(IssueCode::Structure, path, "an object with id or extension is expected");
        };
        for (key, member) in object {
            match key.as_str() {
                "id" => {
                    let id = &tables::T_ELEMENT.elements[1];
                    self.single(id, member, &path.field("id"));
                    self.element_id(member, path);
                }
                "extension" => {
                    let extension = &tables::T_ELEMENT.elements[0];
                    self.element(extension, member, object, &path.field("extension"));
                }
                other => {
                    self.error(IssueCode::Structure, &path.field(other), "R4 knows no such element here");
                }
            }
        }
        if object.is_empty() || (!has_value && !object.contains_key("extension")) {
            self.broken(path, "an element without content is not allowed (ele-1)");
        } else if !has_value && matches!(element.binding, Binding::Codes(_)) {
            // A required binding leaves no choice but a code of its value set: extensions do not replace it.
            self.error(IssueCode::CodeInvalid, path, "a code of the required value set is expected");
        }
    }

    /// Refuses what changes meanings in a way we do not understand.
    fn unknown_modifier(&mut self, value: &Value, path: &Path<'_>) {
        let urls: Vec<&str> = match value {
            Value::String(rules) => vec![rules],
            Value::Array(list) => {
                list.iter().map(|item| item.get("url").and_then(Value::as_str).unwrap_or_default()).collect()
            }
            _ => return,
        };
        if urls.iter().any(|url| !UNDERSTOOD_MODIFIERS.contains(url)) {
            let text = "changes the meaning of the resource in a way that is not understood here";
            self.error(IssueCode::Extension, path, text);
        }
    }
}

/// URLs of the modifier extensions and implicit rules that we understand: none so far.
const UNDERSTOOD_MODIFIERS: &[&str] = &[];

fn has_companion_at(owner: &Map<String, Value>, name: &str, index: usize) -> bool {
    let companion = owner.get(&format!("_{name}"));
    companion.and_then(|list| list.get(index)).is_some_and(Value::is_object)
}

/// Tells whether a Coding, or a coding of a CodeableConcept, is one of the sorted concepts. An extension that says why
/// there is none does not replace it.
fn has_bound_coding(value: &Value, concepts: &[(&str, &str)]) -> bool {
    let is_bound = |coding: &Value| {
        let part = |name| coding.get(name).and_then(Value::as_str).unwrap_or_default();
        concepts.binary_search(&(part("system"), part("code"))).is_ok()
    };
    match value.get("coding") {
        Some(Value::Array(codings)) => codings.iter().any(is_bound),
        Some(_) => true, // its shape has been refused already
        None => is_bound(value),
    }
}
