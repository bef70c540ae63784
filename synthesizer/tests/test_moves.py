"""People who moved: whose records their earlier doses are, and how these came along."""

import datetime as dt
import re

import pytest

from iidi_synthesizer.moves import ORIGIN_RECORD
from iidi_synthesizer.people import invent
from iidi_synthesizer.population import Population

AS_OF = dt.date(2026, 11, 1)


@pytest.fixture(scope="module")
def movers():
    population = Population("ON", 5, 120, AS_OF, moved_share=1.0)
    return [
        (person, unit)
        for (person, _), unit in zip(population.courses(), population.units(), strict=True)
        if person.move is not None
    ]


def origins(resource):
    return [i["value"] for i in resource.get("identifier", []) if i["system"] == ORIGIN_RECORD]


def immunizations(unit):
    return [resource for resource in unit if resource["resourceType"] == "Immunization"]


def earlier(person, dose):
    return dose["occurrenceDateTime"] < person.move.day.isoformat()[: len(dose["occurrenceDateTime"])]


def test_a_transferred_persons_earlier_records_name_their_record_in_the_other_province(movers):
    transferred = [(person, unit) for person, unit in movers if person.move.transferred]
    assert len(transferred) > 30
    for person, unit in transferred:
        for resource in [unit[0], *(dose for dose in immunizations(unit) if earlier(person, dose))]:
            (value,) = origins(resource)
            assert re.fullmatch(rf"{person.move.pt}/{resource['resourceType']}/[0-9a-f-]{{36}}", value)
            assert not value.endswith(resource["id"])


def test_nothing_of_a_transferred_record_is_said_to_have_happened_here(movers):
    for person, unit in movers:
        for dose in immunizations(unit):
            if origins(dose) and "performer" in dose:
                parts = [dose["location"], *(performer["actor"] for performer in dose["performer"])]
                assert all("reference" not in part for part in parts)
                assert all(part["identifier"]["value"].startswith(f"{person.move.pt}/") for part in parts)


def test_what_others_bring_along_is_reported_and_has_no_origin_record(movers):
    others = [(person, unit) for person, unit in movers if not person.move.transferred]
    brought = 0
    for person, unit in others:
        assert not any(origins(resource) for resource in unit)
        for dose in immunizations(unit):
            if earlier(person, dose):
                brought += 1
                assert dose["status"] == "completed" and dose["primarySource"] is False
                assert dose["reportOrigin"]["coding"][0]["code"] == "jurisdiction"
                assert dose["recorded"] >= person.move.day.isoformat()
    assert brought > 50


def test_later_doses_are_of_this_province(movers):
    later = [dose for person, unit in movers for dose in immunizations(unit) if not earlier(person, dose)]
    assert len(later) > 200
    assert not any(origins(dose) for dose in later if len(dose["occurrenceDateTime"]) == 10)


def test_the_number_and_address_of_before_are_kept_as_old(movers):
    for person, unit in movers:
        uses = [(i["use"], i["system"]) for i in unit[0]["identifier"] if "use" in i]
        assert [use for use, _ in uses] == ["official", "old"] and uses[0][1] != uses[1][1]
        assert [(a["use"], a["state"]) for a in unit[0]["address"]] == [("home", "ON"), ("old", person.move.pt)]
        assert unit[0]["address"][1]["period"]["end"] == person.move.day.isoformat()


def test_about_six_in_a_hundred_have_moved_and_none_when_nobody_shall():
    moved = sum(invent("BC", 2, index, AS_OF).move is not None for index in range(3000))
    assert 0.045 < moved / 3000 < 0.075
    assert all(invent("BC", 2, index, AS_OF, moved_share=0).move is None for index in range(100))


def test_who_has_not_moved_is_the_same_person_whatever_the_share():
    for index in range(200):
        some, none = invent("NS", 4, index, AS_OF), invent("NS", 4, index, AS_OF, moved_share=0)
        assert (some.family, some.birth, some.home) == (none.family, none.birth, none.home)
