"""Walks one person through a schedule: which dose was given when, and which was not.

Dose numbers count what the person really received, per series, so a second dose never
stands without a first one however many visits were missed.
"""

import collections
import dataclasses
import datetime as dt
import math

from iidi_synthesizer import catalogue
from iidi_synthesizer.calendar_age import reached_on, years_old
from iidi_synthesizer.ids import random_for
from iidi_synthesizer.people import Person

REFUSED_SHARE = 0.03
REPORTED_SHARE = 0.03
_SHORTEST_INTERVAL = dt.timedelta(days=28)
_DELAY_SPREAD = 0.6


@dataclasses.dataclass(frozen=True)
class Dose:
    """One event: given here, reported from elsewhere, or refused."""

    key: str
    vaccine: str
    day: dt.date
    numbers: tuple[tuple[str, int], ...]
    outcome: str  # given | reported | refused
    month_only: bool = False


class _Course:
    """What the person has received so far."""

    def __init__(self, person: Person):
        self.person = person
        self.rng = random_for(person.pt, person.seed, person.index, "doses")
        self.count = collections.Counter()
        self.last_day: dict[str, dt.date] = {}
        self.doses: list[Dose] = []

    def earliest(self, series: tuple[str, ...], interval_days: int) -> dt.date:
        days = [self.last_day[s] + dt.timedelta(days=interval_days) for s in series if s in self.last_day]
        return max(days, default=self.person.birth)

    def add(self, key: str, vaccine: str, day: dt.date, series: tuple[str, ...]) -> str:
        numbers = tuple((name, self.count[name] + 1) for name in series)
        outcome = self._outcome()
        if outcome != "refused":
            for name in series:
                self.count[name] += 1
                self.last_day[name] = day
        self.doses.append(Dose(key, vaccine, day, numbers, outcome))
        return outcome

    def _outcome(self) -> str:
        draw = self.rng.random()
        if draw < REFUSED_SHARE:
            return "refused"
        return "reported" if draw < REFUSED_SHARE + REPORTED_SHARE else "given"


def doses_of(person: Person) -> list[Dose]:
    """Returns the person's immunization events in order of their day."""
    schedule = catalogue.schedule_of(person.pt)
    course = _Course(person)
    _visits(course, schedule)
    _seasons(course, schedule)
    ordered = sorted(course.doses, key=lambda dose: (dose.day, dose.key))
    return _blur_some_reported(course.rng, ordered)


def _visits(course: _Course, schedule: catalogue.Schedule) -> None:
    person, rng = course.person, course.rng
    not_before = person.birth
    for visit in schedule.visits:
        delay = visit.delay_days * math.exp(rng.gauss(0, _DELAY_SPREAD))
        delay = dt.timedelta(days=round(min(delay, visit.delay_days * 4)))
        visit_day = max(reached_on(person.birth, visit.age) + delay, not_before)
        for line in visit.lines:
            drawn = rng.random()  # drawn always, so a change of dates moves no other draw
            vaccine = catalogue.vaccines()[line.vaccine]
            day = max(visit_day, course.earliest(vaccine.series, line.min_interval_days))
            if drawn >= line.given or not _possible(person, schedule, line, vaccine, day):
                continue
            course.add(f"{visit.name}/{line.vaccine}", line.vaccine, day, vaccine.series)
            not_before = max(not_before, day + _SHORTEST_INTERVAL)


def _possible(person, schedule, line, vaccine, day: dt.date) -> bool:
    return (
        schedule.records_from <= day <= person.alive_until
        and line.holds_on(day)
        and vaccine.available <= day
        and (line.before is None or day < reached_on(person.birth, line.before))
    )


def _seasons(course: _Course, schedule: catalogue.Schedule) -> None:
    person, rng = course.person, course.rng
    keenness = 2 * rng.betavariate(0.6, 0.6)
    had_any = False
    first = max(person.birth.year, schedule.records_from.year)
    for year in range(first, person.alive_until.year + 1):
        drawn, day = rng.random(), dt.date(year, 10, 1) + dt.timedelta(days=rng.randint(0, 60))
        gap = dt.timedelta(days=rng.randint(28, 31))
        if day < reached_on(person.birth, schedule.seasonal_min_age) or day > person.alive_until:
            continue
        share = _share_at(schedule.seasonal_given_by_age, years_old(person.birth, day))
        line = next((x for x in schedule.seasonal_lines if x.holds_on(day)), None)
        if line is None or drawn >= min(0.97, share * keenness):
            continue
        series = (f"{schedule.seasonal_series} {year}-{year + 1}",)
        outcome = course.add(f"season-{year}/1", line.vaccine, day, series)
        young = day < reached_on(person.birth, schedule.seasonal_two_doses_under)
        if outcome != "refused" and young and not had_any and day + gap <= person.alive_until:
            course.add(f"season-{year}/2", line.vaccine, day + gap, series)
        had_any = had_any or outcome != "refused"


def _share_at(steps: tuple[tuple[int, float], ...], age: int) -> float:
    return [share for since, share in steps if since <= age][-1]


def _blur_some_reported(rng, doses: list[Dose]) -> list[Dose]:
    """Leaves the day out of half the reported doses, where the order stays plain."""
    months = collections.Counter((s, d.day.year, d.day.month) for d in doses for s, _ in d.numbers)

    def blurred(dose: Dose) -> Dose:
        if dose.outcome != "reported" or rng.random() < 0.5:
            return dose
        alone = all(months[(s, dose.day.year, dose.day.month)] == 1 for s, _ in dose.numbers)
        return dataclasses.replace(dose, month_only=alone)

    return [blurred(dose) for dose in doses]
