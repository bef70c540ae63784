"""What a run did, for a reader and for a program."""

import json

from iidi_synthesizer.upload import Report


def of_upload(source, report: Report) -> dict:
    """Returns the summary of an upload; of an invented population with the expected table."""
    made = report.counts() | {
        "refused": report.refused + len(getattr(source, "faults", [])),
        "left_out": dict(sorted(getattr(source, "left_out", {}).items())),
        "logical_references": getattr(source, "logical_references", 0),
        "renamed_ids": getattr(source, "renamed_ids", 0),
        "retries": report.retries,
        "seconds": round(report.seconds, 3),
    }
    return made | _invented(source)


def of_folder(source, written: dict[str, int]) -> dict:
    """Returns the summary of a population that was written to a folder."""
    return {"people": source.people, "resources": dict(sorted(written.items()))} | _invented(source)


def as_text(summary: dict) -> str:
    """Returns an upload's summary in a few lines."""
    kinds = ", ".join(f"{count} {kind}" for kind, count in summary["resources"].items())
    lines = [
        f"{summary['people']} people in {summary['seconds']:.1f} s: {kinds}",
        f"{summary['created']} created, {summary['updated']} updated, {summary['unchanged']} unchanged, "
        f"{summary['refused']} refused; {summary['retries']} sent again",
    ]
    if summary["logical_references"]:
        lines.append(f"{summary['logical_references']} references led out of the folder and became logical")
    if summary["renamed_ids"]:
        lines.append(f"{summary['renamed_ids']} ids were only digits and got the prefix src-")
    if summary["left_out"]:
        lines.append("left out: " + ", ".join(f"{count} {kind}" for kind, count in summary["left_out"].items()))
    return "\n".join(lines)


def as_json(summary: dict) -> str:
    """Returns the summary as exactly one line."""
    return json.dumps(summary, ensure_ascii=False)


def _invented(source) -> dict:
    if not hasattr(source, "expected"):
        return {}
    population = {
        "jurisdiction": source.pt,
        "seed": source.seed,
        "people": source.people,
        "as_of": source.as_of.isoformat(),
    }
    return {"population": population, "expected": source.expected.as_json()}
