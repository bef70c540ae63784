"""What the synthesizer answers over HTTP while it works."""

import flask
from werkzeug.exceptions import HTTPException

from iidi_synthesizer import exact_json, metrics, request
from iidi_synthesizer.bundle import local_name, with_referenced
from iidi_synthesizer.desk import Desk
from iidi_synthesizer.population import Population
from iidi_synthesizer.progress import Progress

_MOST_PREVIEWED = 20
_LONGEST_BODY_BYTES = 64 * 1024
_BASE_URL = "https://iidi.phac-aspc.gc.ca/fhir/synthetic"


def app(progress: Progress, defaults: dict, desk: Desk | None = None) -> flask.Flask:
    """Returns the application; only with a desk can work be asked for."""
    made = flask.Flask("iidi_synthesizer", static_folder=None)
    made.config["MAX_CONTENT_LENGTH"] = _LONGEST_BODY_BYTES
    made.register_error_handler(HTTPException, _problem)

    @made.get("/healthz")
    def healthz():
        return {"status": "ok"}

    @made.get("/readyz")
    def readyz():
        state = progress.state
        # Between start and its first run only the server that waits for requests is ready.
        ready = state in ("running", "done") or desk is not None
        return {"status": state}, 200 if ready else 503

    @made.get("/progress")
    def shown():
        return progress.as_json()

    @made.get("/metrics")
    def measured():
        return flask.Response(metrics.as_text(progress.as_json()), mimetype="text/plain")

    @made.get("/preview")
    def preview():
        asked = flask.request.args.to_dict()
        count = asked.pop("n", "3")
        if not count.isdecimal() or not 1 <= int(count) <= _MOST_PREVIEWED:
            flask.abort(400, f"n must be from 1 to {_MOST_PREVIEWED}")
        bundle = _collection(_asked(asked | {"people": int(count)}, defaults))
        return flask.Response(exact_json.dumps(bundle), mimetype="application/fhir+json")

    if desk is not None:
        _accept_work(made, defaults, desk)
    return made


def _accept_work(made: flask.Flask, defaults: dict, desk: Desk) -> None:
    @made.post("/generate")
    def generate():
        body = flask.request.get_json(force=True) if flask.request.get_data() else {}
        if not isinstance(body, dict):
            flask.abort(400, "the body must be a JSON object")
        population = _asked(body, defaults)
        if not desk.leave(population):
            flask.abort(409, "another run is not finished")
        accepted = {"jurisdiction": population.pt, "people": population.people, "seed": population.seed}
        return accepted, 202, {"Location": "/progress"}

    @made.post("/cancel")
    def cancel():
        if not desk.cancel():
            flask.abort(409, "nothing is running")
        return {"status": "stopping"}, 202


def _asked(asked: dict, defaults: dict) -> Population:
    try:
        return request.population(asked, defaults)
    except ValueError as error:
        flask.abort(400, str(error))


def _collection(population: Population) -> dict:
    shared = {local_name(resource): resource for resource in population.shared()}
    own = [resource for unit in population.units() for resource in unit]
    entries = [
        {"fullUrl": f"{_BASE_URL}/{local_name(resource)}", "resource": resource}
        for resource in with_referenced(own, shared)
    ]
    return {"resourceType": "Bundle", "type": "collection", "entry": entries}


def _problem(error: HTTPException) -> flask.Response:
    body = {"type": "about:blank", "title": error.name, "status": error.code, "detail": error.description}
    made = flask.jsonify(body)
    made.status_code, made.mimetype = error.code, "application/problem+json"
    return made
