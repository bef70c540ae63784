"""The table that the generator expects, against an independent count of what it wrote."""

import csv
import json
import pathlib
import subprocess
import sys

import pytest

from iidi_synthesizer import catalogue
from iidi_synthesizer.cli import main

ROOT = pathlib.Path(__file__).resolve().parent.parent


def counted(folder, jurisdiction):
    command = [sys.executable, str(ROOT / "count_ndjson.py"), "--jurisdiction", jurisdiction, str(folder)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@pytest.mark.parametrize("pt", ["ON", "BC", "QC"])
def test_every_cell_is_what_somebody_else_counts(tmp_path, capsys, pt):
    options = ["--pt", pt, "--people", "300", "--seed", "3", "--as-of", "2026-11-01", "--moved-share", "0.2"]
    assert main(["generate", *options, "--out", str(tmp_path), "--summary", "json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    expected, independent = summary["expected"], counted(tmp_path, pt)
    assert expected == independent
    assert expected["counted"] == sum(row["Count"] for row in expected["rows"]) > 2000
    assert set(expected["excluded"]) == {"not-done", "passive-agent", "received", "reported"}
    assert summary["resources"]["Immunization"] == expected["counted"] + sum(expected["excluded"].values())
    # The stand-in's combinations have every series at the same number.
    assert {row["DoseLabel"] for row in expected["rows"]} >= ({"1", "2"} if pt == "QC" else {"1", "2", "Mixed"})


def immunization(**changed):
    made = {
        "resourceType": "Immunization",
        "id": "d",
        "status": "completed",
        "vaccineCode": {"coding": [{"system": "http://snomed.info/sct", "code": "871831003"}]},
        "patient": {"reference": "Patient/p"},
        "occurrenceDateTime": "2020-03-01",
    }
    return {key: value for key, value in (made | changed).items() if value is not None}


def count_one(folder, dose, **patient):
    person = {"resourceType": "Patient", "id": "p", "gender": "female", "birthDate": "2018-03-01"} | patient
    (folder / "Patient.ndjson").write_text(json.dumps(person))
    (folder / "Immunization.ndjson").write_text(json.dumps(dose))
    return counted(folder, "ON")


def protocols(*numbers):
    return [
        {"doseNumberPositiveInt": number} if isinstance(number, int) else {"doseNumberString": number}
        for number in numbers
    ]


ORIGIN = "https://iidi.phac-aspc.gc.ca/fhir/NamingSystem/origin-record"


def code(system, value):
    return {"vaccineCode": {"coding": [{"system": system, "code": value}]}}


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"status": "not-done"}, "not-done"),
        ({"status": "entered-in-error"}, "entered-in-error"),
        ({"primarySource": False}, "reported"),
        ({"identifier": [{"system": ORIGIN, "value": "BC/Immunization/1"}]}, "received"),
        (code("http://hl7.org/fhir/sid/cvx", "998"), "absent-or-unknown"),
        (code("http://snomed.info/sct", "58301000087109"), "passive-agent"),
    ],
)
def test_what_is_no_dose_given_here_is_excluded_by_reason(tmp_path, changed, reason):
    assert count_one(tmp_path, immunization(**changed)) == {"counted": 0, "excluded": {reason: 1}, "rows": []}


@pytest.mark.parametrize(
    ("changed", "column", "value"),
    [
        ({}, "Age", "2–6 years"),
        ({"occurrenceDateTime": "2020-02-29"}, "Age", "1 year"),
        ({"occurrenceDateTime": "2020-02"}, "Age", "1 year"),
        ({"occurrenceDateTime": "2020"}, "Age", "Unknown"),
        ({"occurrenceDateTime": None, "occurrenceString": "as a child"}, "OccurrenceYear", None),
        ({"occurrenceDateTime": "2019-12-31T22:00:00-08:00"}, "OccurrenceYear", 2019),
        ({"identifier": [{"system": ORIGIN, "value": "ON/Immunization/1"}]}, "VaccineType", "MMR"),
        (code("http://snomed.info/sct/20611000087101", "7171000087106"), "VaccineCode", "871831003"),
        (code("http://hl7.org/fhir/sid/cvx", "3"), "VaccineCode", "871831003"),
        (code("http://example.org", "1"), "VaccineType", "Unmapped"),
        ({}, "DoseLabel", "Unknown"),
        ({"protocolApplied": protocols(2, "2")}, "Dose", 2),
        ({"protocolApplied": protocols(2, 1)}, "DoseLabel", "Mixed"),
        ({"protocolApplied": protocols("booster")}, "DoseLabel", "Unknown"),
    ],
)
def test_the_independent_count_keeps_the_rules(tmp_path, changed, column, value):
    (row,) = count_one(tmp_path, immunization(**changed))["rows"]
    assert row[column] == value


def test_sex_that_is_not_said_is_unknown(tmp_path):
    (row,) = count_one(tmp_path, immunization(), gender=None)["rows"]
    assert row["Sex"] == "Unknown"


def test_the_two_code_tables_agree():
    meanings = {
        (row["system"], row["code"]): row for row in csv.DictReader((ROOT / "data/generics.csv").open(encoding="utf-8"))
    }
    for vaccine in catalogue.vaccines().values():
        codes = [("sct", vaccine.generic["code"])] + [("sct", product.code) for product in vaccine.products]
        codes += [("cvx", cvx["code"]) for cvx in [vaccine.cvx, *(p.cvx for p in vaccine.products)] if cvx]
        for key in codes:
            wanted = ("passive", "") if vaccine.passive else ("vaccine", vaccine.generic["code"])
            assert (meanings[key]["meaning"], meanings[key]["generic"]) == wanted, (vaccine.name, key)
