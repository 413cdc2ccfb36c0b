"""Settings, schemas, help and start: what has no data directory."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from pydantic import SecretStr
from pydantic_settings import BaseSettings

from cli.support import documents, environment, invoke, run
from creditfold.cli.settings import effective


def test_each_setting_says_where_it_comes_from(monkeypatch) -> None:
    monkeypatch.setenv("CREDITFOLD_DEBUG", "true")
    result = invoke("config", "--output", "json", "--data-dir", "here")

    found = documents(result.stdout)[0]["settings"]
    assert {"value": "here", "source": "flag"} == found["data_dir"]
    assert {"value": "True", "source": "env"} == found["debug"]
    assert "default" in invoke("config").stdout


def test_the_environment_sets_the_directory_and_the_output(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("CREDITFOLD_DATA_DIR", str(tmp_path / "there"))
    monkeypatch.setenv("CREDITFOLD_OUTPUT", "json")

    assert 0 == invoke("publish", stdin=b"").exit_code
    assert (tmp_path / "there" / "CURRENT").exists()
    assert [] == documents(invoke("customer", "list").stdout)


def test_one_message_names_all_that_is_wrong() -> None:
    result = run("customer", "list", CREDITFOLD_OUTPUT="xml", CREDITFOLD_DATA_DIR=" ")

    assert 2 == result.returncode
    text = result.stderr.decode()
    assert 1 == len(text.splitlines())
    assert "CREDITFOLD_OUTPUT" in text
    assert "CREDITFOLD_DATA_DIR" in text


def test_a_mistyped_variable_is_shown_with_what_it_may_mean(monkeypatch) -> None:
    monkeypatch.setenv("CREDITFOLD_DATADIR", "x")

    assert "did you mean CREDITFOLD_DATA_DIR" in invoke("config").stdout


def test_a_secret_is_masked() -> None:
    class WithSecret(BaseSettings):
        password: SecretStr = SecretStr("hunter2")

    (row,) = effective(WithSecret())

    assert "hunter2" not in str(row)
    assert "********" == row.value


def test_schemas_are_listed_printed_and_written(tmp_path) -> None:
    listed = documents(invoke("schemas", "-o", "json").stdout)[0]
    assert "creditfold.usage.recorded.v1" in [row["type"] for row in listed]
    assert "creditfold.usage.recorded.v1" in invoke("schemas").stdout
    for name in ("usage.recorded", "usage.recorded.v1", "creditfold.usage.recorded.v1"):
        assert "quantity" in json.loads(invoke("schemas", name).stdout)["properties"]

    result = invoke("schemas", "--write", tmp_path / "s")

    assert 0 == result.exit_code
    written = json.loads((tmp_path / "s" / "usage.recorded.v1.json").read_text())
    assert json.loads(invoke("schemas", "usage.recorded").stdout) == written


def test_an_unknown_type_is_refused_with_advice() -> None:
    result = invoke("schemas", "usage.imagined")

    assert 1 == result.exit_code
    assert "creditfold schemas lists all" in result.stderr


COMMANDS = [
    "demo",
    "publish",
    "customer show",
    "customer list",
    "trace",
    "simulate",
    "replay",
    "schemas",
    "config",
]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_help_has_an_example_and_both_outputs(command) -> None:
    result = invoke(*command.split(), "--help")

    assert 0 == result.exit_code
    assert f"creditfold {command}" in " ".join(result.stdout.split())
    assert "Examples" in result.stdout
    assert "--output" in result.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_an_unknown_option_is_wrong_use(command) -> None:
    assert 2 == invoke(*command.split(), "--no-such-option").exit_code


def test_exit_codes_are_documented() -> None:
    assert "Exit codes" in invoke("--help").stdout


def test_the_version_is_printed() -> None:
    assert invoke("--version").stdout.startswith("creditfold")


def test_help_loads_no_heavy_room() -> None:
    probe = (
        "import sys, creditfold.cli.app\n"
        "heavy = {'rocksdict', 'pydantic', 'msgspec', 'rich.table', 'faust', 'confluent_kafka'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, env=environment(), check=True
    )

    assert b"[]" == result.stdout.strip()


def test_a_defect_is_one_sentence_and_a_traceback_only_on_request(monkeypatch) -> None:
    import creditfold.cli.settings as settings

    def broken(**_):
        raise RuntimeError("boom")

    monkeypatch.setattr(settings, "load", broken)
    result = invoke("config")
    assert 70 == result.exit_code
    assert "defect" in result.stderr
    monkeypatch.setenv("CREDITFOLD_DEBUG", "true")
    assert isinstance(invoke("config").exception, RuntimeError)
