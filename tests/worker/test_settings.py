"""A worker's settings: one message for all that is wrong, and what the engine is told."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import creditfold
from creditfold.broker.plan import plan
from creditfold.engine.security import librdkafka
from creditfold.local.runtime import LocalRuntime
from creditfold.worker.settings import WrongSettings, load


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch):
    for name in [name for name in os.environ if name.startswith("CREDITFOLD_")]:
        monkeypatch.delenv(name)


def test_one_message_names_all_that_is_wrong_by_where_it_was_set(monkeypatch, tmp_path):
    a_file = tmp_path / "file"
    a_file.touch()
    monkeypatch.setenv("CREDITFOLD_PARTITIONS", "many")
    monkeypatch.setenv("CREDITFOLD_KAFKA", "no-port")
    with pytest.raises(WrongSettings) as wrong:
        load(http_port=70_000)
    message = str(wrong.value)
    assert "CREDITFOLD_PARTITIONS: " in message
    assert "CREDITFOLD_KAFKA: " in message
    assert "--http-port: " in message
    assert "\n" not in message
    monkeypatch.setenv("CREDITFOLD_PARTITIONS", "4")
    monkeypatch.setenv("CREDITFOLD_KAFKA", "a:9092,b:9093")
    with pytest.raises(WrongSettings, match="is a file; name a directory"):
        load(state_dir=a_file)


def test_an_embedded_log_is_no_state_directory(tmp_path):
    with LocalRuntime(tmp_path, lambda: 0):
        pass
    with pytest.raises(WrongSettings, match="holds a database that is no worker's"):
        load(state_dir=tmp_path)


def test_a_flag_wins_over_the_environment(monkeypatch):
    monkeypatch.setenv("CREDITFOLD_PARTITIONS", "4")
    assert 4 == load().partitions
    assert 6 == load(partitions=6, kafka=None).partitions


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"SECURITY_PROTOCOL": "TLS"}, "security.protocol TLS is unknown"),
        ({"SECURITY_PROTOCOL": "SASL_SSL"}, "SASL_SSL lacks sasl.mechanism"),
        ({"SASL_USERNAME": "u"}, "security.protocol PLAINTEXT does not use it"),
        ({"SECURITY_PROTOCOL": "SSL", "SSL_CA_LOCATION": "/no/such"}, "/no/such, which is no file"),
        ({"SECURITY_PROTOCOL": "SASL_SSL", "SASL_MECHANISM": "GSSAPI"}, "mechanism GSSAPI is none"),
    ],
)
def test_how_to_log_in_is_told_whole_or_refused(monkeypatch, told, said):
    for name, value in told.items():
        monkeypatch.setenv(f"CREDITFOLD_{name}", value)
    with pytest.raises(WrongSettings, match=said):
        load()


def test_the_engine_and_the_commands_log_in_alike_and_no_password_is_shown(monkeypatch):
    monkeypatch.setenv("CREDITFOLD_SECURITY_PROTOCOL", "sasl_ssl")
    monkeypatch.setenv("CREDITFOLD_SASL_MECHANISM", "PLAIN")
    monkeypatch.setenv("CREDITFOLD_SASL_USERNAME", "alice")
    monkeypatch.setenv("CREDITFOLD_SASL_PASSWORD", "hunter2")
    settings = load(kafka="h:9093")
    engine = settings.engine()
    assert librdkafka(engine.brokers, engine.security) == settings.connection().options | {
        "bootstrap.servers": "h:9093"
    }
    assert "hunter2" not in f"{settings} {engine}"


def test_a_changelog_made_by_the_worker_is_the_one_that_the_plan_has():
    settings = load(replication=3).engine().changelog_settings
    assert plan(min_isr=2)[-1].settings == settings


def test_the_engine_reads_commands_before_the_usage_that_needs_them():
    config = load(application="credit", partitions=3).engine()
    nouns = [name.split(".")[1] for name in config.inputs]
    assert ["commands", "transfers", "invoices", "usage"] == nouns
    assert "credit.changelog" == config.changelog
    assert "credit-2" == config.transactional_id(2)


def test_every_setting_is_used_and_described():
    settings = load()
    text = "".join(
        path.read_text() for path in Path(creditfold.__file__).parent.glob("worker/*.py")
    )
    for name, field in type(settings).model_fields.items():
        assert field.description, name
        assert text.count(name) > 1, f"{name} sets nothing"


def test_workers_on_all_interfaces_advertise_the_hosts_name():
    assert "http://127.0.0.1:8081" == load().advertised(8081)
    assert "0.0.0.0" not in load(http_host="0.0.0.0").advertised(8081)
    assert "https://w1.example" == load(advertised_url="https://w1.example").advertised(8081)


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("CREDITFOLD_PARTITIONS", "0", "CREDITFOLD_PARTITIONS: "),
        ("CREDITFOLD_HTTP_HOST", "203.0.113.1", "Cannot assign requested address"),
    ],
)
def test_a_refusal_is_the_last_line(variable, value, said, tmp_path):
    source = str(Path(creditfold.__file__).parents[1])
    ended = subprocess.run(
        [sys.executable, "-m", "creditfold.worker"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": source, variable: value},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode in {2, 70}
    last = ended.stderr.strip().splitlines()[-1]
    assert last.startswith("creditfold: worker stopped: ")
    assert said in last
