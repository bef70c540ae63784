"""A whole population as a source of records for the writer and the uploader."""

import collections.abc
import datetime as dt

from iidi_synthesizer.allergy_records import allergies
from iidi_synthesizer.clinics import clinics_of
from iidi_synthesizer.course import Dose
from iidi_synthesizer.doses import doses_of
from iidi_synthesizer.expected_table import ExpectedTable
from iidi_synthesizer.ids import random_for
from iidi_synthesizer.immunization_records import immunization
from iidi_synthesizer.patient_record import patient
from iidi_synthesizer.people import Person, invent


class Population:
    """People 0 to `people` - 1 of a province and seed as they stand on `as_of`.

    A larger population contains the smaller one unchanged. `moved_share` of them came from
    another province; without it, as many as data/moves.yaml says.
    """

    def __init__(self, pt: str, seed: int, people: int, as_of: dt.date, moved_share: float | None = None):
        self.pt, self.seed, self.people, self.as_of = pt, seed, people, as_of
        self.moved_share = moved_share
        self.expected = ExpectedTable()

    def shared(self) -> list[dict]:
        """Returns the resources that belong to no single person."""
        return [resource for clinic in clinics_of(self.pt, self.seed) for resource in clinic.resources()]

    def units(self) -> collections.abc.Iterator[list[dict]]:
        """Yields one person's own resources at a time, the Patient first; counts them in `expected`."""
        self.expected = ExpectedTable()
        for person, doses in self.courses():
            self.expected.add(person, doses)
            yield _unit(person, doses)

    def courses(self) -> collections.abc.Iterator[tuple[Person, list[Dose]]]:
        """Yields each person with what they received, before it becomes records."""
        for index in range(self.people):
            person = invent(self.pt, self.seed, index, self.as_of, self.moved_share)
            yield person, doses_of(person)


def _unit(person: Person, doses: list[Dose]) -> list[dict]:
    rng = random_for(person.pt, person.seed, person.index, "clinic")
    subject = patient(person)
    unit = [subject, *allergies(person, subject)]
    for dose in doses:
        clinic = rng.choice(clinics_of(dose.pt, person.seed))
        unit.append(immunization(person, subject, dose, clinic))
    return unit
