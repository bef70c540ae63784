#!/usr/bin/env python3
"""Writes ../src/gate/tables.rs, the R4 definitions that the gate checks documents against.

Source: the official FHIR R4 (4.0.1) definitions as they come in the Maven artifact
ca.uhn.hapi.fhir:hapi-fhir-validation-resources-r4. Fetch it with

    mvn dependency:get -Dtransitive=false \\
        -Dartifact=ca.uhn.hapi.fhir:hapi-fhir-validation-resources-r4:8.8.0

and run (Python 3.11, standard library only)

    python3 generate.py ~/.m2/repository/ca/uhn/hapi/fhir/hapi-fhir-validation-resources-r4/8.8.0/*.jar

The output is the same for the same jar, byte for byte.
"""

import re
import sys
import xml.etree.ElementTree as ElementTree
import zipfile
from pathlib import Path

ARTIFACT = "ca.uhn.hapi.fhir:hapi-fhir-validation-resources-r4"
NS = "{http://hl7.org/fhir}"
BASE = "org/hl7/fhir/r4/model/"
RESOURCES = [
    "AllergyIntolerance", "AuditEvent", "Bundle", "Immunization", "Location", "Observation",
    "Organization", "Patient", "Practitioner", "PractitionerRole", "Provenance",
]
PRIMITIVES = {
    "base64Binary": "Base64Binary", "boolean": "Boolean", "canonical": "Canonical", "code": "Code",
    "date": "Date", "dateTime": "DateTime", "decimal": "Decimal", "id": "Id", "instant": "Instant",
    "integer": "Integer", "markdown": "Markdown", "oid": "Oid", "positiveInt": "PositiveInt",
    "string": "String", "time": "Time", "unsignedInt": "UnsignedInt", "uri": "Uri", "url": "Url",
    "uuid": "Uuid",
}
# Types whose own invariants gate/invariants.rs knows; the name of the function there.
INVARIANTS = {
    "Age": "age", "Attachment": "attachment", "ContactPoint": "contact_point", "Count": "count",
    "DataRequirement.codeFilter": "path_or_parameter", "DataRequirement.dateFilter": "path_or_parameter",
    "Distance": "distance", "Duration": "duration", "Expression": "expression", "Extension": "extension",
    "Period": "period", "Quantity": "quantity", "Range": "range", "SimpleQuantity": "quantity", "Ratio": "ratio",
    "Timing.repeat": "timing", "TriggerDefinition": "trigger",
    "AllergyIntolerance": "allergy", "AuditEvent.entity": "audit_entity",
    "Immunization.education": "education", "Observation": "observation",
    "Observation.referenceRange": "reference_range", "Organization": "organization",
    "Patient.contact": "contact", "Bundle.entry": "bundle_entry", "Bundle": "bundle",
}


def value(node, name):
    child = node.find(NS + name)
    return None if child is None else child.get("value")


class Definitions:
    """Everything of the jar that is needed, by name or URL."""

    def __init__(self, jar):
        self.types, self.value_sets, self.code_systems = {}, {}, {}
        with zipfile.ZipFile(jar) as archive:
            for name in ["profile/profiles-types.xml", "profile/profiles-resources.xml"]:
                for node in self.parse(archive, name).iter(NS + "StructureDefinition"):
                    # SimpleQuantity is a profile that the definitions use like a type.
                    if value(node, "derivation") != "constraint" or value(node, "name") == "SimpleQuantity":
                        self.types[value(node, "name")] = node
            for name in ["valueset/valuesets.xml", "valueset/v3-codesystems.xml", "valueset/v2-tables.xml"]:
                root = self.parse(archive, name)
                for node in root.iter(NS + "ValueSet"):
                    self.value_sets.setdefault(value(node, "url"), node)
                for node in root.iter(NS + "CodeSystem"):
                    self.code_systems.setdefault(value(node, "url"), node)

    @staticmethod
    def parse(archive, name):
        with archive.open(BASE + name) as file:
            return ElementTree.parse(file).getroot()

    def codes_of(self, url):
        """Lists the (system, code) pairs of a value set, or None where it cannot be written out."""
        node = self.value_sets.get(url.split("|")[0])
        if node is None or node.find(NS + "compose") is None:
            return None
        compose = node.find(NS + "compose")
        if compose.find(NS + "exclude") is not None:
            return None
        pairs = set()
        for include in compose.findall(NS + "include"):
            if include.find(NS + "filter") is not None:
                return None
            system = value(include, "system")
            listed = include.findall(NS + "concept")
            if listed:
                pairs.update((system, value(concept, "code")) for concept in listed)
            elif system is not None:
                whole = self.code_systems.get(system)
                if whole is None or value(whole, "content") not in ("complete", None):
                    return None
                pairs.update((system, value(c, "code")) for c in whole.iter(NS + "concept"))
            for imported in include.findall(NS + "valueSet"):
                inner = self.codes_of(imported.get("value"))
                if inner is None:
                    return None
                pairs.update(inner)
        return pairs or None


class Writer:
    """Turns definitions into Rust statics, each type, code list and target list once."""

    def __init__(self, definitions):
        self.definitions = definitions
        self.done, self.types, self.codes, self.notes = {}, [], {}, []

    def type_of(self, element):
        """Lists (type code, target types) of an element."""
        found = []
        for node in element.findall(NS + "type"):
            code = value(node, "code")
            if code.startswith("http://hl7.org/fhirpath/"):
                # Element.id, Resource.id and Extension.url name a system type; the FHIR type is in an extension.
                inner = [v for e in node.findall(NS + "extension") for v in e if v.get("value")]
                code = inner[0].get("value") if inner else "string"
            if any(p.get("value").endswith("/SimpleQuantity") for p in node.findall(NS + "profile")):
                code = "SimpleQuantity"
            targets = [t.get("value").rsplit("/", 1)[1] for t in node.findall(NS + "targetProfile")]
            found.append((code, [] if "Resource" in targets else targets))
        return found

    def constant(self, path):
        return "T_" + re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", path).replace(".", "_").upper()

    def visit(self, name):
        """Writes the type `name` and the backbone elements in it."""
        if name in self.done:
            return
        self.done[name] = True
        definition = self.definitions.types[name]
        elements = definition.find(NS + "snapshot").findall(NS + "element")
        by_parent = {}
        for element in elements[1:]:
            by_parent.setdefault(value(element, "path").rsplit(".", 1)[0], []).append(element)
        kind = value(definition, "kind")
        for parent, children in by_parent.items():
            path = name if "." not in parent else parent
            self.write(path, name, children, by_parent, kind == "resource" and parent == name)

    def write(self, path, root, children, by_parent, is_resource):
        rows, required, choices = [], [], []
        for element in children:
            own = value(element, "path")
            short = own.rsplit(".", 1)[1]
            if value(element, "max") == "0":
                continue
            many = value(element, "max") != "1"
            assert value(element, "max") in ("1", "*"), own
            modifier = value(element, "isModifier") == "true"
            reference = element.find(NS + "contentReference")
            if reference is not None:
                kinds = [("@" + reference.get("value")[1:], [])]
            elif own in by_parent:
                kinds = [("@" + own, [])]
            else:
                kinds = self.type_of(element)
            if own == root + ".id" and is_resource:
                kinds = [("id", [])]
            names = []
            for code, targets in kinds:
                kind = "Quantity" if code == "SimpleQuantity" else code
                name = short.replace("[x]", kind[0].upper() + kind[1:])
                names.append(name)
                rows.append((name, self.ty(code), many, modifier, self.binding(element, code, own), sorted(targets)))
            if value(element, "min") != "0":
                required.append((names, short))
            if short.endswith("[x]"):
                choices.append((names, short))
        if is_resource:
            rows.append(("resourceType", "Ty::Prim(Prim::Code)", False, False, "Binding::None", []))
        rows.sort()
        assert len(rows) <= 64, path
        order = {row[0]: place for place, row in enumerate(rows)}

        def masks(groups):
            return ", ".join(
                f'(0x{sum(1 << order[n] for n in names):_x}, "{label}")' for names, label in groups)

        public = "pub(super) " if path == "Element" else ""
        lines = [f"{public}static {self.constant(path)}: TypeDef = TypeDef {{"]
        lines.append(f'    name: "{path}", is_resource: {str(is_resource).lower()},')
        lines.append("    elements: &[")
        for name, ty, many, modifier, binding, targets in rows:
            listed = ", ".join(f'"{t}"' for t in targets)
            lines.append(
                f'        Element {{ name: "{name}", ty: {ty}, many: {str(many).lower()}, '
                f"modifier: {str(modifier).lower()}, binding: {binding}, targets: &[{listed}] }},")
        lines.append("    ],")
        lines.append(f"    required: &[{masks(required)}],")
        lines.append(f"    choices: &[{masks(choices)}],")
        function = INVARIANTS.get(path)
        lines.append(f"    invariants: {f'Some(invariants::{function})' if function else 'None'},")
        lines.append("};")
        self.types.append((path, is_resource, "\n".join(lines)))

    def ty(self, code):
        if code.startswith("@"):
            return f"Ty::Complex(&{self.constant(code[1:])})"
        if code in PRIMITIVES:
            return f"Ty::Prim(Prim::{PRIMITIVES[code]})"
        if code == "xhtml":
            return "Ty::Xhtml"
        if code == "Resource":
            return "Ty::Resource"
        self.visit(code)
        return f"Ty::Complex(&{self.constant(code)})"

    def binding(self, element, code, path):
        node = element.find(NS + "binding")
        if node is None or value(node, "strength") != "required" or code in ("Quantity",):
            return "Binding::None"
        url = value(node, "valueSet")
        pairs = self.definitions.codes_of(url)
        if pairs is None:
            self.notes.append(f"{path}: {url} has no finite list; only the format is checked")
            return "Binding::None"
        name = "C_" + re.sub(r"[^A-Za-z0-9]+", "_", url.split("|")[0].rsplit("/", 1)[1]).upper()
        if code in ("code", "string", "uri"):
            self.codes[name] = sorted({c for _, c in pairs})
            return f"Binding::Codes({name})"
        self.codes["S" + name] = sorted(pairs)
        return f"Binding::Concepts(S{name})"

    def text(self, version):
        head = [
            "// Generated by crates/fhir/tables/generate.py; do not edit.",
            f"// Source: FHIR R4 (4.0.1) definitions in {ARTIFACT}:{version}.",
            "//",
            "// FHIR is a registered trademark of HL7; its definitions are published under Creative Commons CC0.",
            "//",
            *[f"// {note}" for note in sorted(self.notes)],
            "",
            "use super::invariants;",
            "use super::types::{Binding, Element, Prim, Ty, TypeDef};",
            "",
            "pub(super) static RESOURCES: &[&TypeDef] = &[",
            *[f"    &{self.constant(p)}," for p, is_resource, _ in sorted(self.types) if is_resource],
            "];",
            "",
        ]
        lists = []
        for name, entries in sorted(self.codes.items()):
            if name.startswith("SC_"):
                body = ", ".join(f'("{s}", "{c}")' for s, c in entries)
                lists.append(f"static {name}: &[(&str, &str)] = &[{body}];")
            else:
                body = ", ".join(f'"{c}"' for c in entries)
                lists.append(f"static {name}: &[&str] = &[{body}];")
        return "\n".join(head + [body for _, _, body in sorted(self.types)] + [""] + lists) + "\n"


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    jar = Path(sys.argv[1])
    version = re.search(r"r4-([0-9.]+)\.jar$", jar.name)
    writer = Writer(Definitions(jar))
    for name in [*RESOURCES, "Element"]:
        writer.visit(name)
    output = Path(__file__).parent.parent / "src" / "gate" / "tables.rs"
    output.write_text(writer.text(version.group(1) if version else "unknown"), encoding="utf-8")
    print(f"{len(writer.types)} types, {len(writer.codes)} code lists -> {output.name}")
    for note in sorted(writer.notes):
        print("note:", note)


if __name__ == "__main__":
    main()
