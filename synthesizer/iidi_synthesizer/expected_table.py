"""What the national table must say of a population, counted while it is invented.

It is counted from the people and their doses, never from the FHIR records, so it can be
held against what somebody else counts from the records.
"""

import collections

from iidi_synthesizer import catalogue
from iidi_synthesizer.calendar_age import years_old
from iidi_synthesizer.course import Dose
from iidi_synthesizer.people import Person

COLUMNS = ("Jurisdiction", "OccurrenceYear", "Age", "Sex", "VaccineType", "VaccineCode", "Dose", "DoseLabel")


class ExpectedTable:
    """Counts before any protection: cells, and what is excluded by reason."""

    def __init__(self):
        self._cells = collections.Counter()
        self._excluded = collections.Counter()

    def add(self, person: Person, doses: list[Dose]) -> None:
        """Counts one person's events."""
        for dose in doses:
            reason = _reason_not_to_count(dose)
            if reason is None:
                self._cells[_cell(person, dose)] += 1
            else:
                self._excluded[reason] += 1

    def as_json(self) -> dict:
        """Returns the total, what is excluded, and the cells in a fixed order."""
        order = sorted(self._cells, key=lambda cell: tuple("" if value is None else str(value) for value in cell))
        return {
            "counted": self._cells.total(),
            "excluded": dict(sorted(self._excluded.items())),
            "rows": [dict(zip(COLUMNS, cell, strict=True)) | {"Count": self._cells[cell]} for cell in order],
        }


def _reason_not_to_count(dose: Dose) -> str | None:
    if dose.outcome == "refused":
        return "not-done"
    if dose.outcome == "reported":
        return "reported"
    if dose.transferred:
        return "received"
    return "passive-agent" if catalogue.vaccines()[dose.vaccine].passive else None


def _cell(person: Person, dose: Dose) -> tuple:
    generic = catalogue.vaccines()[dose.vaccine].generic
    abbreviation = generic["en"].partition("]")[0].removeprefix("[")
    numbers = {number for _, number in dose.numbers}
    number = numbers.pop() if len(numbers) == 1 else None
    label = "Mixed" if number is None else str(number)
    age = _age_group(years_old(person.birth, dose.day))
    return (person.pt, dose.day.year, age, person.gender.capitalize(), abbreviation, generic["code"], number, label)


def _age_group(years: int) -> str:
    return [group["label"] for group in catalogue.age_groups() if group["from"] <= years][-1]
