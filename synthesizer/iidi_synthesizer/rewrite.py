"""Makes foreign records fit to be stored: server marks go, loose references become logical.

A reference to something that is not in the folder must never meet a record of the same
id that the server happens to have. So its `reference` goes, `display` stays, and
`identifier` says what it pointed at.
"""

import collections
import re
import urllib.parse

from iidi_synthesizer.ids import NAMING

SOURCE_REFERENCE = f"{NAMING}/source-reference"
ID_PREFIX = "src-"
_SERVER_MARKS = ("versionId", "lastUpdated", "source")
_REFERENCE_KEYS = {"id", "extension", "reference", "_reference", "type", "identifier", "display", "_display"}
_LITERAL = re.compile(r"([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64})?")


class Known:
    """What the folder holds, by id and by identifier, with the ids used on the server."""

    def __init__(self):
        self._ids: dict[tuple[str, str], str] = {}
        self._types_of_id: dict[str, set[str]] = collections.defaultdict(set)
        self._by_identifier: dict[tuple[str, str, str], set[str]] = collections.defaultdict(set)
        self.renamed = 0

    def add(self, resource: dict) -> bool:
        """Remembers a resource; says no when this type and id were there before."""
        kind, old = resource["resourceType"], resource["id"]
        if (kind, old) in self._ids:
            return False
        new = server_id(old)
        self.renamed += new != old
        self._ids[(kind, old)] = new
        self._types_of_id[old].add(kind)
        for identifier in _objects(resource.get("identifier")):
            system, value = identifier.get("system"), identifier.get("value")
            if isinstance(value, str):
                self._by_identifier[(kind, system if isinstance(system, str) else "", value)].add(new)
        return True

    def resolve(self, text: str) -> str | None:
        """Returns `Type/id` as stored for a reference that leads into the folder."""
        literal = _LITERAL.fullmatch(text)
        if literal:
            new = self._ids.get((literal[1], literal[2]))
            return f"{literal[1]}/{new}" if new else None
        if text.startswith("urn:uuid:"):
            old = text.removeprefix("urn:uuid:")
            kinds = self._types_of_id.get(old, set())
            return f"{min(kinds)}/{self._ids[(min(kinds), old)]}" if len(kinds) == 1 else None
        asked = conditional(text)
        if asked:
            found = self._by_identifier.get((asked[0], asked[1] or "", asked[2]), set())
            return f"{asked[0]}/{min(found)}" if len(found) == 1 else None
        return None


class Rewriter:
    """Rewrites resources of one folder and counts what it changed."""

    def __init__(self, known: Known):
        self._known = known
        self.logical_references = 0

    def rewrite(self, resource: dict) -> dict:
        """Returns the resource as it will be stored; the argument stays as it was."""
        made = self._value(resource, "")
        made["id"] = server_id(resource["id"])
        meta = {k: v for k, v in made.get("meta", {}).items() if k.lstrip("_") not in _SERVER_MARKS}
        if meta:
            made["meta"] = meta
        else:
            made.pop("meta", None)
        return made

    def _value(self, value: object, key: str) -> object:
        if isinstance(value, list):
            return [self._value(item, key) for item in value]
        if not isinstance(value, dict):
            return value
        made = {name: self._value(item, name) for name, item in value.items()}
        # Immunization.education has a `reference` too, but it is a plain address.
        if key != "education" and isinstance(value.get("reference"), str) and _REFERENCE_KEYS >= value.keys():
            return self._reference(made)
        return made

    def _reference(self, reference: dict) -> dict:
        text = reference["reference"]
        if text.startswith("#"):
            return reference
        stored = self._known.resolve(text)
        if stored is not None:
            return reference | {"reference": stored}
        self.logical_references += 1
        made = {name: item for name, item in reference.items() if name not in ("reference", "_reference")}
        made.setdefault("identifier", _identifier_for(text))
        return made


def server_id(old: str) -> str:
    """Returns the id to store under: the original one, unless it is only digits, which
    the FHIR server refuses to take from a client."""
    return ID_PREFIX + old if re.fullmatch(r"[0-9]+", old) else old


def conditional(text: str) -> tuple[str, str | None, str] | None:
    """Splits `Type?identifier=system|value` into type, system and value."""
    kind, mark, query = text.partition("?")
    pairs = urllib.parse.parse_qsl(query.replace("+", "%2B"), keep_blank_values=True)
    if not mark or "/" in kind or len(pairs) != 1 or pairs[0][0] != "identifier":
        return None
    system, bar, value = pairs[0][1].rpartition("|")
    if not value:
        return None
    return kind, (system if bar and system else None), value


def _identifier_for(text: str) -> dict:
    asked = conditional(text)
    if asked is None:
        return {"system": SOURCE_REFERENCE, "value": text}
    _, system, value = asked
    return {"system": system, "value": value} if system else {"value": value}


def _objects(value: object) -> list[dict]:
    items = value if isinstance(value, list) else [value]
    return [item for item in items if isinstance(item, dict)]
