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
from iidi_synthesizer.course import TAKEN, Course, Dose
from iidi_synthesizer.people import Person, Stay
from iidi_synthesizer.schedules import Campaign, Schedule, Season, schedule_of, share_at

_SHORTEST_INTERVAL = dt.timedelta(days=28)
_DELAY_SPREAD = 0.6


def doses_of(person: Person) -> list[Dose]:
    """Returns the person's immunization events in order of their day."""
    course = Course(person)
    for stay in person.stays():
        schedule = schedule_of(stay.pt)
        recorded = dataclasses.replace(stay, since=max(stay.since, schedule.records_from))
        _visits(course, schedule, recorded)
        _seasons(course, schedule.season, recorded)
        _campaigns(course, schedule, recorded)
    ordered = sorted(course.doses, key=lambda dose: (dose.day, dose.key))
    return _blur_some_reported(course.rng("blur"), ordered)


def _visits(course: Course, schedule: Schedule, stay: Stay) -> None:
    birth, rng = course.person.birth, course.rng("visits", stay.pt)
    not_before = birth
    for visit in schedule.visits:
        delay = visit.delay_days * math.exp(rng.gauss(0, _DELAY_SPREAD))
        delay = dt.timedelta(days=round(min(delay, visit.delay_days * 4)))
        due = reached_on(birth, visit.age)
        visit_day = max(due + delay, not_before)
        for line in visit.lines:
            drawn = rng.random()  # drawn always, so a change of dates moves no other draw
            vaccine = catalogue.vaccines()[line.vaccine]
            day = max(visit_day, course.earliest(vaccine.series, line.min_interval_days))
            too_late = line.before is not None and day >= reached_on(birth, line.before)
            # A visit that was due before someone came is not made up for.
            called = due >= stay.since and line.holds_on(visit_day)
            if called and drawn < line.given and not too_late:
                if course.offer(stay, f"{visit.name}/{line.vaccine}", line.vaccine, day, vaccine.series):
                    not_before = max(not_before, day + _SHORTEST_INTERVAL)


def _seasons(course: Course, season: Season, stay: Stay) -> None:
    birth = course.person.birth
    keenness = 2 * course.rng("keenness").betavariate(0.6, 0.6)
    for year in range(stay.since.year, stay.until.year + 1):
        rng = course.rng("season", year)
        drawn, day = rng.random(), dt.date(year, 10, 1) + dt.timedelta(days=rng.randint(0, 60))
        gap = dt.timedelta(days=rng.randint(28, 31))
        if day < reached_on(birth, season.min_age):
            continue
        share = share_at(season.given_by_age, years_old(birth, day))
        lines = [x for x in season.lines if x.holds_on(day) and reached_on(birth, x.from_age) <= day]
        if not lines or drawn >= min(0.97, share * keenness):
            continue
        vaccine, series = lines[-1].vaccine, (f"{season.series} {year}-{year + 1}",)
        taken = course.offer(stay, f"season-{year}/1", vaccine, day, series) in TAKEN
        if taken and not course.had_season and day < reached_on(birth, season.two_doses_under):
            course.offer(stay, f"season-{year}/2", vaccine, day + gap, series)
        course.had_season = course.had_season or taken


def _campaigns(course: Course, schedule: Schedule, stay: Stay) -> None:
    for campaign in schedule.campaigns:
        rng = course.rng("campaign", campaign.name)
        drawn, when = rng.random(), rng.random()
        name = rng.choices(campaign.vaccines, campaign.weights)[0]
        series = catalogue.vaccines()[name].series
        offered = campaign.since + (campaign.until - campaign.since) * when
        day = max(offered, course.earliest(series, campaign.min_interval_days))
        share = share_at(campaign.given_by_age, years_old(course.person.birth, day))
        if drawn < share and _invited(course, campaign, series, day):
            course.offer(stay, f"{campaign.name}/{name}", name, day, series)


def _invited(course: Course, campaign: Campaign, series: tuple[str, ...], day: dt.date) -> bool:
    birth = course.person.birth
    return (
        day <= campaign.until
        and reached_on(birth, campaign.min_age) < day
        and (campaign.before is None or day < reached_on(birth, campaign.before))
        and course.received(series) in campaign.after_doses
    )


def _blur_some_reported(rng, doses: list[Dose]) -> list[Dose]:
    """Leaves the day out of half the reported doses, where the order stays plain."""
    months = collections.Counter((s, d.day.year, d.day.month) for d in doses for s, _ in d.numbers)

    def blurred(dose: Dose) -> Dose:
        if dose.outcome != "reported" or dose.transferred or rng.random() < 0.5:
            return dose
        alone = all(months[(s, dose.day.year, dose.day.month)] == 1 for s, _ in dose.numbers)
        return dataclasses.replace(dose, month_only=alone)

    return [blurred(dose) for dose in doses]
