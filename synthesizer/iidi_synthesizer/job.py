"""The synthesizer as a Kubernetes Job, or as a server that works on request.

The work is in the main thread, and so the exit code is the work's own.
"""

import contextlib
import dataclasses
import signal
import threading

from iidi_synthesizer import summary
from iidi_synthesizer.client import FhirClient
from iidi_synthesizer.desk import Desk
from iidi_synthesizer.endpoints import app
from iidi_synthesizer.listener import listening
from iidi_synthesizer.population import Population
from iidi_synthesizer.progress import Progress
from iidi_synthesizer.upload import Report, upload

COMPLETE, INCOMPLETE, STOPPED = 0, 1, 128 + signal.SIGTERM


@dataclasses.dataclass(frozen=True)
class Settings:
    """Where to send, how hard to try, and where to listen."""

    fhir: str
    concurrency: int
    attempts: int
    timeout_seconds: float
    host: str
    port: int
    defaults: dict


def run_once(settings: Settings, population: Population, say) -> int:
    """Sends one population and returns the exit code; a signal lets the transactions in flight end."""
    progress, stop = Progress(), threading.Event()
    with _on_signal(stop.set), listening(app(progress, settings.defaults), settings.host, settings.port) as port:
        say(f"listening on port {port}")
        report = _send(settings, population, progress, stop, say)
        progress.end(report)
    if report.is_complete:
        return COMPLETE
    return STOPPED if stop.is_set() else INCOMPLETE


def serve(settings: Settings, say) -> int:
    """Works on what is asked for, until a signal; the exit code says whether work was cut short."""
    progress, desk = Progress(), Desk()
    with (
        _on_signal(desk.close),
        listening(app(progress, settings.defaults, desk), settings.host, settings.port) as port,
    ):
        say(f"listening on port {port}")
        while (taken := desk.take()) is not None:
            population, stop = taken
            report = _send(settings, population, progress, stop, say)
            desk.finish()  # before anybody can read that the run has ended, so that they may ask again
            progress.end(report)
            if desk.is_closed and not report.is_complete:
                return STOPPED
    return STOPPED if desk.is_occupied else COMPLETE


def _send(settings: Settings, population: Population, progress: Progress, stop: threading.Event, say) -> Report:
    client = FhirClient(settings.fhir, settings.attempts, settings.timeout_seconds, stop=stop)
    progress.begin(population)
    try:
        report = upload(population, client, settings.concurrency, say, progress.watch, stop)
    except BaseException:
        progress.fail()
        raise
    print(summary.as_json(summary.of_upload(population, report)), flush=True)
    return report


@contextlib.contextmanager
def _on_signal(act):
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(number, lambda *_: act()) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
