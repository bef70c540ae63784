"""Reads immunization schedules: what is offered, to whom, when, and how many take it."""

import dataclasses
import datetime as dt
import functools

from iidi_synthesizer.catalogue import has_file, read

_MOST_DOSES = 1000


@dataclasses.dataclass(frozen=True)
class Line:
    """One vaccine of a visit or a season, and when the line holds."""

    vaccine: str
    given: float
    since: dt.date
    until: dt.date
    from_age: str
    before: str | None
    min_interval_days: int

    def holds_on(self, day: dt.date) -> bool:
        """Says whether the schedule offered this vaccine on that day."""
        return self.since <= day <= self.until


@dataclasses.dataclass(frozen=True)
class Visit:
    """An age at which vaccines are due together."""

    name: str
    age: str
    delay_days: int
    lines: tuple[Line, ...]


@dataclasses.dataclass(frozen=True)
class Campaign:
    """An offer to everyone of an age, between two dates."""

    name: str
    since: dt.date
    until: dt.date
    min_age: str
    before: str | None
    after_doses: range
    min_interval_days: int
    given_by_age: tuple[tuple[int, float], ...]
    vaccines: tuple[str, ...]
    weights: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Season:
    """The yearly influenza season."""

    series: str
    min_age: str
    two_doses_under: str
    lines: tuple[Line, ...]
    given_by_age: tuple[tuple[int, float], ...]


@dataclasses.dataclass(frozen=True)
class Schedule:
    """A province's schedule as data."""

    source: str
    records_from: dt.date
    visits: tuple[Visit, ...]
    season: Season
    campaigns: tuple[Campaign, ...]


@functools.cache
def schedule_of(pt: str) -> Schedule:
    """Returns the province's schedule, or the stand-in when it has no file."""
    path = f"schedules/{pt.lower()}.yaml"
    data = read(path if has_file(path) else "schedules/default.yaml")
    campaigns = list(data.get("campaigns", []))
    for name in data.get("shared_campaigns", []):
        campaigns += read(f"schedules/campaigns/{name}.yaml")["campaigns"]
    return Schedule(
        source=data["source"],
        records_from=dt.date.fromisoformat(data["records_from"]),
        visits=tuple(
            Visit(v["name"], v["age"], v["delay_days"], tuple(_line(x) for x in v["vaccines"])) for v in data["visits"]
        ),
        season=_season(data["seasonal"]),
        campaigns=tuple(_campaign(entry) for entry in campaigns),
    )


def share_at(steps: tuple[tuple[int, float], ...], age: int) -> float:
    """Returns the share that holds at that age: each step holds from its age on."""
    return next((share for since, share in reversed(steps) if since <= age), 0.0)


def _season(entry: dict) -> Season:
    return Season(
        series=entry["series"],
        min_age=entry["min_age"],
        two_doses_under=entry["two_doses_under"],
        lines=tuple(_line(x) for x in entry["vaccines"]),
        given_by_age=_steps(entry),
    )


def _line(entry: dict) -> Line:
    return Line(
        vaccine=entry["vaccine"],
        given=entry.get("given", 1.0),
        since=dt.date.fromisoformat(entry.get("from", "1900-01-01")),
        until=dt.date.fromisoformat(entry.get("to", "9999-12-31")),
        from_age=entry.get("from_age", "0m"),
        before=entry.get("before"),
        min_interval_days=entry.get("min_interval_days", 28),
    )


def _campaign(entry: dict) -> Campaign:
    return Campaign(
        name=entry["name"],
        since=dt.date.fromisoformat(entry["from"]),
        until=dt.date.fromisoformat(entry["to"]),
        min_age=entry["min_age"],
        before=entry.get("before"),
        after_doses=_doses_before(entry),
        min_interval_days=entry.get("min_interval_days", 28),
        given_by_age=_steps(entry),
        vaccines=tuple(x["vaccine"] for x in entry["vaccines"]),
        weights=tuple(x["weight"] for x in entry["vaccines"]),
    )


def _doses_before(entry: dict) -> range:
    if "after_doses" in entry:
        return range(entry["after_doses"], entry["after_doses"] + 1)
    return range(entry.get("after_at_least", 0), _MOST_DOSES)


def _steps(entry: dict) -> tuple[tuple[int, float], ...]:
    return tuple((age, share) for age, share in entry["given_by_age"])
