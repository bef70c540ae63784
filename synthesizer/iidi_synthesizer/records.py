"""Turns an invented person and their doses into FHIR R4 resources."""

import datetime as dt

from iidi_synthesizer import catalogue
from iidi_synthesizer.clinics import Clinic
from iidi_synthesizer.doses import Dose
from iidi_synthesizer.elements import CVX, SNOMED, TERMINOLOGY, UCUM, coding, concept, meta, reference, snomed
from iidi_synthesizer.ids import NAMING, random_for, record_id, record_name
from iidi_synthesizer.people import Person

_VERSION_EXTENSION = "http://hl7.org/fhir/ca/baseline/StructureDefinition/ext-identifierversion"
_ALLERGIC_SHARE = 0.14
_ROUTES = {
    "IM": ("IM", "Injection, intramuscular"),
    "SC": ("SQ", "Injection, subcutaneous"),
    "PO": ("PO", "Swallow, oral"),
}
_ARMS = (("LA", "left arm"), ("RA", "right arm"))
_THIGHS = (("LT", "left thigh"), ("RT", "right thigh"))
_THIGH_UNTIL_DAYS = 365
_ORIGINS = (("provider", "Other Provider"), ("record", "Written Record"), ("recall", "Parent/Guardian/Patient Recall"), ("school", "School Record"))


def patient(person: Person) -> dict:
    """Returns the Patient resource."""
    number = {
        "use": "official",
        "type": concept(coding(f"{TERMINOLOGY}/v2-0203", "JHN", "Jurisdictional health number (Canada)")),
        "system": person.health_number_system,
        "value": person.health_number,
    }
    if person.health_number_version is not None:
        version = {"url": _VERSION_EXTENSION, "valueString": person.health_number_version}
        number = {"extension": [version], **number}
    language = ("fr-CA", "French (Canada)") if person.language == "fr" else ("en-CA", "English (Canada)")
    made = {
        "resourceType": "Patient",
        "id": record_id(person.pt, person.seed, person.index),
        "meta": meta(),
        "identifier": [number],
        "active": True,
        "name": [{"use": "official", "family": person.family, "given": list(person.given)}],
        "gender": person.gender,
        "birthDate": person.birth.isoformat(),
    }
    if person.death is not None:
        made["deceasedDateTime"] = person.death.isoformat()
    made["address"] = [
        {
            "use": "home",
            "type": "physical",
            "line": [person.street],
            "city": person.city,
            "state": person.pt,
            "postalCode": person.postal_code,
            "country": "CA",
        }
    ]
    spoken = concept(coding("urn:ietf:bcp:47", *language))
    made["communication"] = [{"language": spoken, "preferred": True}]
    return made


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


def immunization(person: Person, subject: dict, dose: Dose, clinic: Clinic) -> dict:
    """Returns the Immunization resource of one event."""
    rng = random_for(person.pt, person.seed, person.index, "dose", dose.key)
    vaccine = catalogue.vaccines()[dose.vaccine]
    name = record_name(person.pt, person.seed, person.index, dose.key)
    products = vaccine.products_on(dose.day) if dose.outcome != "refused" else []
    product = rng.choice(products) if products else None
    made = {
        "resourceType": "Immunization",
        "id": record_id(person.pt, person.seed, person.index, dose.key),
        "meta": meta(),
        "identifier": [{"system": f"{NAMING}/synthetic-immunization", "value": name}],
        "status": "not-done" if dose.outcome == "refused" else "completed",
        "vaccineCode": _vaccine_code(vaccine, product),
        "patient": reference(subject),
        "occurrenceDateTime": dose.day.strftime("%Y-%m") if dose.month_only else dose.day.isoformat(),
        "primarySource": dose.outcome != "reported",
    }
    if dose.outcome == "reported":
        made |= _reported(rng, person, dose)
    else:
        made |= _here(rng, dose, clinic)
    if dose.outcome == "refused":
        reason = coding(f"{TERMINOLOGY}/v3-ActReason", "PATOBJ", "patient objection", "refus du patient")
        made["statusReason"] = concept(reason)
    if dose.outcome == "given":
        made |= _vial(rng, person, dose, vaccine, product)
    made["protocolApplied"] = [_protocol(series, number) for series, number in dose.numbers]
    return made


def _allergy(person: Person, subject: dict, position: int, row: dict, recorded: dt.date) -> dict:
    return {
        "resourceType": "AllergyIntolerance",
        "id": record_id(person.pt, person.seed, person.index, "allergy", position),
        "meta": meta(),
        "clinicalStatus": concept(coding(f"{TERMINOLOGY}/allergyintolerance-clinical", "active", "Active")),
        "verificationStatus": concept(coding(f"{TERMINOLOGY}/allergyintolerance-verification", "confirmed", "Confirmed")),
        "code": snomed(row),
        "patient": reference(subject),
        "recordedDate": recorded.isoformat(),
    }


def _vaccine_code(vaccine: catalogue.Vaccine, product: catalogue.Product | None) -> dict:
    generic = vaccine.generic
    codings = [coding(SNOMED, generic["code"], generic["en"], generic["fr"])]
    if product is not None:
        codings.append(coding(SNOMED, product.code, product.en, product.fr))
    if vaccine.cvx is not None:
        codings.append(coding(CVX, vaccine.cvx["code"], vaccine.cvx["en"]))
    return concept(*codings)


def _reported(rng, person: Person, dose: Dose) -> dict:
    origin = coding(f"{TERMINOLOGY}/immunization-origin", *rng.choice(_ORIGINS))
    later = dose.day + dt.timedelta(days=rng.randint(31, 900))
    recorded = min(later, person.alive_until)
    return {"recorded": recorded.isoformat(), "reportOrigin": concept(origin)}


def _here(rng, dose: Dose, clinic: Clinic) -> dict:
    role = concept(coding(f"{TERMINOLOGY}/v2-0443", "AP", "Administering Provider"))
    by = [
        {"function": role, "actor": reference(rng.choice(clinic.practitioners))},
        {"actor": reference(clinic.organization, clinic.organization["name"])},
    ]
    place = reference(clinic.location, clinic.location["name"])
    return {"recorded": dose.day.isoformat(), "location": place, "performer": by}


def _vial(rng, person: Person, dose: Dose, vaccine: catalogue.Vaccine, product: catalogue.Product | None) -> dict:
    made = {}
    if product is not None:
        made["manufacturer"] = {"display": product.maker}
    made["lotNumber"] = f"{rng.choice('ABCDEFGHJK')}{dose.day.year % 100:02d}{rng.randint(100, 999)}{rng.choice('ABCD')}"
    made["expirationDate"] = (dose.day + dt.timedelta(days=rng.randint(45, 700))).isoformat()
    code, display = _ROUTES[vaccine.route]
    if vaccine.route != "PO":
        infant = (dose.day - person.birth).days < _THIGH_UNTIL_DAYS
        made["site"] = concept(coding(f"{TERMINOLOGY}/v3-ActSite", *rng.choice(_THIGHS if infant else _ARMS)))
    made["route"] = concept(coding(f"{TERMINOLOGY}/v3-RouteOfAdministration", code, display))
    made["doseQuantity"] = {"value": float(vaccine.dose_ml), "unit": "mL", "system": UCUM, "code": "mL"}
    return made


def _protocol(series: str, number: int) -> dict:
    diseases = catalogue.diseases_of_series()[series.split(" ")[0]]
    return {
        "series": series,
        "targetDisease": [snomed(disease) for disease in diseases],
        "doseNumberPositiveInt": number,
    }
