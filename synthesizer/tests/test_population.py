"""What every synthetic population keeps to, checked over both written schedules and the stand-in."""

import collections
import datetime as dt
import re

import pytest

from iidi_synthesizer import catalogue, ndjson
from iidi_synthesizer.bundle import local_name, references, with_referenced
from iidi_synthesizer.calendar_age import reached_on, years_old
from iidi_synthesizer.population import Population

AS_OF = dt.date(2026, 11, 1)
PEOPLE = 250


@pytest.fixture(scope="module", params=["ON", "BC", "MB"])
def population(request):
    return Population(request.param, 7, PEOPLE, AS_OF)


@pytest.fixture(scope="module")
def units(population):
    return list(population.units())


def of_type(unit, kind):
    return [resource for resource in unit if resource["resourceType"] == kind]


def immunizations(units):
    return [(unit[0], dose) for unit in units for dose in of_type(unit, "Immunization")]


def first_day(partial):
    return dt.date.fromisoformat((partial + "-01")[:10])


def test_the_same_seed_gives_the_same_bytes(tmp_path):
    for run in ("one", "two"):
        ndjson.write(Population("ON", 1, 30, AS_OF), tmp_path / run)
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert len(names) == 6
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_another_seed_gives_other_people():
    one, two = (list(Population("ON", seed, 5, AS_OF).units()) for seed in (1, 2))
    assert {unit[0]["id"] for unit in one}.isdisjoint(unit[0]["id"] for unit in two)
    assert [unit[0]["name"] for unit in one] != [unit[0]["name"] for unit in two]


def test_a_larger_population_contains_the_smaller_one():
    small = list(Population("BC", 3, 5, AS_OF).units())
    assert list(Population("BC", 3, 9, AS_OF).units())[:5] == small


def test_ids_are_unique(population, units):
    names = [local_name(r) for unit in [population.shared(), *units] for r in unit]
    assert len(names) == len(set(names))


def test_every_reference_resolves_inside_the_bundle_of_the_person(population, units):
    shared = {local_name(resource): resource for resource in population.shared()}
    for unit in units:
        bundle = with_referenced(unit, shared)
        present = {local_name(resource) for resource in bundle}
        assert {text for resource in bundle for text in references(resource)} <= present
        assert len(of_type(bundle, "Patient")) == 1


def test_every_resource_says_it_is_test_data(population, units):
    for resource in [r for unit in [population.shared(), *units] for r in unit]:
        assert [label["code"] for label in resource["meta"]["security"]] == ["HTEST"]


def test_ages_run_from_0_to_95(units):
    ages = [years_old(dt.date.fromisoformat(unit[0]["birthDate"]), AS_OF) for unit in units]
    assert 0 <= min(ages) < 5
    assert 85 <= max(ages) <= 95


def test_addresses_name_a_municipality_with_its_postal_code(population, units):
    areas = {(city, area) for city, area, _ in catalogue.provinces()[population.pt]["municipalities"]}
    for unit in units:
        address = unit[0]["address"][0]
        assert (address["city"], address["postalCode"][:3]) in areas
        assert re.fullmatch(r"[A-Z]\d[A-Z] \d[A-Z]\d", address["postalCode"])
        assert address["state"] == population.pt


def test_nothing_happens_before_birth_after_death_or_after_the_date(units):
    for patient, dose in immunizations(units):
        day = first_day(dose["occurrenceDateTime"])
        assert dt.date.fromisoformat(patient["birthDate"]) < day
        last = min(AS_OF.isoformat(), patient.get("deceasedDateTime", "9999"))
        assert dose["occurrenceDateTime"] <= last
        assert dose["recorded"] <= last
    for unit in units:
        for allergy in of_type(unit, "AllergyIntolerance"):
            last = min(AS_OF.isoformat(), unit[0].get("deceasedDateTime", "9999"))
            assert unit[0]["birthDate"] <= allergy["recordedDate"] <= last


def test_doses_of_a_series_count_up_from_one_in_the_order_of_their_days(units):
    for unit in units:
        series = collections.defaultdict(list)
        for dose in of_type(unit, "Immunization"):
            if dose["status"] == "completed":
                for applied in dose["protocolApplied"]:
                    series[applied["series"]].append((dose["occurrenceDateTime"], applied["doseNumberPositiveInt"]))
        for doses in series.values():
            assert [number for _, number in sorted(doses)] == list(range(1, len(doses) + 1))


def test_doses_of_a_series_stand_four_weeks_apart(units):
    for unit in units:
        days = collections.defaultdict(list)
        for dose in of_type(unit, "Immunization"):
            if dose["status"] == "completed" and len(dose["occurrenceDateTime"]) == 10:
                for applied in dose["protocolApplied"]:
                    days[applied["series"]].append(dt.date.fromisoformat(dose["occurrenceDateTime"]))
        for found in days.values():
            ordered = sorted(found)
            assert all((later - earlier).days >= 28 for earlier, later in zip(ordered, ordered[1:], strict=False))


def test_second_hpv_doses_wait_for_their_longer_interval():
    pairs = 0
    for pt in ("ON", "BC"):
        for unit in Population(pt, 7, 400, AS_OF).units():
            days = [
                dt.date.fromisoformat(dose["occurrenceDateTime"])
                for dose in of_type(unit, "Immunization")
                if dose["protocolApplied"][0]["series"] == "HPV" and len(dose["occurrenceDateTime"]) == 10
                if dose["status"] == "completed"
            ]
            if len(days) == 2:
                pairs += 1
                assert abs((days[1] - days[0]).days) >= 168
    assert pairs > 10


def test_one_vaccine_is_never_given_twice_on_a_day(units):
    for unit in units:
        seen = [(d["vaccineCode"]["coding"][0]["code"], d["occurrenceDateTime"]) for d in of_type(unit, "Immunization")]
        assert len(seen) == len(set(seen))


def test_given_doses_have_a_lot_that_had_not_expired(units):
    for _, dose in immunizations(units):
        given_here = dose["status"] == "completed" and dose["primarySource"]
        assert given_here == ("lotNumber" in dose)
        if given_here:
            assert dose["expirationDate"] > dose["occurrenceDateTime"]
            assert {"route", "doseQuantity", "performer", "location"} <= dose.keys()
            oral = dose["route"]["coding"][0]["code"] == "PO"
            assert oral != ("site" in dose)


def test_a_trade_name_is_used_only_while_it_is_on_the_market(units):
    products = {p.code: p for v in catalogue.vaccines().values() for p in v.products}
    for _, dose in immunizations(units):
        for coding in dose["vaccineCode"]["coding"]:
            if coding["code"] in products and coding["system"].endswith("sct"):
                day, product = dose["occurrenceDateTime"], products[coding["code"]]
                assert product.available.isoformat()[: len(day)] <= day <= product.withdrawn.isoformat()


def test_refusals_have_a_reason_and_completed_doses_have_none(units):
    for _, dose in immunizations(units):
        assert (dose["status"] == "not-done") == ("statusReason" in dose)
        assert (dose["primarySource"] is False) == ("reportOrigin" in dose)
        assert not (dose["status"] == "not-done" and dose["primarySource"] is False)


def test_about_three_in_a_hundred_are_refused_and_as_many_reported(units):
    doses = [dose for _, dose in immunizations(units)]
    assert 0.02 < sum(d["status"] == "not-done" for d in doses) / len(doses) < 0.045
    assert 0.02 < sum(not d["primarySource"] for d in doses) / len(doses) < 0.045


def test_every_snomed_coding_is_bilingual(units):
    for _, dose in immunizations(units):
        concepts = [dose["vaccineCode"]] + [d for p in dose["protocolApplied"] for d in p["targetDisease"]]
        for coding in [c for concept in concepts for c in concept["coding"] if c["system"].endswith("sct")]:
            lang, content = coding["_display"]["extension"][0]["extension"]
            assert (lang["valueCode"], bool(content["valueString"])) == ("fr", True)


def test_everybody_has_a_word_on_allergies_and_most_have_none(units):
    none = 0
    for unit in units:
        codes = [a["code"]["coding"][0]["code"] for a in of_type(unit, "AllergyIntolerance")]
        assert codes and ("716186003" not in codes or len(codes) == 1)
        none += codes == ["716186003"]
    assert none / len(units) > 0.75


def test_no_element_is_empty(population, units):
    def empty_inside(value):
        if isinstance(value, dict | list):
            return not value or any(map(empty_inside, value.values() if isinstance(value, dict) else value))
        return value is None or value == ""

    assert not any(map(empty_inside, [r for unit in [population.shared(), *units] for r in unit]))


@pytest.mark.parametrize(
    ("birth", "age", "day"),
    [("2024-01-31", "1m", "2024-03-01"), ("2023-12-15", "2m", "2024-02-15"), ("2024-02-29", "1y", "2025-03-01")],
)
def test_ages_are_reached_on_the_right_day(birth, age, day):
    assert reached_on(dt.date.fromisoformat(birth), age) == dt.date.fromisoformat(day)
