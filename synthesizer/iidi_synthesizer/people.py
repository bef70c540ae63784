"""Invents people: who they are and where they live, but no health data."""

import dataclasses
import datetime as dt
import functools

from faker import Faker

from iidi_synthesizer import catalogue
from iidi_synthesizer.health_numbers import health_number, version_code
from iidi_synthesizer.ids import random_for

# Share of people per band of five years from 0-4 on, in tenths of a percent, rounded.
_PYRAMID = (50, 53, 56, 56, 64, 72, 75, 71, 66, 62, 62, 67, 66, 59, 46, 34, 21, 12, 8)
_OLDEST = 96  # nobody has reached this age
_POSTAL_LETTERS = "ABCEGHJKLMNPRSTVWXYZ"
_DECEASED_FROM_AGE, _DECEASED_SHARE = 60, 0.04


@dataclasses.dataclass(frozen=True)
class Person:
    """A synthetic person. `alive_until` is the last day that may carry a record."""

    pt: str
    seed: int
    index: int
    family: str
    given: tuple[str, ...]
    gender: str
    language: str
    birth: dt.date
    death: dt.date | None
    alive_until: dt.date
    street: str
    city: str
    postal_code: str
    health_number: str
    health_number_system: str
    health_number_version: str | None


def invent(pt: str, seed: int, index: int, as_of: dt.date) -> Person:
    """Returns person `index` of that seed as they stand on `as_of`."""
    province = catalogue.provinces()[pt]
    rng = random_for(pt, seed, index, "person")
    birth = _birth(rng, as_of)
    death = _death(rng, birth, as_of)
    gender = rng.choices(("female", "male", "other", "unknown"), (494, 494, 7, 5))[0]
    language = "fr" if rng.random() < province["french"] else "en"
    faker = _faker(language)
    faker.seed_instance(rng.getrandbits(64))
    city, postal_code = place(rng, province)
    form = province["health_number"]["form"]
    return Person(
        pt=pt,
        seed=seed,
        index=index,
        family=faker.last_name(),
        given=tuple(dict.fromkeys((_first_name(faker, gender), _first_name(faker, gender)))),
        gender=gender,
        language=language,
        birth=birth,
        death=death,
        alive_until=death or as_of,
        street=faker.street_address().replace("\n", ", "),
        city=city,
        postal_code=postal_code,
        health_number=health_number(form, pt, seed, index),
        health_number_system=province["health_number"]["system"],
        health_number_version=version_code(rng) if form == "on" else None,
    )


def place(rng, province: dict) -> tuple[str, str]:
    """Returns a municipality and a postal code that begins as codes there do."""
    rows = province["municipalities"]
    city, area, _ = rng.choices(rows, [weight for _, _, weight in rows])[0]
    return city, postal_code(rng, area)


def postal_code(rng, area: str) -> str:
    """Returns a full postal code within a forward sortation area, `ANA NAN`."""
    return f"{area} {rng.randint(0, 9)}{rng.choice(_POSTAL_LETTERS)}{rng.randint(0, 9)}"


def full_name(language: str, draw: int) -> tuple[str, str]:
    """Returns a given and a family name for that draw."""
    faker = _faker(language)
    faker.seed_instance(draw)
    return faker.first_name(), faker.last_name()


@functools.cache
def _faker(language: str) -> Faker:
    return Faker(f"{language}_CA")


def _first_name(faker: Faker, gender: str) -> str:
    if gender == "female":
        return faker.first_name_female()
    if gender == "male":
        return faker.first_name_male()
    return faker.first_name()


def _birth(rng, as_of: dt.date) -> dt.date:
    band = rng.choices(range(len(_PYRAMID)), _PYRAMID)[0]
    oldest = _OLDEST if band == len(_PYRAMID) - 1 else band * 5 + 5
    return as_of - dt.timedelta(days=int(rng.uniform(band * 5, oldest) * 365.2425))


def _death(rng, birth: dt.date, as_of: dt.date) -> dt.date | None:
    days_lived = (as_of - birth).days
    drawn, days_ago = rng.random(), rng.randint(1, 1500)
    if days_lived < _DECEASED_FROM_AGE * 365.2425 or drawn >= _DECEASED_SHARE:
        return None
    return as_of - dt.timedelta(days=days_ago)
