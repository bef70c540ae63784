"""Sends a source of people to a FHIR server, several transactions at a time."""

import collections
import concurrent.futures
import dataclasses
import threading
import time

from iidi_synthesizer.bundle import local_name, transaction, with_referenced
from iidi_synthesizer.client import FhirClient, Refused, Unavailable
from iidi_synthesizer.exact_json import dumps

_SHARED_PER_TRANSACTION = 500


@dataclasses.dataclass
class Report:
    """What became of everything that was to be sent."""

    people: int = 0
    people_refused: int = 0
    resources: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    outcomes: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    refused: int = 0
    problems: list[str] = dataclasses.field(default_factory=list)
    retries: int = 0
    seconds: float = 0.0
    stopped: bool = False

    @property
    def is_complete(self) -> bool:
        """Says whether the server took everything."""
        return self.refused == 0 and self.people_refused == 0 and not self.stopped

    def counted(self) -> str:
        """Returns the outcomes in one phrase."""
        stored = ", ".join(f"{self.outcomes[name]} {name}" for name in ("created", "updated", "unchanged"))
        return f"{sum(self.resources.values())} resources: {stored}; {self.refused} refused"

    def counts(self) -> dict:
        """Returns people, resources by type, and outcomes, as programs read them."""
        return {
            "people": self.people,
            "people_refused": self.people_refused,
            "resources": dict(sorted(self.resources.items())),
            "created": self.outcomes["created"],
            "updated": self.outcomes["updated"],
            "unchanged": self.outcomes["unchanged"],
            "refused": self.refused,
        }


def upload(
    source,
    client: FhirClient,
    concurrency: int = 4,
    say=lambda line: None,
    watch=lambda report: None,
    stop: threading.Event | None = None,
) -> Report:
    """Sends the shared resources first, then one transaction per person.

    A person's transaction carries the shared resources it refers to, so it stands alone.
    When the server stays away for one person, those not yet sent are not tried. `watch` sees
    the report after every transaction. Once `stop` is set, no further transaction is begun;
    those in flight end, and the report says that it was stopped.
    """
    stop = stop or threading.Event()
    started = time.monotonic()
    report = Report()
    shared = {local_name(resource): resource for resource in source.shared()}
    reachable = _send_shared(list(shared.values()), client, report)
    every = max(1, source.people // 10)

    def send(unit: list[dict]) -> list[str]:
        resources = with_referenced(unit, shared)
        body = dumps(transaction(resources, client.base_url)).encode()
        return client.transact(body, len(resources))[: len(unit)]

    def settle(future: concurrent.futures.Future, number: int, unit: list[dict]) -> None:
        nonlocal reachable
        reachable = _settle(report, future, f"person {number}", unit) and reachable
        report.people += 1
        report.people_refused += future.exception() is not None
        report.retries = client.retries
        watch(report)
        if report.people % every == 0 or report.people == source.people:
            spent = time.monotonic() - started
            say(f"[{spent:6.1f} s] {report.people} of {source.people} people, {report.counted()}")

    with concurrent.futures.ThreadPoolExecutor(concurrency) as pool:
        in_flight: dict[concurrent.futures.Future, tuple[int, list[dict]]] = {}
        for number, unit in enumerate(source.units(), start=1):
            if stop.is_set():
                report.stopped = True
                say(f"stopped: {source.people - number + 1} people were not sent")
                break
            while len(in_flight) >= concurrency:
                done, _ = concurrent.futures.wait(in_flight, return_when=concurrent.futures.FIRST_COMPLETED)
                for future in done:
                    settle(future, *in_flight.pop(future))
            in_flight[pool.submit(send if reachable else _not_sent, unit)] = (number, unit)
        for future in concurrent.futures.as_completed(list(in_flight)):
            settle(future, *in_flight.pop(future))
    report.retries = client.retries
    report.seconds = time.monotonic() - started
    return report


def _send_shared(resources: list[dict], client: FhirClient, report: Report) -> bool:
    reachable = True
    for start in range(0, len(resources), _SHARED_PER_TRANSACTION):
        part = resources[start : start + _SHARED_PER_TRANSACTION]
        future: concurrent.futures.Future = concurrent.futures.Future()
        try:
            body = dumps(transaction(part, client.base_url)).encode()
            future.set_result(client.transact(body, len(part)))
        except (Refused, Unavailable) as error:
            future.set_exception(error)
        reachable = _settle(report, future, "shared resources", part) and reachable
    return reachable


def _settle(report: Report, future: concurrent.futures.Future, name: str, resources: list[dict]) -> bool:
    """Books one transaction; says whether the server could be reached."""
    error = future.exception()
    report.resources.update(resource["resourceType"] for resource in resources)
    if error is None:
        report.outcomes.update(future.result())
        return True
    if not isinstance(error, Refused | Unavailable):
        raise error
    report.refused += len(resources)
    report.problems.append(f"{name}: {error}")
    return isinstance(error, Refused)


def _not_sent(unit: list[dict]) -> list[str]:
    raise Unavailable("not sent, the server stayed away before")
