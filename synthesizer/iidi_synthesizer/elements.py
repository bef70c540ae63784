"""Small FHIR R4 pieces that several resources share."""

SNOMED = "http://snomed.info/sct"
CVX = "http://hl7.org/fhir/sid/cvx"
UCUM = "http://unitsofmeasure.org"
TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"
_TRANSLATION = "http://hl7.org/fhir/StructureDefinition/translation"


def meta() -> dict:
    """Returns the label that every synthetic resource carries."""
    label = {"system": f"{TERMINOLOGY}/v3-ActReason", "code": "HTEST", "display": "test health data"}
    return {"security": [label]}


def coding(system: str, code: str, en: str, fr: str | None = None) -> dict:
    """Returns a coding with its English display and, where known, the French one."""
    made = {"system": system, "code": code, "display": en}
    if fr is not None:
        parts = [{"url": "lang", "valueCode": "fr"}, {"url": "content", "valueString": fr}]
        made["_display"] = {"extension": [{"url": _TRANSLATION, "extension": parts}]}
    return made


def concept(*codings: dict) -> dict:
    """Returns a CodeableConcept of these codings."""
    return {"coding": list(codings)}


def snomed(entry: dict) -> dict:
    """Returns the concept of a data row with code, en and fr."""
    return concept(coding(SNOMED, entry["code"], entry["en"], entry["fr"]))


def reference(resource: dict, display: str | None = None) -> dict:
    """Returns a relative reference to that resource."""
    made = {"reference": f"{resource['resourceType']}/{resource['id']}"}
    if display is not None:
        made["display"] = display
    return made
