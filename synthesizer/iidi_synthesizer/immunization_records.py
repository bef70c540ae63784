"""Turns an event of a person's course into a FHIR R4 Immunization."""

import datetime as dt

from iidi_synthesizer import catalogue
from iidi_synthesizer.clinics import Clinic
from iidi_synthesizer.course import Dose
from iidi_synthesizer.elements import CVX, SNOMED, TERMINOLOGY, UCUM, coding, concept, meta, reference, snomed
from iidi_synthesizer.ids import NAMING, random_for, record_id, record_name
from iidi_synthesizer.lots import lot_of
from iidi_synthesizer.moves import logical_reference, origin_identifier
from iidi_synthesizer.people import Person

_ROUTES = {
    "IM": ("IM", "Injection, intramuscular"),
    "SC": ("SQ", "Injection, subcutaneous"),
    "PO": ("PO", "Swallow, oral"),
}
_ARMS = (("LA", "left arm"), ("RA", "right arm"))
_THIGHS = (("LT", "left thigh"), ("RT", "right thigh"))
_THIGH_UNTIL_DAYS = 365
_ORIGINS = (
    ("provider", "Other Provider"),
    ("record", "Written Record"),
    ("recall", "Parent/Guardian/Patient Recall"),
    ("school", "School Record"),
)
_FROM_ANOTHER_PROVINCE = ("jurisdiction", "Jurisdictional IIS")


def immunization(person: Person, subject: dict, dose: Dose, clinic: Clinic) -> dict:
    """Returns the Immunization resource of one event."""
    rng = random_for(person.pt, person.seed, person.index, "dose", dose.key)
    vaccine = catalogue.vaccines()[dose.vaccine]
    products = vaccine.products_on(dose.day) if dose.outcome != "refused" else []
    product = rng.choice(products) if products else None
    made = {
        "resourceType": "Immunization",
        "id": record_id(person.pt, person.seed, person.index, dose.key),
        "meta": meta(),
        "identifier": _identifiers(person, dose),
        "status": "not-done" if dose.outcome == "refused" else "completed",
        "vaccineCode": _vaccine_code(vaccine, product),
        "patient": reference(subject),
        "occurrenceDateTime": dose.day.strftime("%Y-%m") if dose.month_only else dose.day.isoformat(),
        "primarySource": dose.outcome != "reported",
    }
    if dose.outcome == "reported":
        made |= _reported(rng, person, dose)
    else:
        made |= _where(rng, person, dose, clinic)
    if dose.outcome == "refused":
        made["statusReason"] = concept(_reason(rng))
    if dose.outcome == "given":
        made |= _vial(rng, person, dose, vaccine, product)
    made["protocolApplied"] = [_protocol(series, number) for series, number in dose.numbers]
    return made


def _vaccine_code(vaccine: catalogue.Vaccine, product: catalogue.Product | None) -> dict:
    generic = vaccine.generic
    codings = [coding(SNOMED, generic["code"], generic["en"], generic["fr"])]
    if product is not None:
        codings.append(coding(SNOMED, product.code, product.en, product.fr))
    cvx = (product and product.cvx) or vaccine.cvx
    if cvx is not None:
        codings.append(coding(CVX, cvx["code"], cvx["en"]))
    return concept(*codings)


def _identifiers(person: Person, dose: Dose) -> list[dict]:
    parts = (person.pt, person.seed, person.index, dose.key)
    made = [{"system": f"{NAMING}/synthetic-immunization", "value": record_name(*parts)}]
    if dose.transferred:
        made.append(origin_identifier(person.move, "Immunization", *parts))
    return made


def _reason(rng) -> dict:
    reasons = catalogue.refusals()
    reason = rng.choices(reasons, [row["weight"] for row in reasons])[0]
    return coding(f"{TERMINOLOGY}/v3-ActReason", reason["code"], reason["en"], reason["fr"])


def _reported(rng, person: Person, dose: Dose) -> dict:
    if dose.pt != person.pt and not dose.transferred:
        origin, earliest = _FROM_ANOTHER_PROVINCE, person.move.day
    else:
        origin, earliest = rng.choice(_ORIGINS), dose.day + dt.timedelta(days=31)
    recorded = min(earliest + dt.timedelta(days=rng.randint(0, 870)), person.alive_until)
    return {
        "recorded": recorded.isoformat(),
        "reportOrigin": concept(coding(f"{TERMINOLOGY}/immunization-origin", *origin)),
    }


def _where(rng, person: Person, dose: Dose, clinic: Clinic) -> dict:
    def to(resource: dict, *display: str) -> dict:
        return logical_reference(person.move, resource, *display) if dose.transferred else reference(resource, *display)

    role = concept(coding(f"{TERMINOLOGY}/v2-0443", "AP", "Administering Provider"))
    by = [
        {"function": role, "actor": to(rng.choice(clinic.practitioners))},
        {"actor": to(clinic.organization, clinic.organization["name"])},
    ]
    return {"recorded": dose.day.isoformat(), "location": to(clinic.location, clinic.location["name"]), "performer": by}


def _vial(rng, person: Person, dose: Dose, vaccine: catalogue.Vaccine, product: catalogue.Product | None) -> dict:
    made = {}
    if product is not None:
        made["manufacturer"] = {"display": product.maker}
    code = product.code if product else vaccine.generic["code"]
    made["lotNumber"], expiry = lot_of(rng, code, (product or vaccine).available, dose.day)
    made["expirationDate"] = expiry.isoformat()
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
