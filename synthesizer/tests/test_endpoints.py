"""What is answered over HTTP, without a network."""

import datetime as dt

import pytest

from iidi_synthesizer.desk import Desk
from iidi_synthesizer.endpoints import app
from iidi_synthesizer.population import Population
from iidi_synthesizer.progress import Progress
from iidi_synthesizer.upload import Report

AS_OF = dt.date(2026, 11, 1)
DEFAULTS = {"pt": "ON", "people": 10, "seed": 1, "as_of": "2026-11-01", "moved_share": None}


@pytest.fixture
def progress():
    return Progress()


@pytest.fixture
def job(progress):
    return app(progress, DEFAULTS).test_client()


@pytest.fixture
def desk():
    return Desk()


@pytest.fixture
def server(progress, desk):
    return app(progress, DEFAULTS, desk).test_client()


def test_a_job_is_healthy_at_once_and_ready_while_it_works(job, progress):
    assert job.get("/healthz").json == {"status": "ok"}
    assert job.get("/readyz").status_code == 503
    progress.begin(Population("ON", 1, 10, AS_OF))
    assert job.get("/readyz").status_code == 200


def test_progress_and_metrics_say_what_the_report_says(job, progress):
    assert job.get("/progress").json == {"state": "waiting", "run": 0}
    progress.begin(Population("ON", 1, 10, AS_OF))
    report = Report(people=4, people_refused=1, refused=7, retries=2)
    report.outcomes.update(created=30)
    report.resources.update(Patient=4, Immunization=33)
    progress.watch(report)
    shown = job.get("/progress").json
    assert (shown["state"], shown["people"], shown["created"], shown["refused"]) == ("running", 4, 30, 7)
    assert shown["population"] == {"jurisdiction": "ON", "seed": 1, "people": 10, "as_of": "2026-11-01"}
    text = job.get("/metrics").text
    assert 'synthesizer_state{state="running"} 1' in text and 'synthesizer_state{state="done"} 0' in text
    assert 'synthesizer_resources{outcome="created"} 30' in text and "synthesizer_people_refused 1" in text
    progress.end(report)
    assert job.get("/progress").json["state"] == "failed"
    assert job.get("/readyz").status_code == 503


def test_every_metric_has_help_and_a_type_once(job, progress):
    progress.begin(Population("ON", 1, 10, AS_OF))
    lines = job.get("/metrics").text.splitlines()
    names = {line.split("{")[0].split(" ")[0] for line in lines if not line.startswith("#")}
    for kind in ("HELP", "TYPE"):
        assert sorted(line.split(" ")[2] for line in lines if line.startswith(f"# {kind} ")) == sorted(names)


def test_the_preview_shows_the_people_that_are_sent(job):
    answer = job.get("/preview?n=2")
    assert answer.mimetype == "application/fhir+json"
    resources = [entry["resource"] for entry in answer.json["entry"]]
    sent = [resource for unit in Population("ON", 1, 2, AS_OF).units() for resource in unit]
    assert resources[: len(sent)] == sent
    assert {"Organization", "Location", "Practitioner"} >= {r["resourceType"] for r in resources[len(sent) :]}
    assert len({entry["fullUrl"] for entry in answer.json["entry"]}) == len(resources)


def test_the_preview_shows_three_people_unless_told_otherwise(job):
    kinds = [entry["resource"]["resourceType"] for entry in job.get("/preview").json["entry"]]
    assert kinds.count("Patient") == 3


@pytest.mark.parametrize("query", ["n=0", "n=21", "n=-1", "n=x", "pt=XX", "as_of=soon", "seed=a", "colour=red"])
def test_a_preview_that_makes_no_sense_is_refused_in_words(job, query):
    answer = job.get(f"/preview?{query}")
    assert answer.status_code == 400 and answer.mimetype == "application/problem+json"
    assert answer.json["detail"]


def test_a_job_takes_no_requests(job):
    assert job.post("/generate").status_code == 404
    assert job.post("/cancel").status_code == 404


def test_a_request_is_left_for_the_work_with_what_it_does_not_say_filled_in(server, desk):
    assert server.get("/readyz").status_code == 200
    answer = server.post("/generate", json={"pt": "BC", "people": 5})
    assert (answer.status_code, answer.headers["Location"]) == (202, "/progress")
    population, _ = desk.take()
    assert (population.pt, population.people, population.seed, population.as_of) == ("BC", 5, 1, AS_OF)


def test_one_run_at_a_time(server, desk):
    assert server.post("/generate").status_code == 202
    assert server.post("/generate").status_code == 409
    desk.take()
    assert server.post("/generate").status_code == 409
    desk.finish()
    assert server.post("/generate").status_code == 202


def test_cancelling_reaches_the_work(server, desk):
    assert server.post("/cancel").status_code == 409
    server.post("/generate")
    _, stop = desk.take()
    assert server.post("/cancel").status_code == 202
    assert stop.is_set()


@pytest.mark.parametrize(
    "body", [[], "x", {"people": 0}, {"people": True}, {"people": 2_000_000}, {"fhir": "http://x"}, {"moved_share": 2}]
)
def test_a_request_that_makes_no_sense_is_refused(server, desk, body):
    answer = server.post("/generate", json=body)
    assert answer.status_code == 400 and answer.mimetype == "application/problem+json"
    assert server.post("/cancel").status_code == 409


def test_a_request_that_is_no_json_is_refused(server):
    assert server.post("/generate", data="{", content_type="application/json").status_code == 400
