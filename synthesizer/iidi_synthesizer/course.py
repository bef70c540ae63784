"""What one person has received so far, dose by dose."""

import collections
import dataclasses
import datetime as dt

from iidi_synthesizer import catalogue
from iidi_synthesizer.ids import random_for
from iidi_synthesizer.people import Person, Stay

REFUSED_SHARE = 0.03
REPORTED_SHARE = 0.03
TAKEN = ("given", "reported")


@dataclasses.dataclass(frozen=True)
class Dose:
    """One event in province `pt`: given, reported by somebody else, or refused.

    `transferred` is an event of another province whose record came along with the person.
    """

    key: str
    pt: str
    vaccine: str
    day: dt.date
    numbers: tuple[tuple[str, int], ...]
    outcome: str  # given | reported | refused
    transferred: bool = False
    month_only: bool = False


class Course:
    """Counts a person's doses per series and decides what becomes of an offer."""

    def __init__(self, person: Person):
        self.person = person
        self.doses: list[Dose] = []
        self.had_season = False
        self._rng = self.rng("outcomes")
        self._count = collections.Counter()
        self._last_day: dict[str, dt.date] = {}

    def rng(self, *purpose: object):
        """Returns a generator of its own for each purpose, the same in every stay."""
        return random_for(self.person.pt, self.person.seed, self.person.index, *purpose)

    def received(self, series: tuple[str, ...]) -> int:
        """Returns how many doses there are in the fullest of these series."""
        return max(self._count[name] for name in series)

    def earliest(self, series: tuple[str, ...], interval_days: int) -> dt.date:
        """Returns the first day for the next dose of these series."""
        days = [self._last_day[s] + dt.timedelta(days=interval_days) for s in series if s in self._last_day]
        return max(days, default=self.person.birth)

    def offer(self, stay: Stay, key: str, vaccine: str, day: dt.date, series: tuple[str, ...]) -> str | None:
        """Records an offer and returns its outcome; nothing if the day is outside the stay."""
        if not max(stay.since, catalogue.vaccines()[vaccine].available) <= day <= stay.until:
            return None
        outcome = self._outcome()
        move = self.person.move
        elsewhere = stay.pt != self.person.pt
        transferred = elsewhere and move.transferred
        numbers = tuple((name, self._count[name] + 1) for name in series)
        if outcome != "refused":
            for name in series:
                self._count[name] += 1
                self._last_day[name] = day
        if elsewhere and not transferred:
            if outcome == "refused":
                return outcome  # not recorded: nobody brings a refusal along
            outcome = "reported"
        key = f"{stay.pt}:{key}" if elsewhere else key
        self.doses.append(Dose(key, stay.pt, vaccine, day, numbers, outcome, transferred))
        return outcome

    def _outcome(self) -> str:
        draw = self._rng.random()
        if draw < REFUSED_SHARE:
            return "refused"
        return "reported" if draw < REFUSED_SHARE + REPORTED_SHARE else "given"
