"""What is known of a person's allergies, as FHIR R4 AllergyIntolerance."""

import datetime as dt

from iidi_synthesizer import catalogue
from iidi_synthesizer.elements import TERMINOLOGY, coding, concept, meta, reference, snomed
from iidi_synthesizer.ids import NAMING, random_for, record_id, record_name
from iidi_synthesizer.moves import origin_identifier
from iidi_synthesizer.people import Person

_ALLERGIC_SHARE = 0.14


def allergies(person: Person, subject: dict) -> list[dict]:
    """Returns what is known of the person's allergies, which is usually that there are none."""
    rng = random_for(person.pt, person.seed, person.index, "allergies")
    table = catalogue.allergies()
    recorded = person.birth + dt.timedelta(days=rng.randint(0, (person.alive_until - person.birth).days))
    if rng.random() >= _ALLERGIC_SHARE:
        return [_allergy(person, subject, 0, table["none"], recorded)]
    weights = [row["weight"] for row in table["known"]]
    rows = dict.fromkeys(rng.choices(range(len(weights)), weights, k=rng.choice((1, 1, 2))))
    made = []
    for position, row in enumerate(table["known"][index] for index in rows):
        allergy = _allergy(person, subject, position, row, recorded)
        seen = rng.choice(table["reactions"])
        allergy["category"] = [row["category"]]
        allergy["criticality"] = "high" if seen["severity"] == "severe" else "low"
        allergy["reaction"] = [{"manifestation": [snomed(seen)], "severity": seen["severity"]}]
        made.append(allergy)
    return made


def _allergy(person: Person, subject: dict, position: int, row: dict, recorded: dt.date) -> dict:
    parts = (person.pt, person.seed, person.index, "allergy", position)
    identifiers = [{"system": f"{NAMING}/synthetic-allergy", "value": record_name(*parts)}]
    move = person.move
    if move is not None and move.transferred and recorded < move.day:
        identifiers.append(origin_identifier(move, "AllergyIntolerance", *parts))
    return {
        "resourceType": "AllergyIntolerance",
        "id": record_id(*parts),
        "meta": meta(),
        "identifier": identifiers,
        "clinicalStatus": concept(coding(f"{TERMINOLOGY}/allergyintolerance-clinical", "active", "Active")),
        "verificationStatus": concept(
            coding(f"{TERMINOLOGY}/allergyintolerance-verification", "confirmed", "Confirmed")
        ),
        "code": snomed(row),
        "patient": reference(subject),
        "recordedDate": recorded.isoformat(),
    }
