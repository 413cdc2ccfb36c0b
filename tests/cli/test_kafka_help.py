"""The commands on Kafka, without one: help, wrong use, and one sentence where nobody answers."""

from __future__ import annotations

import json

import pytest

from cli.support import invoke, jsonl, run, setup

COMMANDS = [
    "up",
    "worker",
    "topics create",
    "topics describe",
    "doctor",
    "export",
    "import",
    "rejections retry",
    "dead-letters list",
    "dead-letters show",
    "dead-letters retry",
]
NOBODY = "127.0.0.1:1"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_help_has_an_example_and_both_outputs(command) -> None:
    result = invoke(*command.split(), "--help")

    assert 0 == result.exit_code
    assert f"creditfold {command}" in " ".join(result.stdout.split())
    assert "Examples" in result.stdout
    assert "--output" in result.stdout
    assert command == "dead-letters show" or "--kafka" in result.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_an_unknown_option_is_wrong_use(command) -> None:
    assert 2 == invoke(*command.split(), "--no-such-option").exit_code


@pytest.mark.parametrize(
    "command", ["topics create", "trace u-1", "replay --verify", "dead-letters list"]
)
def test_where_no_broker_answers_one_sentence_says_so(command) -> None:
    result = run(*command.split(), "--kafka", NOBODY)

    assert 3 == result.returncode
    (line,) = result.stderr.decode().splitlines()
    assert NOBODY in line


def test_the_doctor_says_what_to_correct() -> None:
    result = run("doctor", "--kafka", NOBODY, "-o", "json")

    assert 1 == result.returncode
    assert ["settings", "address"] == [each["name"] for each in json.loads(result.stdout)["checks"]]


def test_a_wrong_address_is_wrong_use() -> None:
    result = run("topics", "create", "--kafka", "no-port")

    assert 2 == result.returncode
    assert "--kafka" in result.stderr.decode()


@pytest.mark.parametrize(
    "command",
    ["publish -", "trace u-1", "replay", "customer show ada", "program preview rule.json"],
)
def test_a_cluster_and_a_directory_exclude_each_other(command) -> None:
    result = invoke(*command.split(), "--kafka", NOBODY, "--data-dir", "here", stdin=b"")

    assert 2 == result.exit_code
    assert "exclude each other" in result.stderr


def test_no_worker_is_one_sentence() -> None:
    result = invoke("customer", "show", "ada", "--worker", f"http://{NOBODY}")

    assert 3 == result.exit_code
    assert "no worker answers" in result.stderr
    past = invoke("customer", "show", "ada", "--kafka", NOBODY, "--at", "2026-03-01")
    assert 2 == past.exit_code


def test_history_with_a_bad_line_is_not_imported(tmp_path) -> None:
    file = tmp_path / "history.jsonl"
    file.write_bytes(jsonl(setup()) + b"{}\n")
    result = invoke("import", file, "--kafka", NOBODY)

    assert 1 == result.exit_code
    assert "line 8" in result.stderr
    assert "nothing was sent" in result.stderr


@pytest.mark.parametrize("place", ["usage", "usage:x:1", "usage:1"])
def test_a_wrong_place_is_wrong_use(place) -> None:
    result = invoke("dead-letters", "show", place, "--kafka", NOBODY)

    assert 2 == result.exit_code
    assert "TOPIC:PARTITION:OFFSET" in result.stderr


def test_a_key_corrects_one_record() -> None:
    assert 2 == invoke("dead-letters", "retry", "--key", "ada", "--kafka", NOBODY).exit_code
    assert 2 == invoke("worker", "--http-port", "99999").exit_code
