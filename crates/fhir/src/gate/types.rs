//! The shape of the generated tables.

use serde_json::{Map, Value};

use super::path::Path;
use super::walk::Walk;

/// A resource, a datatype or a group of elements inside one.
pub(super) struct TypeDef {
    /// `Patient`, `HumanName`, `Patient.contact`.
    pub name: &'static str,
    /// Whether instances carry `resourceType`.
    pub is_resource: bool,
    /// Every JSON name that may stand in it, choice types written out, sorted by name.
    pub elements: &'static [Element],
    /// Sets of elements (one bit each, in their order) of which at least one must be there, with their R4 name.
    pub required: &'static [(u64, &'static str)],
    /// Sets of elements of which at most one may be there.
    pub choices: &'static [(u64, &'static str)],
    /// What the official definition says beyond tables.
    pub invariants: Option<Invariants>,
}

/// Checks the invariants of one type.
pub(super) type Invariants = for<'a> fn(&mut Walk<'a>, &'a Map<String, Value>, &Path<'_>);

/// One JSON member.
pub(super) struct Element {
    pub name: &'static str,
    pub ty: Ty,
    /// Whether the JSON is a list.
    pub many: bool,
    /// Whether the element changes the meaning of what it stands in.
    pub modifier: bool,
    pub binding: Binding,
    /// The types a Reference may point to; empty: any.
    pub targets: &'static [&'static str],
}

/// What stands in an element.
pub(super) enum Ty {
    Prim(Prim),
    Complex(&'static TypeDef),
    /// Any resource.
    Resource,
    /// The `div` of a narrative.
    Xhtml,
}

/// The required binding of an element, where its value set is finite.
pub(super) enum Binding {
    None,
    /// Sorted codes, for `code`.
    Codes(&'static [&'static str]),
    /// Sorted systems and codes, for `Coding` and `CodeableConcept`.
    Concepts(&'static [(&'static str, &'static str)]),
}

/// The primitive types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Prim {
    Base64Binary,
    Boolean,
    Canonical,
    Code,
    Date,
    DateTime,
    Decimal,
    Id,
    Instant,
    Integer,
    Markdown,
    Oid,
    PositiveInt,
    String,
    Time,
    UnsignedInt,
    Uri,
    Url,
    Uuid,
}

impl TypeDef {
    /// Finds an element by its JSON name, looking first from `hint` on, the place behind the last one found.
    ///
    /// Members come in the order of the table, save those that begin with `_`: so the whole object is found in one
    /// pass, whose comparisons mostly end at the length.
    pub fn find(&self, name: &str, hint: usize) -> Option<usize> {
        let ahead = self.elements.get(hint..).unwrap_or_default();
        if let Some(steps) = ahead.iter().position(|element| element.name == name) {
            return Some(hint + steps);
        }
        self.elements.binary_search_by(|element| element.name.cmp(name)).ok()
    }
}

impl Element {
    /// Tells whether a JSON sibling `_name` with id and extensions may stand beside the element.
    pub fn may_have_companion(&self, owner: &TypeDef) -> bool {
        matches!(self.ty, Ty::Prim(_))
            && !matches!(self.name, "id" | "resourceType")
            && !(self.name == "url" && owner.name == "Extension")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::gate::tables::RESOURCES;

    fn check(def: &'static TypeDef, seen: &mut BTreeSet<&'static str>) {
        if !seen.insert(def.name) {
            return;
        }
        assert!(def.elements.is_sorted_by(|a, b| a.name < b.name), "{}", def.name);
        assert!(def.elements.len() <= 64, "{}", def.name);
        for (elements, name) in def.required.iter().chain(def.choices) {
            let highest = 64 - elements.leading_zeros() as usize;
            assert!((1..=def.elements.len()).contains(&highest), "{} {name}", def.name);
        }
        for element in def.elements {
            match element.binding {
                Binding::Codes(codes) => assert!(codes.is_sorted(), "{}", element.name),
                Binding::Concepts(concepts) => assert!(concepts.is_sorted(), "{}", element.name),
                Binding::None => {}
            }
            if let Ty::Complex(inner) = element.ty {
                check(inner, seen);
            }
        }
    }

    #[test]
    fn the_tables_can_be_searched() {
        let mut seen = BTreeSet::new();
        for def in RESOURCES {
            check(def, &mut seen);
        }
        assert!(seen.len() > 70);
    }

    #[test]
    fn an_element_is_found_with_and_without_a_hint() {
        let patient = RESOURCES.iter().find(|def| def.name == "Patient").unwrap();
        let place = patient.find("gender", 0).unwrap();
        assert_eq!(patient.find("gender", place), Some(place));
        assert_eq!(patient.find("gender", 10_000), Some(place));
        assert_eq!(patient.find("colour", place), None);
    }
}
