"""The command line: generate, upload, load."""

import argparse
import datetime as dt
import json
import pathlib
import sys

from iidi_synthesizer import catalogue, ndjson
from iidi_synthesizer.client import FhirClient
from iidi_synthesizer.folder import Folder
from iidi_synthesizer.population import Population
from iidi_synthesizer.upload import Report, upload

_PROBLEMS_SHOWN = 20


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; returns 0, or 1 when anything was refused (2 is wrong usage)."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        return options.run(options)
    except (ValueError, OSError) as error:
        parser.exit(2, f"{parser.prog}: {error}\n")


def _generate(options: argparse.Namespace) -> int:
    written = ndjson.write(_population(options), options.out)
    lines = ", ".join(f"{count} {kind}" for kind, count in written.items())
    print(f"wrote {lines} to {options.out}")
    return 0


def _upload(options: argparse.Namespace) -> int:
    if options.source is not None:
        return _send(Folder(options.source), options)
    return _send(_population(options), options)


def _load(options: argparse.Namespace) -> int:
    return _send(Folder(options.folder), options)


def _send(source, options: argparse.Namespace) -> int:
    client = FhirClient(options.fhir, attempts=options.attempts, timeout_seconds=options.timeout_seconds)
    report = upload(source, client, options.concurrency, _say)
    faults = getattr(source, "faults", [])
    problems = [*faults, *report.problems]
    for line in problems[:_PROBLEMS_SHOWN]:
        _say(f"refused: {line}")
    if len(problems) > _PROBLEMS_SHOWN:
        _say(f"refused: {len(problems) - _PROBLEMS_SHOWN} more")
    if options.summary == "json":
        print(json.dumps(_summary(source, report)))
    else:
        _print_summary(source, report)
    return 0 if report.is_complete and not faults else 1


def _summary(source, report: Report) -> dict:
    return {
        "people": report.people,
        "people_refused": report.people_refused,
        "resources": dict(sorted(report.resources.items())),
        "created": report.outcomes["created"],
        "updated": report.outcomes["updated"],
        "unchanged": report.outcomes["unchanged"],
        "refused": report.refused + len(getattr(source, "faults", [])),
        "left_out": dict(sorted(getattr(source, "left_out", {}).items())),
        "logical_references": getattr(source, "logical_references", 0),
        "renamed_ids": getattr(source, "renamed_ids", 0),
        "retries": report.retries,
        "seconds": round(report.seconds, 3),
    }


def _print_summary(source, report: Report) -> None:
    summary = _summary(source, report)
    kinds = ", ".join(f"{count} {kind}" for kind, count in summary["resources"].items())
    print(f"{summary['people']} people in {report.seconds:.1f} s: {kinds}")
    print(
        f"{summary['created']} created, {summary['updated']} updated, {summary['unchanged']} unchanged, "
        f"{summary['refused']} refused; {summary['retries']} sent again"
    )
    if summary["logical_references"]:
        print(f"{summary['logical_references']} references led out of the folder and became logical")
    if summary["renamed_ids"]:
        print(f"{summary['renamed_ids']} ids were only digits and got the prefix src-")
    if summary["left_out"]:
        print("left out: " + ", ".join(f"{count} {kind}" for kind, count in summary["left_out"].items()))


def _population(options: argparse.Namespace) -> Population:
    missing = [name for name in ("pt", "people", "as_of") if getattr(options, name) is None]
    if missing:
        raise ValueError("missing: " + ", ".join("--" + name.replace("_", "-") for name in missing))
    return Population(options.pt, options.seed, options.people, options.as_of)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="iidi_synthesizer", description="Synthetic people, and a loader for NDJSON folders.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    generate = commands.add_parser("generate", help="write a synthetic population as NDJSON")
    _population_options(generate)
    generate.add_argument("--out", required=True, type=pathlib.Path, metavar="DIR", help="folder to write to")
    generate.set_defaults(run=_generate)

    send = commands.add_parser("upload", help="send a synthetic population to a FHIR server")
    _population_options(send)
    send.add_argument("--from", dest="source", type=pathlib.Path, metavar="DIR", help="send this folder instead")
    _server_options(send)
    send.set_defaults(run=_upload)

    load = commands.add_parser("load", help="send a folder of NDJSON files to a FHIR server")
    load.add_argument("folder", type=pathlib.Path, metavar="DIR", help="folder with .ndjson files")
    _server_options(load)
    load.set_defaults(run=_load)
    return parser


def _population_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--pt", choices=sorted(catalogue.provinces()), help="province or territory")
    parser.add_argument("--people", type=_positive, help="how many people")
    parser.add_argument("--seed", type=int, default=1, help="another seed, other people (default 1)")
    parser.add_argument("--as-of", type=dt.date.fromisoformat, metavar="YYYY-MM-DD", help="last day that may carry a record")


def _server_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--fhir", required=True, metavar="URL", help="base address of the FHIR server")
    parser.add_argument("--concurrency", type=_positive, default=4, help="transactions in flight (default 4)")
    parser.add_argument("--attempts", type=_positive, default=8, help="tries per transaction (default 8)")
    parser.add_argument("--timeout-seconds", type=float, default=120, help="per request (default 120)")
    parser.add_argument("--summary", choices=("text", "json"), default="text", help="form of the last line on stdout")


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value
