//! Where the gate stands in a document; written out only when an issue is found.

use std::fmt::Write;

/// A FHIRPath as a linked list that lives on the stack.
#[derive(Clone, Copy)]
pub(crate) struct Path<'p> {
    parent: Option<&'p Path<'p>>,
    segment: Segment<'p>,
}

#[derive(Clone, Copy)]
enum Segment<'p> {
    Field(&'p str),
    Index(usize),
}

impl<'p> Path<'p> {
    /// Starts at a resource of type `name`.
    pub fn root(name: &'p str) -> Self {
        Self { parent: None, segment: Segment::Field(name) }
    }

    /// Goes to a member.
    pub fn field(&'p self, name: &'p str) -> Self {
        Self { parent: Some(self), segment: Segment::Field(name) }
    }

    /// Goes to an item of a list.
    pub fn index(&'p self, index: usize) -> Self {
        Self { parent: Some(self), segment: Segment::Index(index) }
    }

    /// Writes the path out.
    pub fn render(&self) -> String {
        let mut out = String::new();
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) {
        if let Some(parent) = self.parent {
            parent.write(out);
        }
        match self.segment {
            Segment::Field(name) => {
                if !out.is_empty() {
                    out.push('.');
                }
                out.push_str(printable(name));
            }
            Segment::Index(index) => {
                let _ = write!(out, "[{index}]");
            }
        }
    }
}

/// Returns a member's name if it looks like one of FHIR's; anything else might be somebody's data.
pub(crate) fn printable(name: &str) -> &str {
    let is_name = (1..=40).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().filter(u8::is_ascii_digit).count() <= 2;
    if is_name { name } else { "(unnamed)" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_reads_as_fhirpath() {
        let root = Path::root("Bundle");
        let (entries, entry, resource);
        entries = root.field("entry");
        entry = entries.index(3);
        resource = entry.field("resource");
        assert_eq!(resource.field("status").render(), "Bundle.entry[3].resource.status");
    }

    #[test]
    fn what_is_no_name_is_not_repeated() {
        assert_eq!(Path::root("Patient").field("Jane Doe 1980-01-01").render(), "Patient.(unnamed)");
        assert_eq!(printable("n9876543210"), "(unnamed)");
    }
}
