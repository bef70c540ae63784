"""A whole population as a source of records for the writer and the uploader."""

import collections.abc
import datetime as dt

from iidi_synthesizer import records
from iidi_synthesizer.clinics import clinics_of
from iidi_synthesizer.doses import doses_of
from iidi_synthesizer.ids import random_for
from iidi_synthesizer.people import invent


class Population:
    """People 0 to `people` - 1 of a province and seed as they stand on `as_of`.

    A larger population contains the smaller one unchanged.
    """

    def __init__(self, pt: str, seed: int, people: int, as_of: dt.date):
        self.pt, self.seed, self.people, self.as_of = pt, seed, people, as_of
        self.clinics = clinics_of(pt, seed)

    def shared(self) -> list[dict]:
        """Returns the resources that belong to no single person."""
        return [resource for clinic in self.clinics for resource in clinic.resources()]

    def units(self) -> collections.abc.Iterator[list[dict]]:
        """Yields one person's own resources at a time, the Patient first."""
        for index in range(self.people):
            yield self._unit(index)

    def _unit(self, index: int) -> list[dict]:
        person = invent(self.pt, self.seed, index, self.as_of)
        rng = random_for(self.pt, self.seed, index, "clinic")
        subject = records.patient(person)
        unit = [subject, *records.allergies(person, subject)]
        for dose in doses_of(person):
            unit.append(records.immunization(person, subject, dose, rng.choice(self.clinics)))
        return unit
