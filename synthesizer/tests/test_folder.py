"""What the loader does to foreign records, on a small folder written here."""

import json
import random

import pytest

from iidi_synthesizer import exact_json
from iidi_synthesizer.folder import Folder
from iidi_synthesizer.rewrite import SOURCE_REFERENCE, conditional, server_id

PATIENT = '{"resourceType":"Patient","id":"p-1","meta":{"versionId":"3","lastUpdated":"2020-01-01T00:00:00Z","source":"x","profile":["http://example.org/p"]},"identifier":[{"system":"http://example.org/mrn","value":"77"}],"extension":[{"url":"http://example.org/e","valueDecimal":1.50}]}'
DOSE = {
    "resourceType": "Immunization",
    "id": "42",
    "meta": {"versionId": "1", "lastUpdated": "2020-01-01T00:00:00Z"},
    "contained": [{"resourceType": "Practitioner", "id": "c"}],
    "patient": {"reference": "Patient/p-1"},
    "encounter": {"reference": "Encounter/55", "display": "Visite à l'école"},
    "location": {"reference": "Location?identifier=http://example.org/loc|a%7Cb", "display": "Room"},
    "performer": [{"actor": {"reference": "#c"}}, {"actor": {"reference": "Organization/9"}}],
    "education": [{"reference": "http://example.org/leaflet"}],
}
ORGANIZATION = {"resourceType": "Organization", "id": "9", "name": "Clinic"}
SECOND = {"resourceType": "Immunization", "id": "later", "patient": {"reference": "Patient?identifier=http://example.org/mrn|77"}}


def write(folder, *lines, name="data.ndjson"):
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("\n".join(texts) + "\n", encoding="utf-8")
    return folder


@pytest.fixture
def loaded(tmp_path):
    folder = Folder(write(tmp_path / "in", DOSE, SECOND, PATIENT, ORGANIZATION))
    (unit,) = folder.units()
    return folder, unit


def test_a_reference_out_of_the_folder_becomes_logical(loaded):
    folder, (_, dose, _) = loaded
    assert dose["encounter"] == {
        "identifier": {"system": SOURCE_REFERENCE, "value": "Encounter/55"},
        "display": "Visite à l'école",
    }
    assert folder.logical_references == 2


def test_a_conditional_reference_becomes_the_identifier_it_asked_for(loaded):
    _, (_, dose, _) = loaded
    assert dose["location"] == {"identifier": {"system": "http://example.org/loc|a", "value": "b"}, "display": "Room"}


def test_references_inside_the_folder_and_to_contained_stay(loaded):
    _, (patient, dose, second) = loaded
    assert dose["patient"] == {"reference": "Patient/p-1"}
    assert second["patient"] == {"reference": "Patient/p-1"}
    assert [p["actor"]["reference"] for p in dose["performer"]] == ["#c", "Organization/src-9"]
    assert dose["education"] == DOSE["education"]


def test_marks_of_the_former_server_go_and_the_rest_of_meta_stays(loaded):
    _, (patient, dose, _) = loaded
    assert patient["meta"] == {"profile": ["http://example.org/p"]}
    assert "meta" not in dose


def test_ids_stay_unless_they_are_only_digits(loaded):
    folder, (patient, dose, second) = loaded
    assert [r["id"] for r in (patient, dose, second)] == ["p-1", "src-42", "later"]
    assert folder.shared()[0]["id"] == "src-9"
    assert folder.renamed_ids == 2
    assert server_id("0a1") == "0a1"


def test_numbers_keep_their_trailing_zeros(loaded):
    _, (patient, *_) = loaded
    assert '"valueDecimal":1.50' in exact_json.dumps(patient)


def test_the_order_of_lines_and_files_does_not_matter(tmp_path):
    lines = [PATIENT, ORGANIZATION, DOSE, SECOND, {**SECOND, "id": "a"}]
    wanted = list(Folder(write(tmp_path / "in", *lines)).units())
    for round_ in range(5):
        random.Random(round_).shuffle(lines)
        folder = tmp_path / str(round_)
        write(folder, *lines[:2], name="z.ndjson")
        write(folder, *lines[2:], name="a.ndjson")
        assert list(Folder(folder).units()) == wanted


def test_other_types_are_left_out_and_counted(tmp_path):
    folder = Folder(write(tmp_path / "in", PATIENT, {"resourceType": "Encounter", "id": "55"}))
    assert folder.left_out == {"Encounter": 1} and not folder.faults


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{not json", "not well-formed JSON in UTF-8"),
        ('{"resourceType":"Patient","id":"a","id":"b"}', "the same key twice in one object"),
        ('{"resourceType":"Patient","id":"a","x":NaN}', "a number that is not finite"),
        ('{"resourceType":"Patient","id":"a","x":' + "[" * 5000 + "]" * 5000 + "}", "not well-formed JSON in UTF-8"),
        ('{"resourceType":"Patient","id":"a","x":' + "[" * 150 + "]" * 150 + "}", "nested too deeply"),
        ('{"resourceType":"Patient","id":"a","x":"\\ud800"}', "not well-formed JSON in UTF-8"),
        ('["Patient"]', "not a FHIR resource"),
        ('{"resourceType":"Patient","id":"a b"}', "no legal id"),
        ('{"resourceType":"Patient","id":7}', "no legal id"),
        (PATIENT, "this type and id stand in the folder twice"),
        ('{"resourceType":"Immunization","id":"i","patient":{"reference":"Patient/nobody"}}', "its patient is not in the folder"),
        ('{"resourceType":"Immunization","id":"i"}', "its patient is not in the folder"),
    ],
)
def test_a_line_that_cannot_be_loaded_is_named_and_the_others_go_on(tmp_path, line, said):
    folder = Folder(write(tmp_path / "in", PATIENT, line))
    assert folder.faults == [f"data.ndjson:2: {said}"]
    assert [unit[0]["id"] for unit in folder.units()] == ["p-1"]


def test_a_folder_without_records_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        Folder(tmp_path)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Location?identifier=s|v", ("Location", "s", "v")),
        ("Location?identifier=|v", ("Location", None, "v")),
        ("Location?identifier=v", ("Location", None, "v")),
        ("Location?identifier=s%7Cv+1", ("Location", "s", "v+1")),
        ("Location?identifier=s|", None),
        ("Location?name=v", None),
        ("Location?identifier=s|v&name=x", None),
        ("Location/1", None),
    ],
)
def test_conditional_references_are_read_only_when_they_ask_for_one_identifier(text, parts):
    assert conditional(text) == parts
