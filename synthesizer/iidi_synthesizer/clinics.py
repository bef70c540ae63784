"""The invented clinics of a province: organization, location and two practitioners."""

import dataclasses
import functools

from iidi_synthesizer import catalogue
from iidi_synthesizer.addresses import postal_code
from iidi_synthesizer.elements import TERMINOLOGY, coding, concept, meta, reference
from iidi_synthesizer.ids import NAMING, random_for, record_id, record_name
from iidi_synthesizer.people import full_name

_CLINICS = 6


@dataclasses.dataclass(frozen=True)
class Clinic:
    """Where a dose is given and by whom."""

    organization: dict
    location: dict
    practitioners: tuple[dict, ...]

    def resources(self) -> list[dict]:
        """Returns all resources of the clinic."""
        return [self.organization, self.location, *self.practitioners]


@functools.cache
def clinics_of(pt: str, seed: int) -> tuple[Clinic, ...]:
    """Returns the clinics of that seed, one in each of the largest municipalities."""
    rows = sorted(catalogue.provinces()[pt]["municipalities"], key=lambda row: -row[2])
    by_city = {city: area for city, area, _ in reversed(rows)}
    cities = list(dict.fromkeys(city for city, _, _ in rows))[:_CLINICS]
    return tuple(_clinic(pt, seed, number, city, by_city[city]) for number, city in enumerate(cities))


def _clinic(pt: str, seed: int, number: int, city: str, area: str) -> Clinic:
    rng = random_for(pt, seed, "clinic", number)
    address = {
        "use": "work",
        "line": [f"{rng.randint(1, 999)} Example Street"],
        "city": city,
        "state": pt,
        "postalCode": postal_code(rng, area),
        "country": "CA",
    }
    organization = _base(pt, seed, "Organization", "clinic", number) | {
        "active": True,
        "type": [concept(coding(f"{TERMINOLOGY}/organization-type", "prov", "Healthcare Provider"))],
        "name": f"Synthetic clinic {number + 1}, {city}",
        "alias": [f"Clinique synthétique {number + 1}, {city}"],
        "address": [address],
    }
    location = _base(pt, seed, "Location", "location", number) | {
        "status": "active",
        "name": f"Synthetic vaccination room {number + 1}, {city}",
        "mode": "instance",
        "address": address,
        "managingOrganization": reference(organization, organization["name"]),
    }
    practitioners = tuple(_practitioner(pt, seed, rng, number, place) for place in range(2))
    return Clinic(organization, location, practitioners)


def _practitioner(pt: str, seed: int, rng, clinic: int, place: int) -> dict:
    language = "fr" if rng.random() < catalogue.provinces()[pt]["french"] else "en"
    given, family = full_name(language, rng.getrandbits(64))
    return _base(pt, seed, "Practitioner", "practitioner", clinic, place) | {
        "active": True,
        "name": [{"use": "official", "family": family, "given": [given]}],
    }


def _base(pt: str, seed: int, kind: str, *parts: object) -> dict:
    system = f"{NAMING}/synthetic-{kind.lower()}"
    return {
        "resourceType": kind,
        "id": record_id(pt, seed, *parts),
        "meta": meta(),
        "identifier": [{"system": system, "value": record_name(pt, seed, *parts)}],
    }
