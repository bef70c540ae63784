"""Reads the data files: places, vaccines, allergies and schedules."""

import dataclasses
import datetime as dt
import functools
import pathlib

import yaml

_ROOT = pathlib.Path(__file__).resolve().parent.parent


@dataclasses.dataclass(frozen=True)
class Product:
    """A trade name, given only on or after `available`."""

    code: str
    en: str
    fr: str
    maker: str
    available: dt.date


@dataclasses.dataclass(frozen=True)
class Vaccine:
    """A generic vaccine with its codings and the series its doses belong to."""

    name: str
    available: dt.date
    series: tuple[str, ...]
    route: str
    dose_ml: str
    generic: dict
    cvx: dict | None
    products: tuple[Product, ...]

    def products_on(self, day: dt.date) -> list[Product]:
        """Returns the trade names that may have been used on that day."""
        return [product for product in self.products if product.available <= day]


@dataclasses.dataclass(frozen=True)
class Line:
    """One vaccine of a visit, and when the line holds."""

    vaccine: str
    given: float
    since: dt.date
    until: dt.date
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
class Schedule:
    """A province's schedule as data."""

    source: str
    records_from: dt.date
    visits: tuple[Visit, ...]
    seasonal_series: str
    seasonal_min_age: str
    seasonal_two_doses_under: str
    seasonal_lines: tuple[Line, ...]
    seasonal_given_by_age: tuple[tuple[int, float], ...]


@functools.cache
def provinces() -> dict:
    """Returns the table of provinces and territories by upper-case code."""
    return _read("data/places.yaml")["provinces"]


@functools.cache
def allergies() -> dict:
    """Returns the allergy codes with their displays."""
    return _read("data/allergies.yaml")


@functools.cache
def diseases_of_series() -> dict[str, list[dict]]:
    """Returns the diseases each series protects against, as {code, en, fr}."""
    data = _read("data/vaccines.yaml")
    return {
        series: [{"code": code, **data["diseases"][code]} for code in codes]
        for series, codes in data["series"].items()
    }


@functools.cache
def vaccines() -> dict[str, Vaccine]:
    """Returns all vaccines by name."""
    found = {}
    for name, entry in _read("data/vaccines.yaml")["vaccines"].items():
        products = tuple(
            Product(p["code"], p["en"], p["fr"], p["maker"], dt.date.fromisoformat(p["from"]))
            for p in entry["products"]
        )
        found[name] = Vaccine(
            name=name,
            available=dt.date.fromisoformat(entry["from"]),
            series=tuple(entry["series"]),
            route=entry["route"],
            dose_ml=entry["dose_ml"],
            generic=entry["generic"],
            cvx=entry.get("cvx"),
            products=products,
        )
    return found


@functools.cache
def schedule_of(pt: str) -> Schedule:
    """Returns the province's schedule, or the stand-in when it has no file."""
    path = f"schedules/{pt.lower()}.yaml"
    data = _read(path if (_ROOT / path).exists() else "schedules/default.yaml")
    seasonal = data["seasonal"]
    return Schedule(
        source=data["source"],
        records_from=dt.date.fromisoformat(data["records_from"]),
        visits=tuple(
            Visit(v["name"], v["age"], v["delay_days"], tuple(_line(x) for x in v["vaccines"]))
            for v in data["visits"]
        ),
        seasonal_series=seasonal["series"],
        seasonal_min_age=seasonal["min_age"],
        seasonal_two_doses_under=seasonal["two_doses_under"],
        seasonal_lines=tuple(_line(x) for x in seasonal["vaccines"]),
        seasonal_given_by_age=tuple((age, share) for age, share in seasonal["given_by_age"]),
    )


def _line(entry: dict) -> Line:
    return Line(
        vaccine=entry["vaccine"],
        given=entry.get("given", 1.0),
        since=dt.date.fromisoformat(entry.get("from", "1900-01-01")),
        until=dt.date.fromisoformat(entry.get("to", "9999-12-31")),
        before=entry.get("before"),
        min_interval_days=entry.get("min_interval_days", 28),
    )


def _read(name: str) -> dict:
    return yaml.safe_load((_ROOT / name).read_text(encoding="utf-8"))
