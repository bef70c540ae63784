"""Reads the data files: places, vaccines, series and allergies."""

import dataclasses
import datetime as dt
import functools
import pathlib

import yaml

_ROOT = pathlib.Path(__file__).resolve().parent.parent


@dataclasses.dataclass(frozen=True)
class Product:
    """A trade name, given only from `available` to `withdrawn`."""

    code: str
    en: str
    fr: str
    maker: str
    available: dt.date
    withdrawn: dt.date
    cvx: dict | None


@dataclasses.dataclass(frozen=True)
class Vaccine:
    """A generic vaccine with its codings and the series its doses belong to.

    `passive` is an antibody: it is given and recorded like a vaccine, and is no dose of one.
    """

    name: str
    available: dt.date
    series: tuple[str, ...]
    route: str
    dose_ml: str
    passive: bool
    generic: dict
    cvx: dict | None
    products: tuple[Product, ...]

    def products_on(self, day: dt.date) -> list[Product]:
        """Returns the trade names that may have been used on that day."""
        return [product for product in self.products if product.available <= day <= product.withdrawn]


@functools.cache
def provinces() -> dict:
    """Returns the provinces and territories by upper-case code, as data/places/ has them."""
    return {row["jurisdiction"]: row for row in read_all("data/places")}


@functools.cache
def allergies() -> dict:
    """Returns the allergy codes with their displays."""
    return read("data/allergies.yaml")


@functools.cache
def moves() -> dict:
    """Returns how many people moved here, from where, and how their records came along."""
    return read("data/moves.yaml")


@functools.cache
def refusals() -> list[dict]:
    """Returns the reasons for which a dose was not given, with their weights."""
    return read("data/refusals.yaml")["reasons"]


@functools.cache
def age_groups() -> list[dict]:
    """Returns the age groups of the national table, youngest first."""
    return read("data/age-groups.yaml")["groups"]


@functools.cache
def diseases_of_series() -> dict[str, list[dict]]:
    """Returns the diseases each series protects against, as {code, en, fr}."""
    data = read("data/series.yaml")
    return {
        series: [{"code": code, **data["diseases"][code]} for code in codes] for series, codes in data["series"].items()
    }


@functools.cache
def vaccines() -> dict[str, Vaccine]:
    """Returns all vaccines by name."""
    return {
        name: Vaccine(
            name=name,
            available=dt.date.fromisoformat(entry["from"]),
            series=tuple(entry["series"]),
            route=entry["route"],
            dose_ml=entry["dose_ml"],
            passive=entry.get("passive", False),
            generic=entry["generic"],
            cvx=entry.get("cvx"),
            products=tuple(_product(row) for row in entry["products"]),
        )
        for file in read_all("data/vaccines")
        for name, entry in file["vaccines"].items()
    }


def read(name: str) -> dict:
    """Returns a data file by its path in the synthesizer's folder."""
    return yaml.load((_ROOT / name).read_text(encoding="utf-8"), Loader=_Loader)


def read_all(folder: str) -> list[dict]:
    """Returns every data file of a folder, in the order of their names."""
    return [read(f"{folder}/{path.name}") for path in sorted((_ROOT / folder).glob("*.yaml"))]


def has_file(name: str) -> bool:
    """Says whether there is a data file of that path."""
    return (_ROOT / name).is_file()


# The parser in C reads the files five times faster, where the library has it.
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _product(row: dict) -> Product:
    return Product(
        code=row["code"],
        en=row["en"],
        fr=row["fr"],
        maker=row["maker"],
        available=dt.date.fromisoformat(row["from"]),
        withdrawn=dt.date.fromisoformat(row.get("to", "9999-12-31")),
        cvx=row.get("cvx"),
    )
