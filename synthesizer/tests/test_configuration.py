"""Where a setting comes from: the option, else the environment, else a default or a refusal."""

import json

import pytest

from iidi_synthesizer.cli import main


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch):
    for name in ("MODE", "PT", "PEOPLE", "SEED", "AS_OF", "MOVED_SHARE", "FHIR_URL", "PORT", "LISTEN_HOST"):
        monkeypatch.delenv(name, raising=False)


def generated(tmp_path, capsys, *options):
    assert main(["generate", "--out", str(tmp_path), "--summary", "json", *options]) == 0
    return json.loads(capsys.readouterr().out)["population"]


def test_the_environment_fills_in_what_no_option_says(tmp_path, capsys, monkeypatch):
    for name, value in {"PT": "NL", "PEOPLE": "3", "SEED": "8", "AS_OF": "2025-01-31"}.items():
        monkeypatch.setenv(name, value)
    assert generated(tmp_path, capsys) == {"jurisdiction": "NL", "seed": 8, "people": 3, "as_of": "2025-01-31"}
    assert generated(tmp_path, capsys, "--pt", "YT", "--seed", "9")["jurisdiction"] == "YT"


def test_an_empty_variable_says_nothing(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("SEED", "")
    options = ["--pt", "ON", "--people", "2", "--as-of", "2026-11-01"]
    assert generated(tmp_path, capsys, *options)["seed"] == 1


@pytest.mark.parametrize(
    ("variable", "value"),
    [("PT", "XX"), ("PEOPLE", "0"), ("PEOPLE", "many"), ("SEED", "x"), ("AS_OF", "soon"), ("MOVED_SHARE", "2")],
)
def test_a_variable_that_makes_no_sense_is_wrong_usage(tmp_path, monkeypatch, variable, value):
    for name, good in {"PT": "ON", "PEOPLE": "3", "AS_OF": "2026-11-01"}.items():
        monkeypatch.setenv(name, good)
    monkeypatch.setenv(variable, value)
    with pytest.raises(SystemExit) as stopped:
        main(["generate", "--out", str(tmp_path)])
    assert stopped.value.code == 2


@pytest.mark.parametrize("mode", ["job", "serve", "dance"])
def test_without_a_command_the_mode_is_one(monkeypatch, capsys, mode):
    monkeypatch.setenv("MODE", mode)
    with pytest.raises(SystemExit) as stopped:
        main([])
    assert stopped.value.code == 2
    said = capsys.readouterr().err
    assert ("missing: --fhir" in said) == (mode != "dance")


def test_without_command_and_mode_there_is_nothing_to_do(capsys):
    with pytest.raises(SystemExit) as stopped:
        main([])
    assert stopped.value.code == 2
    assert "COMMAND" in capsys.readouterr().err
