"""Promises that hold for any province, seed, position and date, not only for those of an example."""

import collections
import datetime as dt
import re

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from iidi_synthesizer import catalogue
from iidi_synthesizer.calendar_age import reached_on, years_old
from iidi_synthesizer.health_numbers import bc_check_digit, luhn_digit
from iidi_synthesizer.population import Population
from iidi_synthesizer.request import population

PROVINCES = sorted(catalogue.provinces())
DAYS = st.dates(dt.date(2010, 1, 1), dt.date(2030, 12, 31))
SEEDS = st.integers(-(2**40), 2**40)
SHARES = st.sampled_from([0.0, 0.5, 1.0])
# The same examples in every run, because a check must not fail by chance. To search for more,
# take derandomize out and raise the number.
few = settings(
    max_examples=60, deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)


def one_person(pt, seed, as_of, share):
    (unit,) = Population(pt, seed, 1, as_of, share).units()
    return unit


anybody = given(st.sampled_from(PROVINCES), SEEDS, DAYS, SHARES)


def of_type(unit, kind):
    return [resource for resource in unit if resource["resourceType"] == kind]


@few
@anybody
def test_the_same_question_has_the_same_answer(pt, seed, as_of, share):
    assert one_person(pt, seed, as_of, share) == one_person(pt, seed, as_of, share)


@few
@given(st.sampled_from(PROVINCES), SEEDS, DAYS, SHARES, st.integers(2, 4))
def test_a_larger_population_begins_with_the_smaller_one(pt, seed, as_of, share, people):
    larger = list(Population(pt, seed, people, as_of, share).units())
    assert larger[:1] == [one_person(pt, seed, as_of, share)]
    ids = [resource["id"] for unit in larger for resource in unit]
    assert len(ids) == len(set(ids))


@few
@anybody
def test_everything_lies_between_birth_and_the_date(pt, seed, as_of, share):
    patient, *rest = one_person(pt, seed, as_of, share)
    last = min(as_of.isoformat(), patient.get("deceasedDateTime", "9999"))
    assert patient["birthDate"] <= last
    for resource in rest:
        day = resource.get("occurrenceDateTime", resource.get("recordedDate"))
        assert patient["birthDate"][: len(day)] <= day <= last
        assert day <= resource.get("recorded", day)[:10] <= last or len(day) == 7


@few
@anybody
def test_doses_of_a_series_count_up_in_the_order_of_their_days(pt, seed, as_of, share):
    series = collections.defaultdict(list)
    for dose in of_type(one_person(pt, seed, as_of, share), "Immunization"):
        if dose["status"] == "completed":
            for applied in dose["protocolApplied"]:
                series[applied["series"]].append((dose["occurrenceDateTime"], applied["doseNumberPositiveInt"]))
    for doses in series.values():
        assert [number for _, number in sorted(doses)] == list(range(1, len(doses) + 1))


@few
@anybody
def test_no_lot_had_expired_and_every_code_has_two_languages(pt, seed, as_of, share):
    for dose in of_type(one_person(pt, seed, as_of, share), "Immunization"):
        assert dose.get("expirationDate", "9999") > dose["occurrenceDateTime"]
        snomed = [coding for coding in dose["vaccineCode"]["coding"] if coding["system"] == "http://snomed.info/sct"]
        assert snomed and all(coding["display"] and coding["_display"]["extension"] for coding in snomed)


@few
@anybody
def test_number_and_postal_code_fit_the_province(pt, seed, as_of, share):
    patient = one_person(pt, seed, as_of, share)[0]
    for identifier, address in zip(patient["identifier"], patient["address"], strict=False):
        there = catalogue.provinces()[address["state"]]
        assert re.fullmatch(r"[A-Z]\d[A-Z] \d[A-Z]\d", address["postalCode"])
        assert address["postalCode"][0] in there["postal_letters"]
        assert identifier["system"] == there["health_number"]["system"]
        value, form = identifier["value"], there["health_number"]["form"]
        if form == "on":
            assert re.fullmatch(r"[1-9]\d{9}", value) and luhn_digit(value[:9]) == value[9]
        elif form == "bc":
            assert re.fullmatch(r"9\d{9}", value) and bc_check_digit(value[1:9]) == value[9]
        elif form == "qc":
            assert re.fullmatch(r"[A-Z]{4}\d{8}", value)
        else:
            assert re.fullmatch(r"N?[1-9]\d{6,11}", value)


@few
@anybody
def test_a_trade_name_given_here_was_on_the_market(pt, seed, as_of, share):
    products = {product.code: product for vaccine in catalogue.vaccines().values() for product in vaccine.products}
    for dose in of_type(one_person(pt, seed, as_of, share), "Immunization"):
        for coding in dose["vaccineCode"]["coding"]:
            if coding["code"] in products and len(dose["occurrenceDateTime"]) == 10 and "sct" in coding["system"]:
                day, product = dt.date.fromisoformat(dose["occurrenceDateTime"]), products[coding["code"]]
                assert product.available <= day <= product.withdrawn


@few
@given(st.dates(dt.date(1900, 1, 1)), st.integers(0, 110))
def test_an_age_is_reached_on_the_first_day_of_that_many_years(birth, age):
    if birth.year + age < 9999:
        day = reached_on(birth, f"{age}y")
        assert years_old(birth, day) == age
        assert age == 0 or years_old(birth, day - dt.timedelta(days=1)) == age - 1


@few
@given(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers()) | st.dates().map(str)
)
def test_whatever_is_asked_for_is_a_population_or_a_refusal_in_words(value):
    for key in ("pt", "people", "seed", "as_of", "moved_share", "other"):
        try:
            made = population({"pt": "ON", "people": 1, "seed": 1, "as_of": "2026-11-01", key: value}, {})
        except ValueError as error:
            assert str(error)
        else:
            assert made.people >= 1 and made.pt in catalogue.provinces()
            assert next(made.courses())
