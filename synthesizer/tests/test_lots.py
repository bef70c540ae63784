"""Lots that were valid: one number, one product, one expiry, in use only before it."""

import collections
import datetime as dt

import pytest

from iidi_synthesizer.population import Population

AS_OF = dt.date(2026, 11, 1)


@pytest.fixture(scope="module")
def given():
    units = [unit for pt in ("ON", "QC") for unit in Population(pt, 9, 200, AS_OF).units()]
    return [resource for unit in units for resource in unit if "lotNumber" in resource]


def test_a_lot_number_belongs_to_one_product_and_has_one_expiry(given):
    seen = collections.defaultdict(set)
    for dose in given:
        kind = (
            dose["vaccineCode"]["coding"][1]["code"]
            if "manufacturer" in dose
            else dose["vaccineCode"]["coding"][0]["code"]
        )
        seen[dose["lotNumber"]].add((kind, dose["expirationDate"]))
    assert len(seen) > 300
    assert all(len(found) == 1 for found in seen.values())


def test_people_share_lots(given):
    lots = collections.Counter(dose["lotNumber"] for dose in given)
    assert max(lots.values()) > 5


def test_no_lot_is_used_near_or_after_its_expiry(given):
    for dose in given:
        left = dt.date.fromisoformat(dose["expirationDate"]) - dt.date.fromisoformat(dose["occurrenceDateTime"])
        assert 180 < left.days < 3 * 366
