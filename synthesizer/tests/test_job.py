"""The process as Kubernetes sees it: configured by environment, probed, stopped, its exit code."""

import contextlib
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request

from fhir_double import FhirDouble, running

ROOT = pathlib.Path(__file__).resolve().parent.parent


@contextlib.contextmanager
def process(double, **changed):
    environment = {
        "PT": "ON",
        "PEOPLE": "12",
        "SEED": "1",
        "AS_OF": "2026-11-01",
        "PORT": "0",
        "LISTEN_HOST": "127.0.0.1",
    }
    environment |= {"FHIR_URL": double.url, "PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"} | changed
    started = subprocess.Popen(
        [sys.executable, "-m", "iidi_synthesizer"],
        cwd=ROOT,
        env={name: value for name, value in environment.items() if value},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield started
    finally:
        if started.poll() is None:
            started.kill()
        started.communicate()


def port_of(started):
    for line in started.stderr:
        found = re.fullmatch(r"listening on port (\d+)\n", line)
        if found:
            return int(found[1])
    raise AssertionError("it never listened")


def call(port, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", data, timeout=20) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def until(port, state):
    while (shown := call(port, "/progress")[1])["state"] != state:
        assert shown["state"] in ("waiting", "running"), shown
    return shown


def patients(double):
    return [url for url in double.stored if url.startswith("Patient/")]


def test_a_job_ends_with_0_and_its_summary_when_everything_was_stored():
    with running(FhirDouble()) as double, process(double, MODE="job") as job:
        out, _ = job.communicate(timeout=60)
        assert job.returncode == 0
        summary = json.loads(out)
        assert (summary["people"], summary["created"]) == (12, len(double.stored))
        assert summary["expected"]["counted"] > 0 and summary["population"]["jurisdiction"] == "ON"


def test_a_job_ends_with_1_when_a_person_was_refused():
    double = FhirDouble()
    refused = []

    def refuse_one(bundle):
        if len(double.bundles) == 4 and not refused:
            refused.append(bundle)
            return 422
        return None

    double.refuse_when = refuse_one
    with running(double), process(double, MODE="job") as job:
        out, _ = job.communicate(timeout=60)
        assert job.returncode == 1
        assert json.loads(out)["people_refused"] == 1


def test_a_job_ends_with_2_when_it_is_not_told_enough():
    with running(FhirDouble()) as double:
        for missing in ("AS_OF", "FHIR_URL", "PT"):
            with process(double, MODE="job", **{missing: ""}) as job:
                _, said = job.communicate(timeout=60)
                assert job.returncode == 2 and "missing" in said


def test_sigterm_lets_what_is_in_flight_end_and_a_second_job_does_the_rest():
    double, people = FhirDouble(), 60
    with running(double):
        with process(double, MODE="job", PEOPLE=str(people)) as job:
            stop_after = 5

            def stop(bundle):
                if len(double.bundles) == stop_after:
                    job.send_signal(signal.SIGTERM)

            double.refuse_when = stop
            out, _ = job.communicate(timeout=60)
            assert job.returncode == 128 + signal.SIGTERM
            summary = json.loads(out)
            assert summary["people_refused"] == summary["refused"] == 0
            assert summary["people"] == len(patients(double)) < people
        double.refuse_when = lambda bundle: None
        with process(double, MODE="job", PEOPLE=str(people)) as job:
            out, _ = job.communicate(timeout=60)
            assert job.returncode == 0
            assert len(patients(double)) == people
            assert json.loads(out)["unchanged"] > 0


def test_a_server_works_on_request_and_ends_with_0():
    with running(FhirDouble()) as double, process(double, MODE="serve", PT="", PEOPLE="") as server:
        port = port_of(server)
        assert call(port, "/readyz") == (200, {"status": "waiting"})
        assert call(port, "/generate", {"pt": "NU"})[0] == 400
        assert call(port, "/generate", {"pt": "NU", "people": 5})[0] == 202
        assert until(port, "done")["people"] == len(patients(double)) == 5
        assert call(port, "/generate", {"pt": "PE", "people": 3})[0] == 202
        while call(port, "/progress")[1]["run"] != 2:
            pass
        until(port, "done")
        assert len(patients(double)) == 8
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=60)
        assert server.returncode == 0


def test_a_run_can_be_cancelled_and_the_server_goes_on():
    double = FhirDouble()
    with running(double), process(double, MODE="serve", CONCURRENCY="1") as server:
        port = port_of(server)

        def cancel(bundle):
            if len(double.bundles) == 3:
                assert call(port, "/cancel", {})[0] == 202

        double.refuse_when = cancel
        assert call(port, "/generate", {"people": 500})[0] == 202
        shown = until(port, "cancelled")
        assert 3 <= shown["people"] < 500 and shown["refused"] == 0
        double.refuse_when = lambda bundle: None
        assert call(port, "/generate", {"people": 2, "seed": 9})[0] == 202
        while call(port, "/progress")[1]["run"] != 2:
            pass
        until(port, "done")


def test_a_server_that_is_stopped_in_the_middle_of_a_run_says_so():
    double = FhirDouble()
    with running(double), process(double, MODE="serve") as server:
        port = port_of(server)

        def stop(bundle):
            if len(double.bundles) == 3:
                server.send_signal(signal.SIGTERM)

        double.refuse_when = stop
        assert call(port, "/generate", {"people": 500})[0] == 202
        server.communicate(timeout=60)
        assert server.returncode == 128 + signal.SIGTERM
