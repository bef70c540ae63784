"""Check digits, recomputed here by another way than the generator's."""

import datetime as dt
import re

import pytest

from iidi_synthesizer import catalogue
from iidi_synthesizer.health_numbers import bc_check_digit, health_number, luhn_digit, quebec_number

PEOPLE = 3000


def passes_luhn(number):
    doubled = [sum(divmod(2 * int(digit), 10)) for digit in number[-2::-2]]
    return (sum(doubled) + sum(int(digit) for digit in number[-1::-2])) % 10 == 0


def passes_bc(number):
    weights = dict(zip(range(1, 9), (2, 4, 8, 5, 10, 9, 7, 3), strict=True))
    return number[0] == "9" and (sum(int(number[i]) * w for i, w in weights.items()) + int(number[9])) % 11 == 0


@pytest.mark.parametrize(("form", "check"), [("on", passes_luhn), ("bc", passes_bc)])
def test_every_number_passes_its_check_and_no_two_are_equal(form, check):
    numbers = [health_number(form, "XX", 5, index) for index in range(PEOPLE)]
    assert len(set(numbers)) == PEOPLE
    for number in numbers:
        assert len(number) == 10 and number.isdigit() and number[0] != "0"
        assert check(number)


def test_known_check_digits():
    assert luhn_digit("7992739871") == "3"
    # 2+4+8+5+10+9+7+3 = 48, 48 mod 11 = 4, 11 - 4 = 7
    assert bc_check_digit("11111111") == "7"


def test_a_body_whose_check_would_be_ten_has_no_number():
    assert bc_check_digit("60000000") is None  # 12 mod 11 = 1


def test_each_province_has_its_own_identifier_system():
    systems = [row["health_number"]["system"] for row in catalogue.provinces().values()]
    assert len(systems) == len(set(systems)) == 13
    assert catalogue.provinces()["ON"]["health_number"]["system"].endswith("/ca-on-patient-hcn")
    assert catalogue.provinces()["BC"]["health_number"]["system"].endswith("/ca-bc-patient-healthcare-id")


@pytest.mark.parametrize(
    ("form", "first", "length"),
    [("digits-8", "", 8), ("digits-9", "", 9), ("digits-12", "", 12), ("Ndigits-7", "N", 8)],
)
def test_plain_numbers_have_the_length_of_their_province(form, first, length):
    numbers = {health_number(form, "XX", 5, index) for index in range(PEOPLE)}
    assert len(numbers) == PEOPLE
    for number in numbers:
        assert len(number) == length and number.startswith(first)
        assert number.removeprefix(first).isdigit() and number[len(first)] != "0"


def test_quebec_numbers_hold_name_and_birth_date():
    assert quebec_number("L'Écuyer", "Zoé", "female", dt.date(1987, 3, 9), 104) == "LECZ87530904"
    assert quebec_number("Ng", "Bo", "male", dt.date(2001, 12, 31), 7) == "NGXB01123107"


def test_every_municipality_has_a_postal_code_of_its_province():
    for pt, row in catalogue.provinces().items():
        assert len(row["municipalities"]) >= 12, pt
        for city, area, weight in row["municipalities"]:
            assert re.fullmatch(r"[A-Z][0-9][A-Z]", area) and area[0] in row["postal_letters"], city
            assert not set(area) & set("DFIOQU") and weight > 0, city
