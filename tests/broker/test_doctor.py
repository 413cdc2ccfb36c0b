"""The doctor names what is wrong and what to do, and is done in time whatever the broker does."""
# ruff: noqa: F811  (fixtures are imported, and asked for by the same names)

import signal
import socket
import time

import pytest
from confluent_kafka.admin import AdminClient
from kafka_fixtures import COUNT, odd  # noqa: F401  # a fixture by name

from creditfold.broker.connection import Connection, wall_ms
from creditfold.broker.doctor import examine
from creditfold.broker.jars import free_port
from creditfold.broker.topics import create
from creditfold.contract.topics import LEDGER

pytestmark = pytest.mark.campaign


def told(kafka, **more):
    return {check.name: check for check in examine(kafka, **more).checks}


def failed(kafka, **more):
    checks = examine(kafka, **more).checks
    return [(check.name, check.detail, check.advice) for check in checks if check.ok is False]


# Without a broker


@pytest.mark.parametrize(
    ("kafka", "detail"),
    [
        ("localhost", "'localhost' is no address of a broker"),
        ("localhost:9092,:1", "':1' is no address of a broker"),
        ("localhost:99999", "'localhost:99999' is no address of a broker"),
        ("", "'' is no address of a broker"),
        (Connection("h:1", {"security.protocol": "TLS"}), "security.protocol TLS is unknown"),
        (Connection("h:1", {"security.protocol": "SASL_SSL"}), "SASL_SSL lacks sasl.mechanism"),
        (Connection("h:1", {"security.protocol": "SASL_SSL", "sasl.mechanism": "PLAIN"}),
         "SASL_SSL lacks sasl.username, sasl.password"),
        (Connection("h:1", {"sasl.mechanism": "PLAIN"}),
         "SASL is set and security.protocol PLAINTEXT does not use it"),
        (Connection("h:1", {"security.protocol": "SSL", "ssl.ca.location": "/no/such"}),
         "ssl.ca.location names /no/such, which is no file"),
    ],
)  # fmt: skip
def test_settings_that_cannot_be_are_told_before_anyone_is_asked(kafka, detail):
    [(name, said, advice)] = failed(kafka)
    assert ("settings", detail) == (name, said)
    assert advice


def test_a_name_that_does_not_resolve_and_a_port_that_nobody_has():
    began = time.monotonic()
    [(name, detail, advice)] = failed(f"broker.invalid:9092,127.0.0.1:{free_port()}")
    assert "address" == name
    assert "broker.invalid:9092: the name does not resolve from here" in detail
    assert "the connection is refused (nothing listens there)" in detail
    assert "start the broker, or correct the address or the firewall" == advice
    assert time.monotonic() - began < 10


def test_a_port_that_is_open_and_no_kafka_is_told_in_time():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        began = time.monotonic()
        [(name, detail, _)] = failed(f"127.0.0.1:{listener.getsockname()[1]}", seconds=8)
        assert time.monotonic() - began < 12
    assert "metadata" == name
    assert "the port is open and no broker answers there" in detail


# With one

broker = pytest.mark.broker


@broker
def test_a_healthy_cluster_is_told_so_and_no_trace_is_left(odd):
    admin = AdminClient({"bootstrap.servers": odd.bootstrap})
    before = set(admin.list_topics(timeout=10).topics)
    began = time.monotonic()
    found = examine(odd.bootstrap, partitions=COUNT)
    assert time.monotonic() - began < 20
    assert found.ok, found
    names = ["settings", "address", "credentials", "metadata", "advertised addresses", "version",
             "topics", "clock", "transactions", "disk"]  # fmt: skip
    assert names == [check.name for check in found.checks]
    checks = {check.name: check for check in found.checks}
    assert "9 with 4 partitions each" == checks["topics"].detail
    assert checks["version"].detail.startswith("Kafka 4")
    assert checks["disk"].ok is None
    time.sleep(0.5)
    after = set(admin.list_topics(timeout=10).topics) - {"__transaction_state"}
    assert before - {"__transaction_state"} == after - {"__consumer_offsets"} | (
        before & {"__consumer_offsets"}
    )


@broker
@pytest.mark.parametrize("off", [-8_000, 8_000])
def test_a_clock_that_is_off_is_an_error(odd, off):
    [(name, detail, advice)] = failed(odd.bootstrap, clock=lambda: wall_ms() + off)
    assert "clock" == name
    side = "behind" if off > 0 else "ahead of"
    assert detail.startswith("the broker is ")
    assert detail.endswith(f"s {side} this host")
    assert "synchronise both clocks by NTP" == advice
    assert told(odd.bootstrap, clock=lambda: wall_ms() + off // 2)["clock"].ok


@broker
def test_an_advertised_address_that_cannot_be_reached_is_named_with_its_reason(odd):
    [(name, detail, advice)] = failed(f"127.0.0.1:{odd.lost}")
    assert "advertised addresses" == name
    reason = "the name does not resolve from here"
    assert f"broker 1 advertises broker.invalid:9092: {reason}" == detail
    assert "set advertised.listeners on the broker" in advice


LOGIN = {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN",
         "sasl.username": "alice", "sasl.password": "good"}  # fmt: skip


@broker
def test_credentials_are_told_apart(odd):
    address = f"127.0.0.1:{odd.login}"
    good = told(Connection(address, LOGIN))
    assert all(check.ok is not False for check in good.values()), good
    cases = {
        "the brokers refuse the login": LOGIN | {"sasl.password": "bad"},
        "the brokers refuse the login: ": LOGIN
        | {"sasl.mechanism": "SCRAM-SHA-256", "sasl.password": "bad"},
    }
    for said, options in cases.items():
        [(name, detail, advice)] = failed(Connection(address, options), seconds=15)
        assert "credentials" == name
        assert detail.startswith(said)
        assert "correct sasl.mechanism, sasl.username and sasl.password" == advice
    [(name, detail, _)] = failed(address, seconds=15)
    assert name in {"credentials", "metadata"}


@broker
def test_tls_is_told_apart(odd):
    address = f"127.0.0.1:{odd.tls}"
    trusting = {"security.protocol": "SSL", "ssl.ca.location": str(odd.certificate)}
    good = told(Connection(address, trusting))
    assert all(check.ok is not False for check in good.values()), good
    assert good["version"].ok
    [(name, detail, advice)] = failed(Connection(address, {"security.protocol": "SSL"}), seconds=15)
    assert "credentials" == name
    assert detail.startswith("TLS fails: ")
    assert "set ssl.ca.location" in advice
    [(name, detail, advice)] = failed(address, seconds=15)  # without TLS to a port that has it
    assert "credentials" == name
    assert "does not speak PLAINTEXT" in detail
    [(name, detail, _)] = failed(Connection(odd.bootstrap, trusting), seconds=15)
    assert "credentials" == name


@broker
def test_topics_that_are_wrong_are_among_the_findings(odd):
    admin = AdminClient({"bootstrap.servers": odd.bootstrap})
    admin.delete_topics([LEDGER.name])[LEDGER.name].result()
    time.sleep(0.5)
    found = failed(odd.bootstrap, partitions=COUNT)
    assert [("topics", f"{LEDGER.name}: the topic is missing", "create the topics")] == found
    create(odd.bootstrap, partitions=COUNT)
    assert "topics" in {name for name, *_ in failed(odd.bootstrap, partitions=COUNT + 1)}


@broker
def test_a_frozen_broker_and_a_dead_one_are_told_in_time(odd):
    odd.signal(signal.SIGSTOP)
    try:
        began = time.monotonic()
        [(name, detail, _)] = failed(odd.bootstrap, seconds=10)
        assert time.monotonic() - began < 14
        assert "metadata" == name
        assert "the port is open and no broker answers there" in detail
    finally:
        odd.signal(signal.SIGCONT)
    odd.kill()
    try:
        began = time.monotonic()
        [(name, detail, _)] = failed(odd.bootstrap, seconds=10)
        assert time.monotonic() - began < 6
        assert "address" == name
    finally:
        odd.start()
