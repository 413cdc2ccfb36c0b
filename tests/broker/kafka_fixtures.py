"""Topics of the contract on the session's broker, a history to put on them, and a small fold."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import (
    AdminClient,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from creditfold.broker.jars import BrokerUnavailable, JarBroker, free_port
from creditfold.broker.kafka_log import KafkaLog
from creditfold.broker.plan import plan
from creditfold.broker.topics import create
from creditfold.contract.envelope import Envelope, write_binary
from creditfold.contract.partitions import Home
from creditfold.contract.topics import INPUTS, RANK, event_type, topic_of
from creditfold.local.runtime import Input
from creditfold.log.order import ordered
from creditfold.partition.position import Position
from creditfold.partition.step import Batch, Partition
from creditfold.partition.store import MemoryStore

COUNT = 4
BEGIN = 1_788_220_800_000_000  # 2026-09-01T00:00:00Z
SECOND = 1_000_000
DAY = 86_400 * SECOND
CUSTOMERS = tuple(f"customer-{n}" for n in range(12))


def remove(bootstrap: str) -> None:
    """Delete all topics of creditfold, and return when they are gone."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    names = {each.name for each in plan()}
    deadline = time.monotonic() + 30
    while there := sorted(names & admin.list_topics(timeout=10).topics.keys()):
        assert time.monotonic() < deadline, there
        for future in admin.delete_topics(there, request_timeout=10).values():
            future.exception()
        time.sleep(0.2)


@pytest.fixture
def empty(kafka):
    """A broker without any topic of creditfold."""
    remove(kafka.bootstrap)
    yield kafka.bootstrap
    remove(kafka.bootstrap)


@pytest.fixture
def topics(empty):
    """A broker with fresh topics of four partitions."""
    create(empty, partitions=COUNT)
    return empty


def fact(noun_verb: str, id_: str, time_: int, data: dict[str, Any], customer: str | None = None,
         recorded: int | None = None) -> Envelope:  # fmt: skip
    return Envelope(id_, "test", event_type(noun_verb), customer, time_, data, recorded)


def usage(id_: str, customer: str, time_: int, quantity: str = "1", **more: Any) -> Envelope:
    return fact("usage.recorded", id_, time_, {"meter": "calls", "quantity": quantity}, customer,
                more.get("recorded"))  # fmt: skip


def prices(time_: int) -> list[Envelope]:
    rates = [{"meter": "calls", "unit": "USD", "per_unit": "0.1"}]
    card = {"rate_card": "list", "version": 1, "effective_from": "2026-01-01T00:00:00Z",
            "rates": rates}  # fmt: skip
    unit = {"unit": "credits", "version": 1, "exponent": 6, "meter": "calls"}
    return [
        fact("meter.declared", "m", time_, {"meter": "calls", "version": 1, "product": "api"}),
        fact("unit.declared", "c", time_ + 1_000, unit),
        fact("rate_card.published", "r", time_ + 2_000, card),
    ]


def history(days: int = 20, tick: int = 1_000) -> Iterator[Envelope]:
    """Grants that run out and expire, usage, a duplicate and a refusal, in arrival order.

    `tick` is how many microseconds lie between two facts of a burst: below 1,000 several have one
    millisecond, and usage stands before commands in it.
    """
    yield from (replaced(each, each.time) for each in prices(BEGIN))
    at = BEGIN + SECOND
    for n, customer in enumerate(CUSTOMERS):
        at += tick
        yield fact("customer.created", f"new-{n}", at, {"currency": "USD"}, customer, at)
    for day in range(days):
        at = BEGIN + SECOND + day * DAY + 60 * SECOND
        for n, customer in enumerate(CUSTOMERS):
            at += tick
            yield usage(f"u-{day}-{n}", customer, at, str(3 + (day + n) % 5), recorded=at)
            if day % 4 == n % 4:
                at += tick
                data = {"block": f"b-{day}-{n}", "kind": "promotional", "unit": "credits",
                        "quantity": "20", "expires_at": rfc(at + 3 * DAY)}  # fmt: skip
                yield fact("credit.granted", f"g-{day}-{n}", at, data, customer, at)
                at += tick
                yield usage(f"v-{day}-{n}", customer, at, "2", recorded=at)
        at += tick
        yield usage(f"u-{day}-0", CUSTOMERS[0], BEGIN + 61 * SECOND, "1", recorded=at)  # id reused
        yield usage(f"x-{day}", "nobody", at, recorded=at)  # an unknown customer
        if day == days // 2:
            data = {"rate_card": "list", "version": 2, "effective_from": rfc(at),
                    "rates": [{"meter": "calls", "unit": "USD", "per_unit": "0.2"}]}  # fmt: skip
            yield fact("rate_card.published", "r2", at + tick, data, None, at + tick)


def replaced(envelope: Envelope, recorded: int) -> Envelope:
    return Envelope(envelope.id, envelope.source, envelope.type, envelope.subject, envelope.time,
                    envelope.data, recorded)  # fmt: skip


def rfc(instant: int) -> str:
    from creditfold.core.times import rfc3339

    return rfc3339(instant)


def appended(envelope: Envelope) -> Input:
    """The event as it lies on an embedded log."""
    assert envelope.recordedtime is not None
    return Input(topic_of(envelope.type).name, envelope.recordedtime, *write_binary(envelope))


class Folded:
    """One partition of the log, folded in memory by the real fold as a worker would."""

    def __init__(self, bootstrap: str, number: int) -> None:
        self.bootstrap = bootstrap
        self.number = number
        self.batches: list[Batch] = []
        self._partition = Partition(MemoryStore(), Home(number, COUNT), Position())

    def run(self, step: int = 10) -> Folded:
        log = KafkaLog(self.bootstrap, self.number)
        queues = {topic.name: list(log.read(topic.name)) for topic in INPUTS}
        wall = time.time_ns() // 1_000
        order = list(ordered(queues, RANK, 0, wall))
        for begin in range(0, len(order), step):
            caught_up = begin + step >= len(order)
            self._add(self._partition.fold(order[begin : begin + step], wall,
                                           caught_up=caught_up, due_max=1_000))  # fmt: skip
        while self._partition.due(wall):
            self._add(self._partition.fold([], wall, caught_up=True, due_max=1_000))
        return self

    def _add(self, batch: Batch) -> None:
        self.batches.append(batch)

    def heads(self) -> dict[str, str]:
        """The head of each customer's chain, without the catalog's."""
        return heads(outcome for batch in self.batches for outcome in batch.outcomes)

    def publish(self) -> None:
        """Put each batch on its partition in a transaction, and one aborted one before it."""
        producer = Producer({"bootstrap.servers": self.bootstrap,
                             "transactional.id": f"folded-{self.number}"})  # fmt: skip
        producer.init_transactions(20)
        for batch in self.batches:
            for wanted in (False, True):
                producer.begin_transaction()
                for topic, key, value, headers, *_ in batch.outputs:
                    producer.produce(topic, value, key, self.number, headers=list(headers),
                                     timestamp=batch.position.now // 1_000)  # fmt: skip
                producer.flush(20)
                if wanted:
                    producer.commit_transaction(20)
                else:
                    producer.abort_transaction(20)


def heads(outcomes: Iterator[Any]) -> dict[str, str]:
    return {o.customer: o.hash for o in outcomes if o.status == "applied" and o.customer}


def content(outcomes: Iterator[Any]) -> dict[str, list[tuple[Any, ...]]]:
    """By customer, what became of each input, in order: ids and amounts without coordinates."""
    by_customer: dict[str, list[tuple[Any, ...]]] = {}
    for o in outcomes:
        told = (o.outcome, str(o.status), o.code, o.seq, o.hash, o.entries, o.overage, o.balances)
        if o.customer:
            by_customer.setdefault(o.customer, []).append(told)
    return by_customer


class OddBroker(JarBroker):
    """A node that can also be reached by other listeners, and by an address that is wrong.

    `login` asks for a login, `tls` has TLS, `both` asks for a login over TLS, and `mutual` asks
    for the client's certificate, of which `badge` is one and `key` its key, with a password.
    """

    def __init__(self, data: Path) -> None:
        super().__init__(data)
        self.login, self.tls, self.lost = free_port(), free_port(), free_port()
        self.both, self.mutual = free_port(), free_port()
        self.certificate = data / "certificate.pem"
        self.badge, self.key = data / "badge.pem", data / "key.pem"

    def start(self, seconds: float = 60.0) -> None:
        self._data.mkdir(parents=True, exist_ok=True)
        keystore = self._data / "keys.p12"
        if not keystore.exists():
            tool = ["keytool", "-storepass", "secret", "-keystore", str(keystore)]
            subprocess.run(
                [*tool, "-genkeypair", "-alias", "k", "-keyalg", "RSA", "-storetype", "PKCS12",
                 "-dname", "CN=localhost", "-ext", "san=ip:127.0.0.1,dns:localhost"],
                check=True, capture_output=True)  # fmt: skip
            subprocess.run([*tool, "-exportcert", "-alias", "k", "-rfc", "-file",
                            str(self.certificate)], check=True, capture_output=True)  # fmt: skip
            subprocess.run(
                ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-passout", "pass:hush",
                 "-subj", "/CN=alice", "-days", "30", "-keyout", str(self.key),
                 "-out", str(self.badge)],
                check=True, capture_output=True)  # fmt: skip
            subprocess.run(
                ["keytool", "-storepass", "secret", "-keystore", str(self._data / "trust.p12"),
                 "-importcert", "-noprompt", "-alias", "alice", "-file", str(self.badge)],
                check=True, capture_output=True)  # fmt: skip
        super().start(seconds)
        admin = AdminClient({"bootstrap.servers": self.bootstrap})
        for mechanism in (ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512):
            alice = UserScramCredentialUpsertion(
                "alice", ScramCredentialInfo(mechanism, 4096), b"good"
            )
            for done in admin.alter_user_scram_credentials([alice]).values():
                done.result()

    def _properties(self) -> str:
        text = super()._properties()
        ports = {
            "LOGIN": self.login, "TLS": self.tls, "BOTH": self.both, "MUTUAL": self.mutual,
        }  # fmt: skip
        here = "".join(f",{name}://127.0.0.1:{port}" for name, port in ports.items())
        longer = {
            "listeners": f"{here},LOST://127.0.0.1:{self.lost}",
            "advertised.listeners": f"{here},LOST://broker.invalid:9092",
            "listener.security.protocol.map": ",LOGIN:SASL_PLAINTEXT,TLS:SSL,LOST:PLAINTEXT"
            ",BOTH:SASL_SSL,MUTUAL:SSL",
        }
        module = "org.apache.kafka.common.security.{0}LoginModule required"
        kinds = {
            "plain": module.format("plain.Plain") + ' user_alice="good"',
            "scram-sha-256": module.format("scram.Scram"),
            "scram-sha-512": module.format("scram.Scram"),
        }
        logins = [
            line
            for listener in ("login", "both")
            for line in (
                f"listener.name.{listener}.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
                *(
                    f"listener.name.{listener}.{kind}.sasl.jaas.config={login};"
                    for kind, login in kinds.items()
                ),
            )
        ]
        keys = [
            line
            for listener in ("tls", "both", "mutual")
            for line in (
                f"listener.name.{listener}.ssl.keystore.location={self._data}/keys.p12",
                f"listener.name.{listener}.ssl.keystore.password=secret",
                f"listener.name.{listener}.ssl.keystore.type=PKCS12",
            )
        ]
        return "\n".join([
            *(line + longer.get(line.partition("=")[0], "") for line in text.splitlines()),
            "inter.broker.listener.name=PLAINTEXT",
            *logins,
            *keys,
            "listener.name.mutual.ssl.client.auth=required",
            f"listener.name.mutual.ssl.truststore.location={self._data}/trust.p12",
            "listener.name.mutual.ssl.truststore.password=secret",
            "listener.name.mutual.ssl.truststore.type=PKCS12",
            "",
        ])  # fmt: skip


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    """The odd broker, with the topics made."""
    try:
        node = OddBroker(tmp_path_factory.mktemp("odd"))
        node.start()
    except BrokerUnavailable as reason:
        message = f"NO BROKER WITH TLS AND A LOGIN: {reason}"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    create(node.bootstrap, partitions=COUNT)
    yield node
    node.stop()
