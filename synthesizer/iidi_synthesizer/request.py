"""What population somebody asks for, with the configuration filling in what is not said."""

import datetime as dt

from iidi_synthesizer import catalogue
from iidi_synthesizer.population import Population

MOST_PEOPLE = 1_000_000
FIRST_DAY, LAST_DAY = dt.date(2000, 1, 1), dt.date(2100, 12, 31)
_KEYS = ("pt", "people", "seed", "as_of", "moved_share")


def population(asked: dict, defaults: dict) -> Population:
    """Returns the population; raises ValueError with a sentence for the asker."""
    unknown = sorted(set(asked) - set(_KEYS))
    if unknown:
        raise ValueError("unknown: " + ", ".join(map(str, unknown)))
    said = {key: defaults.get(key) for key in _KEYS} | asked
    missing = [key for key in ("pt", "people", "seed", "as_of") if said[key] is None]
    if missing:
        raise ValueError("missing: " + ", ".join(missing))
    if not isinstance(said["pt"], str) or said["pt"] not in catalogue.provinces():
        raise ValueError("pt must be the code of a province or territory, such as ON")
    people, seed = (_whole(key, said[key]) for key in ("people", "seed"))
    if not 1 <= people <= MOST_PEOPLE:
        raise ValueError(f"people must be from 1 to {MOST_PEOPLE}")
    return Population(said["pt"], seed, people, _day(said["as_of"]), _share(said["moved_share"]))


def _whole(key: str, value: object) -> int:
    if isinstance(value, str) and value.removeprefix("-").isdecimal():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{key} must be a whole number")
    return value


def _day(value: object) -> dt.date:
    try:
        day = dt.date.fromisoformat(value if isinstance(value, str) else "")
    except ValueError:
        raise ValueError("as_of must be a date, YYYY-MM-DD") from None
    if not FIRST_DAY <= day <= LAST_DAY:
        raise ValueError(f"as_of must be from {FIRST_DAY} to {LAST_DAY}")
    return day


def _share(value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ValueError("moved_share must be between 0 and 1")
    return float(value)
