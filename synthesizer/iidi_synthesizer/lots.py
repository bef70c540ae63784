"""Lots: a product's lot has one number and one expiry date, whoever is given a dose of it."""

import calendar
import datetime as dt
import hashlib

_QUARTERS_IN_USE = 5
_YEARS_TO_EXPIRY = 2
_LETTERS = "ABCDEFGHJKLMNPRSTUVWXYZ"


def lot_of(rng, product: str, available: dt.date, day: dt.date) -> tuple[str, dt.date]:
    """Returns number and expiry of a lot that was released by `day` and not yet expired.

    A new lot is released every quarter from `available` on and used for a little over a year.
    """
    newest = _quarter(day)
    oldest = max(newest - _QUARTERS_IN_USE + 1, min(_quarter(available), newest))
    quarter = rng.randint(oldest, newest)
    return _number(product, quarter), _expiry(quarter)


def _number(product: str, quarter: int) -> str:
    digest = hashlib.sha256(f"{product}/{quarter}".encode()).digest()
    first, last = (_LETTERS[byte % len(_LETTERS)] for byte in digest[:2])
    return f"{first}{quarter // 4 % 100:02d}{int.from_bytes(digest[2:5], 'big') % 100_000:05d}{last}"


def _expiry(quarter: int) -> dt.date:
    year, month = quarter // 4 + _YEARS_TO_EXPIRY, quarter % 4 * 3 + 3
    return dt.date(year, month, calendar.monthrange(year, month)[1])


def _quarter(day: dt.date) -> int:
    return day.year * 4 + (day.month - 1) // 3
