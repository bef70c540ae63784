"""Health numbers in the form of their province, with the check digit where it is known.

Numbers are unique by construction, except in Quebec, where name and birth date are in the
number and two people with the same ones may, very rarely, share it.
"""

import datetime as dt
import hashlib
import re
import unicodedata

_BC_WEIGHTS = (2, 4, 8, 5, 10, 9, 7, 3)
_BC_ATTEMPTS = 16
_VERSION_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"


def luhn_digit(digits: str) -> str:
    """Returns the digit that makes `digits` plus itself pass the Luhn check."""
    total = 0
    for position, digit in enumerate(reversed(digits)):
        value = int(digit)
        if position % 2 == 0:
            value = value * 2 - 9 if value > 4 else value * 2
        total += value
    return str(-total % 10)


def bc_check_digit(body: str) -> str | None:
    """Returns the last digit for digits 2 to 9 of a BC number; some bodies have none."""
    result = (11 - sum(w * int(d) for w, d in zip(_BC_WEIGHTS, body, strict=True))) % 11
    return None if result == 10 else str(result)


def health_number(form: str, pt: str, seed: int, index: int) -> str:
    """Returns the number of person `index`; two people of one seed never share one.

    Forms are `on`, `bc`, and `digits-8` for so many digits, the first not 0; letters
    before the word, as in `Ndigits-7`, begin the number.
    """
    if form == "on":
        body = _digits(9, pt, seed, index)
        return body + luhn_digit(body)
    if form == "bc":
        for attempt in range(_BC_ATTEMPTS):
            body = f"{_scatter(index * _BC_ATTEMPTS + attempt, 10**8, 61_803_399, pt, seed):08d}"
            last = bc_check_digit(body)
            if last is not None:
                return f"9{body}{last}"
        raise ValueError("no BC number found for this position")
    plain = re.fullmatch(r"([A-Z]*)digits-([0-9]+)", form)
    if plain is None:
        raise ValueError(f"unknown form of health number: {form}")
    return plain[1] + _digits(int(plain[2]), pt, seed, index)


def quebec_number(family: str, given: str, gender: str, birth: dt.date, index: int) -> str:
    """Returns a number of Quebec's form: letters of the name, birth date (month plus 50
    for women), two digits that tell apart who is alike in these."""
    letters = (_plain_letters(family) + "XXX")[:3] + (_plain_letters(given) + "X")[:1]
    month = birth.month + (50 if gender == "female" else 0)
    return f"{letters}{birth.year % 100:02d}{month:02d}{birth.day:02d}{index % 100:02d}"


def version_code(rng) -> str:
    """Returns the two-letter version of an Ontario health card."""
    return rng.choice(_VERSION_LETTERS) + rng.choice(_VERSION_LETTERS)


def _digits(length: int, pt: str, seed: int, index: int) -> str:
    least = 10 ** (length - 1)
    return str(least + _scatter(index, 9 * least, 618_033_989, pt, seed))


def _plain_letters(name: str) -> str:
    split = unicodedata.normalize("NFD", name).upper()
    return "".join(letter for letter in split if "A" <= letter <= "Z")


def _scatter(position: int, size: int, step: int, pt: str, seed: int) -> int:
    # `step` shares no factor with `size`, so positions below `size` never collide.
    start = int.from_bytes(hashlib.sha256(f"{pt}/{seed}".encode()).digest()[:8], "big")
    return (start + position * step) % size
