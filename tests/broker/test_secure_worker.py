"""A cluster that asks for a login, or has TLS: the worker and every command work on it."""
# ruff: noqa: F811  (fixtures are imported, and asked for by the same names)

import json
import os
import subprocess
import sys

import pytest
from kafka_fixtures import odd  # noqa: F401  # a fixture by name
from worker_rig import CRASHED, PARTITIONS, SECOND, SOURCE, WorkerRig, names, now  # noqa: F401  # the same

from creditfold.contract.envelope import write_structured

pytestmark = [pytest.mark.broker, pytest.mark.campaign]

SCRAM = {
    "SECURITY_PROTOCOL": "sasl_plaintext",
    "SASL_MECHANISM": "SCRAM-SHA-512",
    "SASL_USERNAME": "alice",
    "SASL_PASSWORD": "good",
}


@pytest.fixture
def rig(odd, tmp_path):
    made = WorkerRig(odd.bootstrap, tmp_path, "creditfold").make_topics()
    yield made
    made.close()


WAYS = ("PLAIN", "SCRAM-SHA-512", "TLS", "a login over TLS", "a certificate of its own")


def on(odd, how):
    """The settings of a worker, or of a command, that comes in by this listener."""
    tls = {"SECURITY_PROTOCOL": "SSL", "SSL_CA_LOCATION": str(odd.certificate)}
    if how == "TLS":
        return tls | {"KAFKA": f"127.0.0.1:{odd.tls}"}
    if how == "a certificate of its own":
        badge = {
            "SSL_CERTIFICATE_LOCATION": str(odd.badge),
            "SSL_KEY_LOCATION": str(odd.key),
            "SSL_KEY_PASSWORD": "hush",
        }
        return tls | badge | {"KAFKA": f"127.0.0.1:{odd.mutual}"}
    if how == "a login over TLS":
        both = {"SECURITY_PROTOCOL": "SASL_SSL", "KAFKA": f"127.0.0.1:{odd.both}"}
        return tls | SCRAM | both
    return SCRAM | {"SASL_MECHANISM": how, "KAFKA": f"127.0.0.1:{odd.login}"}


def creditfold(settings, *words):
    clean = {name: value for name, value in os.environ.items() if "CREDITFOLD" not in name}
    told = {f"CREDITFOLD_{name}": str(value) for name, value in settings.items()}
    return subprocess.run(
        [sys.executable, "-m", "creditfold", *words],
        capture_output=True,
        text=True,
        env=clean | {"PYTHONPATH": str(SOURCE)} | told,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("how", WAYS)
def test_the_worker_and_every_command_come_in(rig, odd, now, how):
    settings = on(odd, how)
    (name,) = names(1, 1)
    facts = rig.catalog(now - 9 * SECOND) + rig.customer(name, now - 8 * SECOND, usages=0)
    rig.send(facts)
    worker = rig.worker(**settings).start().wait_ready()
    usage = rig.usage(name, 5, now, "u-secure")
    file = rig.directory / "facts.jsonl"
    file.write_bytes(write_structured(usage) + b"\n")
    here = ("--kafka", settings["KAFKA"])
    commands = [
        ("publish", str(file), *here),
        ("topics", "describe", *here),
        ("doctor", *here),
        ("rejections", "retry", *here),
        ("dead-letters", "list", *here),
    ]
    for words in commands:
        done = creditfold(settings, *words)
        assert done.returncode == 0, (words, done.stdout, done.stderr)
    rig.wait_for_outcomes(3 * PARTITIONS + 5 + 1)
    assert 5 == rig.drawn(worker, name)
    for words in [("trace", "u-secure", *here), ("replay", "--verify", *here)]:
        done = creditfold(settings, *words, "-o", "json")
        assert done.returncode == 0, (words, done.stdout, done.stderr)
    assert json.loads(done.stdout.splitlines()[-1])["agrees"]
    assert worker.terminate() == 0


WRONG = {
    "password": (
        {"SASL_PASSWORD": "a-bad-one"},
        "refuse the credentials; correct sasl.username and sasl.password",
    ),
    "trust": ({"SSL_CA_LOCATION": None}, "set ssl.ca.location to the authority that signed"),
    "badge": (
        {"SSL_CERTIFICATE_LOCATION": None, "SSL_KEY_LOCATION": None, "SSL_KEY_PASSWORD": None},
        "ssl.certificate.location and ssl.key.location",
    ),
}
LISTENER = {"password": "PLAIN", "trust": "TLS", "badge": "a certificate of its own"}


@pytest.mark.parametrize("what", WRONG)
def test_who_is_not_let_in_is_told_why_in_one_line(rig, odd, what):
    change, said = WRONG[what]
    settings = on(odd, LISTENER[what]) | change
    settings = {name: value for name, value in settings.items() if value is not None}
    worker = rig.worker(**settings).start()
    assert CRASHED == worker.process.wait(30)
    assert worker.last_line.startswith("creditfold: worker stopped: RefusedToStart: the brokers ")
    assert "Correct protocol, mechanism, user name, password and certificates" in worker.last_line
    told = [worker.log.read_text()]
    for words in (("topics", "create"), ("topics", "describe"), ("trace", "u")):
        done = creditfold(settings, *words, "--kafka", settings["KAFKA"])
        told.append(done.stdout + done.stderr)
        assert 3 == done.returncode, done
        assert said in done.stderr
        assert 1 == len(done.stderr.strip().splitlines())
    assert "a-bad-one" not in "".join(told)
