"""Turns an invented person into a FHIR R4 Patient."""

from iidi_synthesizer.elements import TERMINOLOGY, coding, concept, meta
from iidi_synthesizer.ids import record_id
from iidi_synthesizer.moves import origin_identifier
from iidi_synthesizer.people import Home, Person

_VERSION_EXTENSION = "http://hl7.org/fhir/ca/baseline/StructureDefinition/ext-identifierversion"


def patient(person: Person) -> dict:
    """Returns the Patient; who moved here also has the number and address of before."""
    language = ("fr-CA", "French (Canada)") if person.language == "fr" else ("en-CA", "English (Canada)")
    made = {
        "resourceType": "Patient",
        "id": record_id(person.pt, person.seed, person.index),
        "meta": meta(),
        "identifier": _identifiers(person),
        "active": True,
        "name": [{"use": "official", "family": person.family, "given": list(person.given)}],
        "gender": person.gender,
        "birthDate": person.birth.isoformat(),
    }
    if person.death is not None:
        made["deceasedDateTime"] = person.death.isoformat()
    made["address"] = [_address("home", person.home)]
    if person.move is not None:
        made["address"].append(_address("old", person.old_home) | {"period": {"end": person.move.day.isoformat()}})
    spoken = concept(coding("urn:ietf:bcp:47", *language))
    made["communication"] = [{"language": spoken, "preferred": True}]
    return made


def _identifiers(person: Person) -> list[dict]:
    made = [_health_number("official", person.home)]
    move = person.move
    if move is not None:
        made.append(_health_number("old", person.old_home) | {"period": {"end": move.day.isoformat()}})
        if move.transferred:
            made.append(origin_identifier(move, "Patient", person.pt, person.seed, person.index))
    return made


def _health_number(use: str, home: Home) -> dict:
    number = {
        "use": use,
        "type": concept(coding(f"{TERMINOLOGY}/v2-0203", "JHN", "Jurisdictional health number (Canada)")),
        "system": home.health_number_system,
        "value": home.health_number,
    }
    if home.health_number_version is None:
        return number
    return {"extension": [{"url": _VERSION_EXTENSION, "valueString": home.health_number_version}], **number}


def _address(use: str, home: Home) -> dict:
    return {
        "use": use,
        "type": "physical",
        "line": [home.street],
        "city": home.city,
        "state": home.pt,
        "postalCode": home.postal_code,
        "country": "CA",
    }
