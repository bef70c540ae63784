"""Uploads against a small server that fails on demand."""

import datetime as dt
import json
import socket

import pytest

from fhir_double import FhirDouble, running
from iidi_synthesizer.bundle import transaction
from iidi_synthesizer.cli import main
from iidi_synthesizer.client import FhirClient, Refused, Unavailable
from iidi_synthesizer.exact_json import dumps
from iidi_synthesizer.population import Population
from iidi_synthesizer.upload import upload

AS_OF = dt.date(2026, 11, 1)


def client_for(double, attempts=8):
    return FhirClient(double.url, attempts=attempts, timeout_seconds=20, first_wait_seconds=0.001)


def population(people=6):
    return Population("ON", 1, people, AS_OF)


def one_patient(base_url):
    return dumps(transaction([{"resourceType": "Patient", "id": "p"}], base_url)).encode()


def test_everything_arrives_with_one_transaction_per_person():
    with running(FhirDouble()) as double:
        report = upload(population(), client_for(double))
        sent = {f"{r['resourceType']}/{r['id']}": r for unit in [population().shared(), *population().units()] for r in unit}
        assert report.is_complete
        assert double.stored == sent
        patients = [[e for e in b["entry"] if e["resource"]["resourceType"] == "Patient"] for b in double.bundles]
        assert sorted(map(len, patients)) == [0] + [1] * 6
        assert report.outcomes == {"created": len(sent)}
        for bundle in double.bundles:
            for entry in bundle["entry"]:
                assert entry["request"] == {"method": "PUT", "url": entry["fullUrl"].removeprefix(double.url + "/")}


def test_a_second_upload_changes_nothing():
    with running(FhirDouble()) as double:
        upload(population(), client_for(double))
        versions = double.versions
        report = upload(population(), client_for(double))
        assert double.versions == versions
        assert report.outcomes == {"unchanged": len(double.stored)}


def test_no_more_transactions_are_in_flight_than_allowed():
    with running(FhirDouble()) as double:
        upload(population(12), client_for(double), concurrency=2)
        assert 1 <= double.most_in_flight <= 2


class Watched(Population):
    """Notes how far people were made ahead of those the server has."""

    def __init__(self, double, people):
        super().__init__("ON", 1, people, AS_OF)
        self.double, self.furthest_ahead = double, 0

    def units(self):
        for made, unit in enumerate(super().units(), start=1):
            # One bundle on the server holds the shared resources.
            self.furthest_ahead = max(self.furthest_ahead, made - (len(self.double.bundles) - 1))
            yield unit


def test_people_are_made_only_as_fast_as_they_are_sent():
    with running(FhirDouble()) as double:
        source = Watched(double, 12)
        upload(source, client_for(double), concurrency=2)
        assert source.furthest_ahead <= 3


@pytest.mark.parametrize("failure", [409, 429, (429, {"Retry-After": "0"}), 500, 502, 503, 504, "cut"])
def test_what_may_pass_is_sent_again(failure):
    with running(FhirDouble([failure, failure])) as double:
        client = client_for(double)
        assert client.transact(one_patient(double.url), 1) == ["created"]
        assert client.retries == 2
        assert len(double.bundles) == 1


@pytest.mark.parametrize("status", [400, 401, 404, 412, 422, 501])
def test_what_will_never_pass_is_sent_once(status):
    with running(FhirDouble([status])) as double:
        client = client_for(double)
        with pytest.raises(Refused, match=str(status)):
            client.transact(one_patient(double.url), 1)
        assert client.retries == 0


def test_attempts_are_bounded():
    with running(FhirDouble([503] * 3)) as double:
        with pytest.raises(Unavailable, match="status 503 at attempt 3"):
            client_for(double, attempts=3).transact(one_patient(double.url), 1)
        assert double.script == []


def test_an_answer_that_is_silent_on_an_entry_is_no_success():
    with running(FhirDouble([(200, {}, {"entry": []})])) as double:
        with pytest.raises(Unavailable):
            client_for(double).transact(one_patient(double.url), 1)


def test_one_refused_person_does_not_keep_the_others_out():
    victim = next(iter(population().units()))[0]["id"]
    outcome = {"issue": [{"diagnostics": f"HAPI-0450: Patient/{victim} is wrong"}]}
    with running(FhirDouble()) as double:
        double.refuse_when = lambda b: (422, {}, outcome) if any(e["resource"]["id"] == victim for e in b["entry"]) else None
        report = upload(population(), client_for(double))
        assert (report.people, report.people_refused) == (6, 1)
        assert report.problems == ["person 1: status 422, HAPI-0450"]
        assert sum(url.startswith("Patient/") for url in double.stored) == 5


def test_after_the_server_stayed_away_the_rest_is_not_tried():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        client = FhirClient(f"http://127.0.0.1:{unused.getsockname()[1]}/fhir", attempts=2, first_wait_seconds=0.001)
        report = upload(population(), client)
    assert report.people_refused == report.people == 6
    assert client.retries == 1
    assert not report.is_complete


def arguments(double, *more):
    return ["upload", "--fhir", double.url, "--pt", "ON", "--people", "4", "--as-of", "2026-11-01", "--summary", "json", *more]


def test_the_command_prints_progress_and_one_summary_line(capsys):
    with running(FhirDouble()) as double:
        assert main(arguments(double)) == 0
        out, err = capsys.readouterr()
        summary = json.loads(out)
        assert summary["people"] == summary["resources"]["Patient"] == 4
        assert summary["created"] == sum(summary["resources"].values()) == len(double.stored)
        assert "4 of 4 people" in err and " s] " in err


def test_the_command_fails_when_anything_was_refused(capsys):
    with running(FhirDouble()) as double:
        double.refuse_when = lambda b: 422 if any(e["resource"]["resourceType"] == "Patient" for e in b["entry"]) else None
        assert main(arguments(double)) == 1
        summary = json.loads(capsys.readouterr().out)
        assert summary["people_refused"] == 4 and summary["refused"] > 4


def test_output_names_no_person(capsys):
    with running(FhirDouble([503])) as double:
        double.refuse_when = lambda b: 422 if len(double.bundles) == 2 else None
        main(arguments(double))
        said = "".join(capsys.readouterr())
        for unit in population(4).units():
            assert unit[0]["id"] not in said
            assert unit[0]["name"][0]["family"] not in said


def test_a_written_folder_is_uploaded_as_the_population_itself(tmp_path, capsys):
    assert main(["generate", "--pt", "ON", "--people", "4", "--as-of", "2026-11-01", "--out", str(tmp_path)]) == 0
    with running(FhirDouble()) as double:
        assert main(arguments(double)) == 0
        versions = double.versions
        assert main(["load", "--fhir", double.url, str(tmp_path)]) == 0
        assert main(["upload", "--fhir", double.url, "--from", str(tmp_path)]) == 0
        assert double.versions == versions
    assert "4 people" in capsys.readouterr().out


def test_a_folder_with_a_bad_line_loads_the_rest_and_fails(tmp_path, capsys):
    (tmp_path / "Patient.ndjson").write_text('{"resourceType":"Patient","id":"p"}\n{broken\n')
    with running(FhirDouble()) as double:
        assert main(["load", "--fhir", double.url, str(tmp_path)]) == 1
        assert list(double.stored) == ["Patient/p"]
    assert "Patient.ndjson:2" in capsys.readouterr().err


@pytest.mark.parametrize("wrong", [["--pt", "ON", "--people", "4"], ["--from", "/nowhere-at-all"]])
def test_wrong_usage_is_said_and_exits_with_2(wrong, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["upload", "--fhir", "http://127.0.0.1:1/fhir", *wrong])
    assert stopped.value.code == 2
    assert "Traceback" not in capsys.readouterr().err
