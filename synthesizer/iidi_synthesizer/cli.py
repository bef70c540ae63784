"""The command line: generate, upload, load; and job and serve, which also answer over HTTP.

What is not given as an option is taken from the environment (PT, PEOPLE, SEED, AS_OF,
MOVED_SHARE, FHIR_URL, PORT, …); without a command, MODE says which one.
"""

import argparse
import os
import pathlib
import sys

from iidi_synthesizer import catalogue, ndjson, request, summary
from iidi_synthesizer.client import FhirClient
from iidi_synthesizer.folder import Folder
from iidi_synthesizer.population import Population
from iidi_synthesizer.upload import upload

_PROBLEMS_SHOWN = 20


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; returns 0, or 1 when anything was refused (2 is wrong usage)."""
    arguments = sys.argv[1:] if arguments is None else arguments
    mode = _from_environment("MODE")
    if not arguments and mode:
        arguments = [mode]
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        return options.run(options)
    except (ValueError, OSError) as error:
        parser.exit(2, f"{parser.prog}: {error}\n")


def _generate(options: argparse.Namespace) -> int:
    population = _population(options)
    written = ndjson.write(population, options.out)
    if options.summary == "json":
        print(summary.as_json(summary.of_folder(population, written)))
    else:
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
    client = FhirClient(_fhir(options), attempts=options.attempts, timeout_seconds=options.timeout_seconds)
    report = upload(source, client, options.concurrency, _say)
    faults = getattr(source, "faults", [])
    problems = [*faults, *report.problems]
    for line in problems[:_PROBLEMS_SHOWN]:
        _say(f"refused: {line}")
    if len(problems) > _PROBLEMS_SHOWN:
        _say(f"refused: {len(problems) - _PROBLEMS_SHOWN} more")
    made = summary.of_upload(source, report)
    print(summary.as_json(made) if options.summary == "json" else summary.as_text(made))
    return 0 if report.is_complete and not faults else 1


def _job(options: argparse.Namespace) -> int:
    from iidi_synthesizer import job  # only here: the other commands need no Flask

    return job.run_once(_settings(options), _population(options), _say)


def _serve(options: argparse.Namespace) -> int:
    from iidi_synthesizer import job

    return job.serve(_settings(options), _say)


def _settings(options: argparse.Namespace):
    from iidi_synthesizer.job import Settings

    settings = Settings(
        fhir=_fhir(options),
        concurrency=options.concurrency,
        attempts=options.attempts,
        timeout_seconds=options.timeout_seconds,
        host=options.host,
        port=options.port,
        defaults=_asked(options),
    )
    FhirClient(settings.fhir)  # says now if the address is none
    return settings


def _population(options: argparse.Namespace) -> Population:
    missing = [name for name in ("pt", "people", "as_of") if getattr(options, name) is None]
    if missing:
        raise ValueError("missing: " + ", ".join("--" + name.replace("_", "-") for name in missing))
    return request.population({}, _asked(options))


def _asked(options: argparse.Namespace) -> dict:
    return {name: getattr(options, name) for name in ("pt", "people", "seed", "as_of", "moved_share")}


def _fhir(options: argparse.Namespace) -> str:
    if options.fhir is None:
        raise ValueError("missing: --fhir")
    return options.fhir


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="iidi_synthesizer", description="Synthetic people, and a loader for NDJSON folders."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    generate = commands.add_parser("generate", help="write a synthetic population as NDJSON")
    _population_options(generate)
    generate.add_argument("--out", required=True, type=pathlib.Path, metavar="DIR", help="folder to write to")
    _summary_option(generate)
    generate.set_defaults(run=_generate)

    send = commands.add_parser("upload", help="send a synthetic population to a FHIR server")
    _population_options(send)
    send.add_argument("--from", dest="source", type=pathlib.Path, metavar="DIR", help="send this folder instead")
    _server_options(send)
    _summary_option(send)
    send.set_defaults(run=_upload)

    load = commands.add_parser("load", help="send a folder of NDJSON files to a FHIR server")
    load.add_argument("folder", type=pathlib.Path, metavar="DIR", help="folder with .ndjson files")
    _server_options(load)
    _summary_option(load)
    load.set_defaults(run=_load)

    for name, run, said in (
        ("job", _job, "upload once, and answer over HTTP meanwhile"),
        ("serve", _serve, "upload whenever POST /generate asks for it"),
    ):
        command = commands.add_parser(name, help=said)
        _population_options(command)
        _server_options(command)
        _listening_options(command)
        command.set_defaults(run=run)
    return parser


def _population_options(parser: argparse.ArgumentParser) -> None:
    add = _with_defaults(parser)
    add("--pt", "PT", choices=sorted(catalogue.provinces()), help="province or territory")
    add("--people", "PEOPLE", type=_positive, help="how many people")
    add("--seed", "SEED", "1", type=int, help="another seed, other people (default 1)")
    add("--as-of", "AS_OF", metavar="YYYY-MM-DD", help="last day that may carry a record")
    share = "share of people who came from another province (default 0.06)"
    add("--moved-share", "MOVED_SHARE", type=float, metavar="0..1", help=share)


def _server_options(parser: argparse.ArgumentParser) -> None:
    add = _with_defaults(parser)
    add("--fhir", "FHIR_URL", metavar="URL", help="base address of the FHIR server")
    add("--concurrency", "CONCURRENCY", "4", type=_positive, help="transactions in flight (default 4)")
    add("--attempts", "ATTEMPTS", "8", type=_positive, help="tries per transaction (default 8)")
    add("--timeout-seconds", "TIMEOUT_SECONDS", "120", type=float, help="per request (default 120)")


def _listening_options(parser: argparse.ArgumentParser) -> None:
    add = _with_defaults(parser)
    add("--host", "LISTEN_HOST", "0.0.0.0", help="address to listen on (default all)")
    add("--port", "PORT", "8080", type=_port, help="port to listen on (default 8080)")


def _with_defaults(parser: argparse.ArgumentParser):
    def add(option: str, variable: str, otherwise: str | None = None, **more) -> None:
        more["help"] += f" [{variable}]"
        parser.add_argument(option, default=_from_environment(variable) or otherwise, **more)

    return add


def _summary_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--summary", choices=("text", "json"), default="text", help="form of what stdout says at the end"
    )


def _from_environment(variable: str) -> str | None:
    return os.environ.get(variable) or None


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def _port(text: str) -> int:
    value = int(text)
    if not 0 <= value <= 65535:
        raise argparse.ArgumentTypeError("must be from 0 to 65535")
    return value
