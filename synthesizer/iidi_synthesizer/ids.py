"""Ids and seeds that depend on nothing but province, seed and position."""

import random
import uuid

NAMING = "https://iidi.phac-aspc.gc.ca/fhir/NamingSystem"
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, f"{NAMING}/synthetic-record")


def record_name(pt: str, seed: int, *parts: object) -> str:
    """Returns the readable name of a synthetic record, such as `ON/1/12/m2/MMR`."""
    return "/".join(str(part) for part in (pt, seed, *parts))


def record_id(pt: str, seed: int, *parts: object) -> str:
    """Returns the UUIDv5 of that name: the resource's id, the same in every run."""
    return str(uuid.uuid5(_NAMESPACE, record_name(pt, seed, *parts)))


def random_for(pt: str, seed: int, *parts: object) -> random.Random:
    """Returns a generator of its own for each purpose, so that one draw more in one
    place changes nothing elsewhere."""
    return random.Random(record_name(pt, seed, *parts))
