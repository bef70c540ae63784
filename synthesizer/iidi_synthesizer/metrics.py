"""The progress of the current or last run in Prometheus' text format."""

from iidi_synthesizer.progress import STATES

_HELP = {
    "synthesizer_run": "Number of the current or last run; 0 before the first.",
    "synthesizer_state": "1 for the state that the run is in.",
    "synthesizer_people_wanted": "People of the current or last run.",
    "synthesizer_people_settled": "People whose transaction was answered for good.",
    "synthesizer_people_refused": "People whom the FHIR server did not take.",
    "synthesizer_resources": "Resources stored, by what it changed on the server.",
    "synthesizer_resources_refused": "Resources that the FHIR server did not take.",
    "synthesizer_retries": "Transactions that were sent again.",
}


def as_text(progress: dict) -> str:
    """Returns the metrics of a progress snapshot."""
    samples = [("synthesizer_run", "", progress["run"])]
    samples += [("synthesizer_state", f'{{state="{state}"}}', int(progress["state"] == state)) for state in STATES]
    if progress["run"]:
        samples += [
            ("synthesizer_people_wanted", "", progress["population"]["people"]),
            ("synthesizer_people_settled", "", progress["people"]),
            ("synthesizer_people_refused", "", progress["people_refused"]),
        ]
        outcomes = ("created", "updated", "unchanged")
        samples += [("synthesizer_resources", f'{{outcome="{name}"}}', progress[name]) for name in outcomes]
        samples += [
            ("synthesizer_resources_refused", "", progress["refused"]),
            ("synthesizer_retries", "", progress["retries"]),
        ]
    lines, told = [], set()
    for name, labels, value in samples:
        if name not in told:
            lines += [f"# HELP {name} {_HELP[name]}", f"# TYPE {name} gauge"]
            told.add(name)
        lines.append(f"{name}{labels} {value}")
    return "\n".join(lines) + "\n"
