"""FHIR transactions: one per person, complete in itself."""

import collections.abc


def transaction(resources: list[dict], base_url: str) -> dict:
    """Returns a transaction that puts every resource under its own id."""
    return {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [_entry(resource, base_url) for resource in resources],
    }


def with_referenced(unit: list[dict], shared: dict[str, dict]) -> list[dict]:
    """Returns the unit followed by every shared resource it leads to, directly or not."""
    found: dict[str, dict] = {}
    waiting = list(unit)
    while waiting:
        for text in references(waiting.pop()):
            if text in shared and text not in found:
                found[text] = shared[text]
                waiting.append(shared[text])
    return unit + [found[text] for text in sorted(found)]


def references(value: object) -> collections.abc.Iterator[str]:
    """Yields the text of every literal reference inside a resource."""
    if isinstance(value, dict):
        if isinstance(value.get("reference"), str):
            yield value["reference"]
        for item in value.values():
            yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


def local_name(resource: dict) -> str:
    """Returns `Type/id`."""
    return f"{resource['resourceType']}/{resource['id']}"


def _entry(resource: dict, base_url: str) -> dict:
    name = local_name(resource)
    return {
        "fullUrl": f"{base_url}/{name}",
        "resource": resource,
        "request": {"method": "PUT", "url": name},
    }
