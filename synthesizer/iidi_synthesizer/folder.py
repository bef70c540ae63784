"""A folder of NDJSON files as a source of people, whatever the order of its lines.

The folder is read twice: once to learn where everything is, then person by person, so
memory holds an index, the shared resources and one person at a time.
"""

import collections
import collections.abc
import dataclasses
import pathlib
import re

from iidi_synthesizer import exact_json
from iidi_synthesizer.rewrite import Known, Rewriter

SHARED = ("Organization", "Location", "Practitioner")
OWNED = ("Patient", "AllergyIntolerance", "Immunization")
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")


@dataclasses.dataclass(frozen=True, order=True)
class _Spot:
    rank: int
    id: str
    file: int
    offset: int
    length: int


class Folder:
    """People and shared resources of a folder, ready to be stored."""

    def __init__(self, folder: pathlib.Path):
        self._files = sorted(folder.glob("*.ndjson"))
        if not self._files:
            raise FileNotFoundError("the folder holds no .ndjson file")
        self._known = Known()
        self._rewriter = Rewriter(self._known)
        self._shared: list[_Spot] = []
        self._owned: dict[str, list[_Spot]] = {}
        self.faults: list[str] = []
        self.left_out: collections.Counter = collections.Counter()
        self._index()

    @property
    def people(self) -> int:
        """How many patients there are."""
        return len(self._owned)

    @property
    def renamed_ids(self) -> int:
        """How many ids got a prefix because they were only digits."""
        return self._known.renamed

    @property
    def logical_references(self) -> int:
        """How many references have become logical so far."""
        return self._rewriter.logical_references

    def shared(self) -> list[dict]:
        """Returns the rewritten resources that belong to no single person."""
        return [self._read(spot) for spot in sorted(self._shared)]

    def units(self) -> collections.abc.Iterator[list[dict]]:
        """Yields one person's own resources at a time, the Patient first."""
        for patient in sorted(self._owned):
            yield [self._read(spot) for spot in sorted(self._owned[patient])]

    def _index(self) -> None:
        waiting: list[tuple[str, str, _Spot]] = []
        for number, path in enumerate(self._files):
            for where, offset, line in _lines(path):
                resource = self._accept(where, line)
                if resource is None:
                    continue
                kind, id_ = resource["resourceType"], resource["id"]
                spot = _Spot((SHARED + OWNED).index(kind), id_, number, offset, len(line))
                if kind in SHARED:
                    self._shared.append(spot)
                elif kind == "Patient":
                    self._owned[f"Patient/{id_}"] = [spot]
                else:
                    waiting.append((where, _patient_of(resource), spot))
        owners = {self._known.resolve(key): key for key in self._owned}
        for where, text, spot in waiting:
            owner = owners.get(self._known.resolve(text))
            if owner is None:
                self.faults.append(f"{where}: its patient is not in the folder")
            else:
                self._owned[owner].append(spot)

    def _accept(self, where: str, line: bytes) -> dict | None:
        try:
            resource = exact_json.loads(line)
        except exact_json.NotJson as error:
            self.faults.append(f"{where}: {error}")
            return None
        kind = resource.get("resourceType") if isinstance(resource, dict) else None
        if not isinstance(kind, str) or isinstance(kind, exact_json.Number):
            self.faults.append(f"{where}: not a FHIR resource")
            return None
        if kind not in SHARED + OWNED:
            self.left_out[kind if kind.isalpha() else "other"] += 1
            return None
        id_ = resource.get("id")
        if not isinstance(id_, str) or isinstance(id_, exact_json.Number) or not _ID.fullmatch(id_):
            self.faults.append(f"{where}: no legal id")
            return None
        if not isinstance(resource.get("meta", {}), dict):
            self.faults.append(f"{where}: meta is not an object")
            return None
        if not self._known.add(resource):
            self.faults.append(f"{where}: this type and id stand in the folder twice")
            return None
        return resource

    def _read(self, spot: _Spot) -> dict:
        with self._files[spot.file].open("rb") as file:
            file.seek(spot.offset)
            return self._rewriter.rewrite(exact_json.loads(file.read(spot.length)))


def _lines(path: pathlib.Path) -> collections.abc.Iterator[tuple[str, int, bytes]]:
    offset = 0
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                yield f"{path.name}:{number}", offset, line
            offset += len(line)


def _patient_of(resource: dict) -> str:
    patient = resource.get("patient")
    text = patient.get("reference") if isinstance(patient, dict) else None
    return text if isinstance(text, str) else ""
