"""Writes records as NDJSON, one file per resource type."""

import collections
import contextlib
import pathlib

from iidi_synthesizer.exact_json import dumps

TYPES = ("Organization", "Practitioner", "Location", "Patient", "AllergyIntolerance", "Immunization")


def write(source, folder: pathlib.Path) -> dict[str, int]:
    """Writes everything of `source` into `folder`, person by person; returns lines per type.

    All six files are written, empty ones too, so an older run leaves nothing behind.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = collections.Counter({kind: 0 for kind in TYPES})
    with contextlib.ExitStack() as stack:
        files = {
            kind: stack.enter_context((folder / f"{kind}.ndjson").open("w", encoding="utf-8", newline="\n"))
            for kind in TYPES
        }
        _write_all(source.shared(), files, written)
        for resources in source.units():
            _write_all(resources, files, written)
    return dict(written)


def _write_all(resources: list[dict], files: dict, written: collections.Counter) -> None:
    for resource in resources:
        kind = resource["resourceType"]
        files[kind].write(dumps(resource) + "\n")
        written[kind] += 1
