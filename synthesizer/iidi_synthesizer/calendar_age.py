"""Ages as the schedules write them: `2m`, `4y`."""

import calendar
import datetime as dt


def reached_on(birth: dt.date, age: str) -> dt.date:
    """Returns the day on which someone born on `birth` reaches `age`."""
    amount, unit = int(age[:-1]), age[-1]
    months = {"m": amount, "y": amount * 12}[unit]
    year, month = divmod(birth.year * 12 + birth.month - 1 + months, 12)
    last = calendar.monthrange(year, month + 1)[1]
    day = dt.date(year, month + 1, min(birth.day, last))
    # Born on a day this month does not have: reached on the first of the next.
    return day if birth.day <= last else day + dt.timedelta(days=1)


def years_old(birth: dt.date, day: dt.date) -> int:
    """Returns completed calendar years."""
    return day.year - birth.year - ((day.month, day.day) < (birth.month, birth.day))
