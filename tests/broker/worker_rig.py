"""Real worker processes on the contract's topics, facts for them, and what must be written."""

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import ConfigResource, ResourceType
from prometheus_client.parser import text_string_to_metric_families

import creditfold
from creditfold.broker.connection import Connection
from creditfold.broker.kafka_log import KafkaLog
from creditfold.broker.plan import changelog
from creditfold.broker.topics import create
from creditfold.contract.envelope import Envelope, write_binary
from creditfold.contract.partitions import partition_of
from creditfold.contract.topics import CATALOG_TYPES, LEDGER, RANK, REVENUE, TOPICS, topic_of
from creditfold.contract.topics import event_type as full
from creditfold.core.times import rfc3339
from creditfold.engine.app import EXIT_CRASHED
from creditfold.partition.simulation import Simulation

SOURCE = Path(creditfold.__file__).parents[1]
PARTITIONS = 4
SECOND = 1_000_000
CRASHED = EXIT_CRASHED


class WorkerProcess:
    """`python -m creditfold worker` with its own state directory and port."""

    def __init__(self, rig, name, **settings):
        self.name = name
        self.log = rig.directory / f"{name}.log"
        self._settings = {
            "KAFKA": rig.bootstrap,
            "APPLICATION": rig.application,
            "STATE_DIR": str(rig.directory / name),
            "PARTITIONS": PARTITIONS,
            "STANDBYS": 0,
            "HTTP_PORT": 0,
            "SESSION_SECONDS": rig.session_seconds,
            "LOG_FORMAT": "json",
        } | settings
        self.process = None
        self.url = ""

    def start(self, **settings):
        self._settings |= settings
        self.url = ""
        ours = {f"CREDITFOLD_{name}": str(value) for name, value in self._settings.items()}
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "creditfold", "worker"],
                stdout=output,
                stderr=output,
                env=os.environ | {"PYTHONPATH": str(SOURCE)} | ours,
            )
        until(lambda: self.line("worker_starting") or not self.running, "the worker did not begin")
        self.url = (self.line("worker_starting") or {}).get("url", "")
        return self

    def line(self, event):
        return next((line for line in self.lines() if line.get("event") == event), None)

    def lines(self):
        found = []
        for text in self.log.read_text().splitlines():
            with suppress(ValueError):
                found.append(json.loads(text))
        return found

    @property
    def running(self):
        return self.process is not None and self.process.poll() is None

    @property
    def last_line(self):
        return self.log.read_text().strip().splitlines()[-1]

    def get(self, path):
        return httpx.get(self.url + path, timeout=10)

    def balance(self, customer):
        return self.get(f"/v1/customers/{customer}")

    def samples(self, name, **labels):
        """The values of a metric's samples that have these labels."""
        return [
            each.value
            for family in text_string_to_metric_families(self.get("/metrics").text)
            for each in family.samples
            if each.name == name and labels.items() <= each.labels.items()
        ]

    def sample(self, name, **labels):
        return sum(self.samples(name, **labels))

    def ready(self):
        with suppress(httpx.TransportError):
            return self.get("/readyz").status_code == 200
        return False

    def wait_ready(self, seconds=60):
        until(self.ready, lambda: f"not ready\n{self.tail()}", seconds)
        return self

    def tail(self):
        return "\n".join(self.log.read_text().splitlines()[-15:])

    def terminate(self, seconds=40):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def kill(self):
        if self.running:
            self.process.kill()
            self.process.wait(10)


class WorkerRig:
    """The contract's topics, made for one test and deleted after it."""

    def __init__(self, bootstrap, directory, application):
        self.bootstrap, self.directory, self.application = bootstrap, directory, application
        self.connection = Connection(bootstrap)
        self.session_seconds = session_seconds(self.connection)
        self.workers = []
        self._producer = self.connection.producer(linger_ms=2)
        self._numbers = itertools.count(1)

    def make_topics(self):
        def made():
            try:
                create(self.bootstrap, application=self.application, partitions=PARTITIONS)
            except Exception as busy:  # what was just deleted may not be gone everywhere
                self.busy = busy
                return False
            return True

        until(made, lambda: str(self.busy), 30)
        return self

    def close(self):
        for worker in self.workers:
            worker.kill()
        names = [topic.name for topic in TOPICS] + [changelog(self.application)]
        admin = self.connection.admin()  # a client that nobody holds never answers
        for future in admin.delete_topics(names).values():
            with suppress(KafkaException):
                future.result(30)

    def worker(self, name="one", **settings):
        made = WorkerProcess(self, name, **settings)
        self.workers.append(made)
        return made

    # Facts

    def fact(self, noun_verb, customer, data, at, id_=None):
        number = next(self._numbers)
        type_ = full(noun_verb)
        at -= at % 1_000  # Kafka keeps milliseconds
        return Envelope(id_ or f"f{number}", "/test", type_, customer, at, data, at)

    def catalog(self, at):
        rates = [
            {"meter": "llm.tokens", "unit": "credits", "per_unit": "1"},
            {"meter": "llm.tokens", "unit": "USD", "per_unit": "0.01"},
        ]
        card = {
            "rate_card": "default",
            "version": 1,
            "effective_from": "2026-01-01T00:00:00Z",
            "rates": rates,
        }
        unit = {"unit": "credits", "version": 1}
        meter = {"meter": "llm.tokens", "version": 1, "product": "llm"}
        return [
            self.fact("unit.declared", None, unit, at),
            self.fact("meter.declared", None, meter, at),
            self.fact("rate_card.published", None, card, at),
        ]

    def customer(self, name, at, *, usages=5, expires_at=None):
        """A customer with a paid and a promotional block, their invoice, and usage of both."""
        paid = {
            "block": f"{name}-paid",
            "kind": "paid",
            "unit": "credits",
            "quantity": 1_000,
            "value": {"amount": "50.00", "currency": "USD"},
            "funding": {"invoice": f"{name}-1", "line": "1"},
        }
        free = {"block": f"{name}-free", "kind": "promotional", "unit": "credits", "quantity": 100}
        if expires_at is not None:
            free["expires_at"] = rfc3339(expires_at)
        sale = [{"block": f"{name}-paid", "amount": "50.00"}]
        invoice = {
            "invoice": f"{name}-1",
            "currency": "USD",
            "lines": [{"line": "1", "amount": "50.00", "sells": sale}],
        }
        facts = [
            self.fact("customer.created", name, {"currency": "USD"}, at),
            self.fact("credit.granted", name, paid, at + SECOND),
            self.fact("credit.granted", name, free, at + SECOND),
            self.fact("invoice.issued", name, invoice, at + 2 * SECOND),
            self.fact(
                "invoice.paid", name, {"invoice": f"{name}-1", "amount": "50.00"}, at + 3 * SECOND
            ),
        ]
        return facts + [self.usage(name, 7 + i, at + (4 + i) * SECOND) for i in range(usages)]

    def usage(self, name, quantity, at, id_=None):
        data = {"meter": "llm.tokens", "quantity": quantity}
        return self.fact("usage.recorded", name, data, at, id_)

    def send(self, facts):
        """Publish at the facts' record times; catalog facts to every partition."""
        for fact in facts:
            key, value, headers = write_binary(fact)
            for partition in range(PARTITIONS) if fact.type in CATALOG_TYPES else [-1]:
                self.put(
                    topic_of(fact.type).name, key, value, headers, fact.recordedtime, partition
                )
        self.flush()

    def put(self, topic, key, value, headers=(), recorded=None, partition=-1):
        stamp = (recorded or time.time_ns() // 1_000) // 1_000
        while True:
            try:
                self._producer.produce(
                    topic, value, key, partition, timestamp=stamp, headers=list(headers)
                )
            except BufferError:
                self._producer.poll(0.1)
            else:
                self._producer.poll(0)
                return

    def flush(self):
        assert self._producer.flush(60) == 0

    # What was written

    def drawn(self, worker, customer):
        """How much of all of the customer's blocks is drawn, by the worker's answer."""
        until(lambda: worker.balance(customer).status_code == 200, worker.tail)
        blocks = worker.balance(customer).json()["blocks"]
        return sum(int(block["drawn"]) for block in blocks)

    def ledger(self, partitions=range(PARTITIONS)):
        """All outcomes, in order within each partition; headers are left out."""
        found = []
        for partition in partitions:
            for record in KafkaLog(self.bootstrap, partition).read(LEDGER.name):
                data = json.loads(record.value)
                if "outcome" in data:
                    found.append(data)
        return found

    def wait_for_outcomes(self, count, seconds=60):
        def enough():
            outcomes = [each for each in self.ledger() if "topic" in each["cause"]]
            self.have = len(outcomes)
            return self.have >= count or not any(worker.running for worker in self.workers)

        until(
            enough, lambda: f"{self.have} of {count}\n{self.workers[0].tail()}", seconds, pause=0.3
        )
        assert self.have >= count, self.workers[0].tail()

    def written(self):
        """Outcomes and postings of each customer, in order, without where and when."""
        found = defaultdict(list)
        for partition in range(PARTITIONS):
            log = KafkaLog(self.bootstrap, partition)
            for topic in (LEDGER.name, REVENUE.name):
                for record in log.read(topic):
                    keep(found, topic, json.loads(record.value))
        return found

    def simulated(self, facts, until_):
        """The same from the simulation of the same facts."""
        simulation, found = Simulation(), defaultdict(list)
        order = sorted(facts, key=lambda fact: (fact.recordedtime, RANK[topic_of(fact.type).name]))
        outputs = [output for fact in order for output in simulation.fold(fact)]
        for output in (*outputs, *simulation.advance(until_)):
            keep(found, output.topic, json.loads(output.value))
        return found


def session_seconds(connection):
    """Three, so that a worker that died is soon missed, or the least that the broker allows."""
    admin = connection.admin()
    (broker, *_) = admin.list_topics(timeout=10).brokers
    resource = ConfigResource(ResourceType.BROKER, str(broker))
    settings = admin.describe_configs([resource])[resource].result(20)
    return max(3, int(settings["group.min.session.timeout.ms"].value) / 1_000)


def keep(found, topic, data):
    """File the record under its customer and topic, without coordinates and recording time."""
    if not data.get("customer") or topic not in {LEDGER.name, REVENUE.name}:
        return
    cause = data.get("cause")
    if isinstance(cause, dict):
        for name in ("topic", "partition", "offset"):
            cause.pop(name, None)
    data.pop("recorded_at", None)
    found[data["customer"], topic].append(data)


def names(partition, count=3):
    """Customer ids that live in the partition."""
    found = (f"c-{n}" for n in itertools.count(1))
    mine = (name for name in found if partition_of(name.encode(), PARTITIONS) == partition)
    return list(itertools.islice(mine, count))


def until(condition, why, seconds=60, pause=0.1):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, why() if callable(why) else why
        time.sleep(pause)


@pytest.fixture
def rig(kafka, tmp_path):
    """Topics have the contract's names, so they are made for each test and deleted after it."""
    if kafka.node is None and kafka.source.startswith("CREDITFOLD_KAFKA"):
        pytest.skip("this would delete the topics of a cluster that is not ours")
    made = WorkerRig(kafka.bootstrap, tmp_path, "creditfold")
    yield made.make_topics()
    made.close()


@pytest.fixture
def now():
    return time.time_ns() // 1_000
