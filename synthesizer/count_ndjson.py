#!/usr/bin/env python3
"""Counts the doses of NDJSON files as the national table does, before any protection.

    python3 count_ndjson.py --jurisdiction ON DIR        (Python 3.11, standard library only)

It reads Patient.ndjson and Immunization.ndjson of DIR (any file whose name begins so) and
prints one JSON document: how many doses count, what is excluded and why, and the cells. It
shares no code with the generator; of its data it reads the code table data/generics.csv,
which is derived from the National Vaccine Catalogue and not from what the generator uses.

The rules: a dose counts where it was given, that is when it is completed, its primarySource
is not false, and it carries no origin record of another province. Age is completed years on
the day of the dose. The vaccine is the Catalogue's generic, reached from generic or trade
name, else from CVX. The dose number is the one on which all protocolApplied agree.
"""

import argparse
import collections
import csv
import datetime as dt
import json
import pathlib
import re
import sys

ORIGIN = "https://iidi.phac-aspc.gc.ca/fhir/NamingSystem/origin-record"
SNOMED = re.compile(r"http://snomed\.info/sct(/.*)?")
CVX = "http://hl7.org/fhir/sid/cvx"
ABSENT_UNKNOWN = "http://hl7.org/fhir/uv/ips/CodeSystem/absent-unknown-uv-ips"
BANDS = (
    (0, "Under 1 year"),
    (1, "1 year"),
    (2, "2–6 years"),
    (7, "7–11 years"),
    (12, "12–16 years"),
    (17, "17–29 years"),
    (30, "30–49 years"),
    (50, "50–64 years"),
    (65, "65–79 years"),
    (80, "80 years and over"),
)
SEX = {"male": "Male", "female": "Female", "other": "Other"}
DATE = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2})(?:T.*)?)?)?")


def main() -> int:
    parser = argparse.ArgumentParser(description="Counts doses of NDJSON files as the national table does.")
    parser.add_argument("folder", type=pathlib.Path, metavar="DIR")
    parser.add_argument("--jurisdiction", required=True, help="whose records these are, such as ON")
    parser.add_argument("--generics", type=pathlib.Path, default=pathlib.Path(__file__).parent / "data/generics.csv")
    options = parser.parse_args()
    json.dump(count(options.folder, options.jurisdiction, options.generics), sys.stdout, ensure_ascii=False)
    print()
    return 0


def count(folder: pathlib.Path, jurisdiction: str, generics: pathlib.Path) -> dict:
    """Returns total, exclusions and cells of a folder."""
    meanings = {(row["system"], row["code"]): row for row in csv.DictReader(generics.open(encoding="utf-8"))}
    patients = {patient["id"]: patient for patient in lines(folder, "Patient")}
    cells, excluded = collections.Counter(), collections.Counter()
    for dose in lines(folder, "Immunization"):
        meaning = vaccine(dose.get("vaccineCode", {}), meanings)
        reason = why_not(dose, meaning, jurisdiction)
        if reason:
            excluded[reason] += 1
            continue
        patient = patients.get(dose["patient"].get("reference", "").rpartition("/")[2], {})
        day = dose.get("occurrenceDateTime", "")
        number, label = dose_number(dose)
        cells[
            jurisdiction,
            int(day[:4]) if DATE.fullmatch(day) else None,
            age_group(patient.get("birthDate", ""), day),
            SEX.get(patient.get("gender"), "Unknown"),
            meaning["type"] if meaning else "Unmapped",
            meaning["generic"] if meaning else None,
            number,
            label,
        ] += 1
    return {"counted": sum(cells.values()), "excluded": dict(sorted(excluded.items())), "rows": rows(cells)}


def why_not(dose: dict, meaning: dict | None, jurisdiction: str) -> str | None:
    """Returns why a record is no dose given here, or nothing when it is one."""
    if dose.get("status") != "completed":
        return dose.get("status")
    if meaning and meaning["meaning"] == "no-dose":
        return "absent-or-unknown"
    if dose.get("primarySource") is False:
        return "reported"
    for identifier in dose.get("identifier", []):
        if identifier.get("system") == ORIGIN and identifier.get("value", "").split("/")[0] != jurisdiction:
            return "received"
    return "passive-agent" if meaning and meaning["meaning"] == "passive" else None


def vaccine(code: dict, meanings: dict) -> dict | None:
    """Returns what the codings mean: the Catalogue's word goes before CVX."""
    found = []
    for coding in code.get("coding", []):
        system, value = coding.get("system", ""), coding.get("code", "").strip()
        if system == ABSENT_UNKNOWN:
            return {"meaning": "no-dose"}
        if SNOMED.fullmatch(system):
            found.append((0, meanings.get(("sct", value))))
        elif system == CVX:
            found.append((1, meanings.get(("cvx", value.zfill(2)))))
    known = sorted(((rank, row) for rank, row in found if row), key=lambda pair: pair[0])
    return known[0][1] if known else None


def age_group(birth: str, day: str) -> str:
    """Returns the band on which all days agree that the two dates may mean."""
    first_birth, last_birth = span(birth)
    first_day, last_day = span(day)
    if None in (first_birth, first_day):
        return "Unknown"
    youngest, oldest = years(last_birth, first_day), years(first_birth, last_day)
    if oldest < 0 or band(max(youngest, 0)) != band(oldest):
        return "Unknown"
    return band(oldest)


def band(age: int) -> str:
    return [label for since, label in BANDS if since <= age][-1]


def years(birth: dt.date, day: dt.date) -> int:
    had_birthday = (day.month, day.day) >= (birth.month, birth.day)
    return day.year - birth.year - (0 if had_birthday else 1)


def span(text: str) -> tuple[dt.date | None, dt.date | None]:
    """Returns the first and last day that a whole or partial date may mean."""
    parts = DATE.fullmatch(text)
    if not parts:
        return None, None
    year, month, day = (int(part) if part else None for part in parts.groups())
    if day:
        return dt.date(year, month, day), dt.date(year, month, day)
    last_month = month or 12
    after = dt.date(year + last_month // 12, last_month % 12 + 1, 1)
    return dt.date(year, month or 1, 1), after - dt.timedelta(days=1)


def dose_number(dose: dict) -> tuple[int | None, str]:
    """Returns the agreed number and its label."""
    found = set()
    for protocol in dose.get("protocolApplied", []):
        text = str(protocol.get("doseNumberPositiveInt", protocol.get("doseNumberString", "")))
        found.add(int(text) if re.fullmatch(r"[1-9][0-9]{0,5}", text) else None)
    if len(found) > 1:
        return None, "Mixed"
    number = found.pop() if found else None
    return number, "Unknown" if number is None else str(number)


def rows(cells: collections.Counter) -> list[dict]:
    columns = ("Jurisdiction", "OccurrenceYear", "Age", "Sex", "VaccineType", "VaccineCode", "Dose", "DoseLabel")
    order = sorted(cells, key=lambda cell: ["" if value is None else str(value) for value in cell])
    return [dict(zip(columns, cell)) | {"Count": cells[cell]} for cell in order]


def lines(folder: pathlib.Path, kind: str):
    for path in sorted(folder.glob(f"{kind}*.ndjson")):
        for line in path.open(encoding="utf-8"):
            if line.strip():
                yield json.loads(line)


if __name__ == "__main__":
    sys.exit(main())
