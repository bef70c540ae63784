"""How many get what: shares of a large population against what the schedules say."""

import collections
import datetime as dt

import pytest

from iidi_synthesizer import catalogue
from iidi_synthesizer.calendar_age import years_old
from iidi_synthesizer.doses import doses_of
from iidi_synthesizer.people import invent
from iidi_synthesizer.schedules import schedule_of

AS_OF = dt.date(2026, 11, 1)
PEOPLE = 3000


@pytest.fixture(scope="module")
def ontarians():
    people = [invent("ON", 11, index, AS_OF) for index in range(PEOPLE)]
    return [(person, [dose for dose in doses_of(person) if dose.outcome != "refused"]) for person in people]


def share(ontarians, ages, vaccines, at_least=1):
    here = [doses for person, doses in ontarians if years_old(person.birth, AS_OF) in ages and person.death is None]
    having = [doses for doses in here if sum(dose.vaccine in vaccines for dose in doses) >= at_least]
    return len(having) / len(here)


@pytest.mark.parametrize(
    ("ages", "vaccines", "at_least", "expected"),
    [
        (range(3, 17), {"MMR"}, 1, 0.92 * 0.97),
        (range(3, 17), {"Var"}, 1, 0.87 * 0.97),
        (range(8, 17), {"Tdap-IPV"}, 1, 0.85 * 0.97),
        (range(16, 22), {"Men-C-ACYW"}, 1, 0.82 * 0.97),
        (range(21, 65), {"COVID-mRNA", "COVID-vector"}, 1, 0.80 * 0.97),
        (range(72, 96), {"COVID-mRNA", "COVID-vector"}, 1, 0.90 * 0.97),
    ],
)
def test_the_shares_are_those_of_the_schedule(ontarians, ages, vaccines, at_least, expected):
    assert share(ontarians, ages, vaccines, at_least) == pytest.approx(expected, abs=0.04)


def test_adults_and_seniors_have_records_too(ontarians):
    assert 0.3 < share(ontarians, range(68, 80), {"RZV"}) < 0.6
    assert 0.3 < share(ontarians, range(70, 90), {"Pneu-P-23", "Pneu-C-20"}) < 0.6
    assert 0.3 < share(ontarians, range(50, 60), {"Td"}) < 0.7
    assert share(ontarians, range(70, 90), {"Inf-HD-4", "Inf-HD-3"}) > share(ontarians, range(20, 50), {"Inf-4"})
    assert share(ontarians, range(18, 60), {"RSV", "RZV", "Inf-HD-3"}) == 0


def test_two_doses_in_a_childs_first_season_and_one_in_others(ontarians):
    for person, doses in ontarians:
        per_season = collections.Counter(
            number[0] for dose in doses for number in dose.numbers if number[0].startswith("Inf ")
        )
        assert all(count <= 2 for count in per_season.values())
        if person.birth < dt.date(1990, 1, 1):
            assert set(per_season.values()) <= {1}


def test_covid_doses_come_after_the_first_authorization_and_in_order(ontarians):
    for _, doses in ontarians:
        days = [(dose.numbers[0][1], dose.day) for dose in doses if dose.numbers[0][0] == "COVID-19"]
        assert days == sorted(days, key=lambda pair: pair[1])
        assert [number for number, _ in days] == list(range(1, len(days) + 1))
        assert all(day >= dt.date(2020, 12, 14) for _, day in days)


@pytest.mark.parametrize("pt", sorted(catalogue.provinces()))
def test_every_schedule_can_be_read_and_names_its_source_and_vaccines(pt):
    schedule = schedule_of(pt)
    assert schedule.source and schedule.visits and schedule.campaigns
    names = {line.vaccine for visit in schedule.visits for line in visit.lines}
    names |= {line.vaccine for line in schedule.season.lines}
    names |= {name for campaign in schedule.campaigns for name in campaign.vaccines}
    assert names <= catalogue.vaccines().keys()
    assert len({visit.name for visit in schedule.visits}) == len(schedule.visits)
    assert len({campaign.name for campaign in schedule.campaigns}) == len(schedule.campaigns)


@pytest.mark.parametrize("file", ["on", "bc", "default", "campaigns/covid-19", "campaigns/rsv"])
def test_every_schedule_file_names_its_source_and_validity(file):
    data = catalogue.read(f"schedules/{file}.yaml")
    assert data["source"] and data["retrieved"]
    assert dt.date.fromisoformat(data["valid_from"]) <= AS_OF
    assert data["valid_to"] is None or data["valid_to"] > data["valid_from"]
