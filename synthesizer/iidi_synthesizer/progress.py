"""How far the current run is, written by the work and read by whoever asks."""

import datetime as dt
import threading

from iidi_synthesizer.upload import Report

_PROBLEMS_SHOWN = 20
STATES = ("waiting", "running", "done", "failed", "cancelled")


class Progress:
    """A snapshot that is replaced as a whole, so a reader never sees half of one."""

    def __init__(self):
        self._lock = threading.Lock()
        self._run = 0
        self._now = {"state": "waiting", "run": 0}

    @property
    def state(self) -> str:
        """Returns waiting, running, done, failed or cancelled."""
        return self.as_json()["state"]

    def begin(self, population) -> None:
        """A new run has started."""
        self._run += 1
        described = {
            "jurisdiction": population.pt,
            "seed": population.seed,
            "people": population.people,
            "as_of": population.as_of.isoformat(),
        }
        started = {"run": self._run, "population": described, "started_at": _now()}
        self._replace({"state": "running", **started, **_counted(Report())})

    def watch(self, report: Report) -> None:
        """The work has got this far."""
        self._replace(self.as_json() | _counted(report))

    def end(self, report: Report) -> None:
        """The run is over; its state says how."""
        state = "done" if report.is_complete else "cancelled" if report.stopped else "failed"
        finished = {"state": state, "finished_at": _now(), "seconds": round(report.seconds, 3)}
        self._replace(self.as_json() | _counted(report) | finished)

    def fail(self) -> None:
        """The run ended in a way that nobody foresaw."""
        self._replace(self.as_json() | {"state": "failed", "finished_at": _now()})

    def as_json(self) -> dict:
        """Returns the latest snapshot."""
        with self._lock:
            return self._now

    def _replace(self, snapshot: dict) -> None:
        with self._lock:
            self._now = snapshot


def _counted(report: Report) -> dict:
    return report.counts() | {"retries": report.retries, "problems": report.problems[:_PROBLEMS_SHOWN]}


def _now() -> str:
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
