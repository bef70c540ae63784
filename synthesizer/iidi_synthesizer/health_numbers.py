"""Health numbers with the check digit of their province, unique by construction."""

import hashlib

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
    """Returns the number of person `index`; two people of one seed never share one."""
    if form == "on":
        body = str(10**8 + _scatter(index, 9 * 10**8, 618_033_989, pt, seed))
        return body + luhn_digit(body)
    if form == "bc":
        for attempt in range(_BC_ATTEMPTS):
            body = f"{_scatter(index * _BC_ATTEMPTS + attempt, 10**8, 61_803_399, pt, seed):08d}"
            last = bc_check_digit(body)
            if last is not None:
                return f"9{body}{last}"
        raise ValueError("no BC number found for this position")
    if form == "plain":
        return str(10**8 + _scatter(index, 9 * 10**8, 618_033_989, pt, seed))
    raise ValueError(f"unknown form of health number: {form}")


def version_code(rng) -> str:
    """Returns the two-letter version of an Ontario health card."""
    return rng.choice(_VERSION_LETTERS) + rng.choice(_VERSION_LETTERS)


def _scatter(position: int, size: int, step: int, pt: str, seed: int) -> int:
    # `step` shares no factor with `size`, so positions below `size` never collide.
    start = int.from_bytes(hashlib.sha256(f"{pt}/{seed}".encode()).digest()[:8], "big")
    return (start + position * step) % size
