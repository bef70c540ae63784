"""Check digits, recomputed here by another way than the generator's."""

import pytest

from iidi_synthesizer import catalogue
from iidi_synthesizer.health_numbers import bc_check_digit, health_number, luhn_digit

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
