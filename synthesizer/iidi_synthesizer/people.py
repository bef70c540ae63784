"""Invents people: who they are and where they live or lived, but no health data."""

import dataclasses
import datetime as dt
import threading

from faker import Faker

from iidi_synthesizer import catalogue
from iidi_synthesizer.addresses import place
from iidi_synthesizer.health_numbers import health_number, quebec_number, version_code
from iidi_synthesizer.ids import random_for
from iidi_synthesizer.moves import Move, move_of

# Share of people per band of five years from 0-4 on, in tenths of a percent, rounded.
_PYRAMID = (50, 53, 56, 56, 64, 72, 75, 71, 66, 62, 62, 67, 66, 59, 46, 34, 21, 12, 8)
_OLDEST = 96  # nobody has reached this age
_of_thread = threading.local()
_DECEASED_FROM_AGE, _DECEASED_SHARE = 60, 0.04


@dataclasses.dataclass(frozen=True)
class Home:
    """Where someone lives or lived, and their health number there."""

    pt: str
    street: str
    city: str
    postal_code: str
    health_number: str
    health_number_version: str | None

    @property
    def health_number_system(self) -> str:
        """Returns the identifier system of the province's health numbers."""
        return catalogue.provinces()[self.pt]["health_number"]["system"]


@dataclasses.dataclass(frozen=True)
class Stay:
    """The days of a life that were spent in one province."""

    pt: str
    since: dt.date
    until: dt.date


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
    home: Home
    move: Move | None
    old_home: Home | None

    def stays(self) -> list[Stay]:
        """Returns where the person has lived, in order."""
        if self.move is None:
            return [Stay(self.pt, self.birth, self.alive_until)]
        before = Stay(self.move.pt, self.birth, self.move.day - dt.timedelta(days=1))
        return [before, Stay(self.pt, self.move.day, self.alive_until)]


def invent(pt: str, seed: int, index: int, as_of: dt.date, moved_share: float | None = None) -> Person:
    """Returns person `index` of that seed as they stand on `as_of`."""
    province = catalogue.provinces()[pt]
    rng = random_for(pt, seed, index, "person")
    birth = _birth(rng, as_of)
    death = _death(rng, birth, as_of)
    gender = rng.choices(("female", "male", "other", "unknown"), (494, 494, 7, 5))[0]
    language = "fr" if rng.random() < province["french"] else "en"
    faker = _faker(language)
    faker.seed_instance(rng.getrandbits(64))
    family = faker.last_name()
    given = tuple(dict.fromkeys((_first_name(faker, gender), _first_name(faker, gender))))
    share = catalogue.moves()["moved_share"] if moved_share is None else moved_share
    move = move_of(pt, seed, index, birth, death or as_of, share)

    def home(there: str, numbered_in: str) -> Home:
        rng = random_for(pt, seed, index, "home", there)
        row = catalogue.provinces()[there]
        city, postal_code = place(rng, row)
        form = row["health_number"]["form"]
        if form == "qc":
            number = quebec_number(family, given[0], gender, birth, index)
        else:
            number = health_number(form, numbered_in, seed, index)
        version = version_code(rng) if form == "on" else None
        return Home(there, faker.street_address().replace("\n", ", "), city, postal_code, number, version)

    return Person(
        pt=pt,
        seed=seed,
        index=index,
        family=family,
        given=given,
        gender=gender,
        language=language,
        birth=birth,
        death=death,
        alive_until=death or as_of,
        home=home(pt, pt),
        move=move,
        old_home=home(move.pt, f"{move.pt} before {pt}") if move else None,
    )


def full_name(language: str, draw: int) -> tuple[str, str]:
    """Returns a given and a family name for that draw."""
    faker = _faker(language)
    faker.seed_instance(draw)
    return faker.first_name(), faker.last_name()


def _faker(language: str) -> Faker:
    # One for each thread: between its seed and its draws nobody else may draw.
    kept = vars(_of_thread)
    if language not in kept:
        kept[language] = Faker(f"{language}_CA")
    return kept[language]


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
