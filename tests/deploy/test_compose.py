"""The Compose file on a real engine: facts in by the published port, a killed worker, totals right.

The image is built from the checkout, the broker is Apache Kafka, and the worker dies by SIGKILL.
"""

import itertools
import json
import os
import subprocess
import threading
import time
from collections import Counter, defaultdict
from contextlib import suppress
from decimal import Decimal
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from confluent_kafka import Consumer, TopicPartition

from creditfold.broker.catalog import CatalogPublisher
from creditfold.broker.jars import free_port
from creditfold.broker.publisher import Publisher
from creditfold.contract.envelope import Envelope
from creditfold.contract.topics import LEDGER, event_type

pytestmark = pytest.mark.docker

TAG = "test"
CUSTOMERS = [f"c-{n}" for n in range(20)]
GRANTED = 1_000_000
PAUSE = 0.2


def _run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, (
        f"{' '.join(command)}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    )
    return done.stdout


class Stack:
    """One project of the Compose file, with ports of its own."""

    def __init__(self, root):
        self.kafka_port, self.http_port = free_port(), free_port()
        self.project = f"creditfold-test-{os.getpid()}"
        self._root = root
        self._env = os.environ | {
            "CREDITFOLD_KAFKA_PORT": str(self.kafka_port),
            "CREDITFOLD_HTTP_PORT": str(self.http_port),
            "CREDITFOLD_TAG": TAG,
        }

    @property
    def kafka(self):
        return f"localhost:{self.kafka_port}"

    def compose(self, *arguments):
        return _run(
            "docker", "compose", "-p", self.project, *arguments, cwd=self._root, env=self._env
        )

    def inspect(self, service):
        (id_,) = self.compose("ps", "--all", "--quiet", service).split()
        return json.loads(_run("docker", "inspect", id_))[0]

    def until(self, what, seconds, why):
        deadline = time.monotonic() + seconds
        while not what():
            if time.monotonic() > deadline:
                logs = self.compose("logs", "--no-color", "--tail=15")
                pytest.fail(f"not within {seconds} s: {why}\n{logs[-6000:]}")
            time.sleep(PAUSE)

    def ready(self):
        with (
            suppress(URLError, OSError),
            urlopen(f"http://localhost:{self.http_port}/readyz") as it,
        ):
            return it.status == 200
        return False

    def balance(self, customer):
        with urlopen(f"http://localhost:{self.http_port}/v1/customers/{customer}") as answer:
            return json.load(answer)

    def kill_worker(self):
        """SIGKILL from outside, as the kernel does; `docker kill` would count as a wish to stop."""
        pid = self.inspect("worker")["State"]["Pid"]
        kill = f"import os, signal; os.kill({pid}, signal.SIGKILL)"
        _run("docker", "run", "--rm", "--pid=host", "--user=0", "--entrypoint=python",
             f"creditfold:{TAG}", "-c", kill)  # fmt: skip

    def left_over(self):
        """What of the project is still there."""
        label = f"label=com.docker.compose.project={self.project}"
        return [
            line
            for kind in (["ps", "--all"], ["volume", "ls"], ["network", "ls"])
            for line in _run("docker", *kind, "--quiet", "--filter", label).split()
        ]


@pytest.fixture(scope="module")
def stack(docker):
    made = Stack(docker)
    volumes = set()
    try:
        made.compose("up", "--detach", "--build", "--wait")
        for service in ("kafka", "worker"):
            volumes |= {
                mount["Name"] for mount in made.inspect(service)["Mounts"] if "Name" in mount
            }
        yield made
    finally:
        made.compose("down", "--volumes", "--remove-orphans", "--timeout", "20")
    assert made.left_over() == []
    # the worker's volume is the image's and has no label
    assert not volumes & set(_run("docker", "volume", "ls", "--quiet").split())


class Facts:
    """What was sent, and what has to come of it."""

    def __init__(self, kafka):
        self._now = time.time_ns() // 1_000
        self._numbers = itertools.count(1)
        self._publisher = Publisher(kafka)
        self._catalog = CatalogPublisher(kafka)
        self.sent = []
        self.used = dict.fromkeys(CUSTOMERS, Decimal(0))

    def begin(self):
        """A unit that is one of its meter, and twenty customers with a million of it each."""
        meter = {"meter": "api.calls", "version": 1, "product": "api"}
        unit = {"unit": "calls", "version": 1, "exponent": 0, "meter": "api.calls"}
        self._catalog.publish(
            self._fact("meter.declared", None, meter), self._fact("unit.declared", None, unit)
        )
        block = {"kind": "promotional", "unit": "calls", "quantity": GRANTED}
        for customer in CUSTOMERS:
            self.send(self._fact("customer.created", customer, {"currency": "USD"}))
            self.send(self._fact("credit.granted", customer, block | {"block": f"b-{customer}"}))
        self.flush()

    def use(self, count):
        for _ in range(count):
            number = len(self.sent)
            customer = CUSTOMERS[number * 7919 % len(CUSTOMERS)]
            quantity = number % 13 + 1
            self.used[customer] += quantity
            usage = {"meter": "api.calls", "quantity": quantity}
            self.send(self._fact("usage.recorded", customer, usage))

    def send(self, fact):
        self.sent.append(fact)
        self._publisher.publish(fact)

    def flush(self):
        self._publisher.flush()

    def send_again(self, facts):
        for fact in facts:
            self._publisher.publish(fact)
        self.flush()

    def _fact(self, noun_verb, customer, data):
        id_ = f"{noun_verb}-{next(self._numbers)}"
        return Envelope(id_, "test", event_type(noun_verb), customer, self._now, data)


class Ledger:
    """All committed outcomes, read anew from the start each time."""

    def __init__(self, kafka):
        self._kafka = kafka

    def outcomes(self):
        reader = Consumer(
            {
                "bootstrap.servers": self._kafka,
                "group.id": "reader",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
            }
        )
        known = reader.list_topics(LEDGER.name, timeout=10).topics[LEDGER.name].partitions
        reader.assign([TopicPartition(LEDGER.name, partition, 0) for partition in known])
        found, open_ = [], set(known)
        while open_:
            message = reader.poll(30)
            assert message is not None, "the ledger was not read to its end"
            if message.error() is not None:
                open_.discard(message.partition())
            elif dict(message.headers())["ce_type"] == event_type("ledger.outcome").encode():
                found.append(json.loads(message.value()))
        reader.close()
        return found

    def of_customers(self):
        return [outcome for outcome in self.outcomes() if outcome.get("customer")]


def _causes(outcomes):
    return Counter(outcome["cause"]["id"] for outcome in outcomes)


def _drawn(outcomes):
    drawn = defaultdict(Decimal)
    for outcome in outcomes:
        for entry in outcome.get("entries", ()):
            if (entry["from"], entry["to"]) == ("available", "drawn"):
                drawn[outcome["customer"]] += Decimal(entry["quantity"])
    return drawn


@pytest.fixture(scope="module")
def facts(stack):
    made = Facts(stack.kafka)
    made.begin()
    # usage is another topic, and may be read before the customer whose it is
    stack.until(
        lambda: len(Ledger(stack.kafka).of_customers()) == len(made.sent), 60, "no customers"
    )
    return made


def test_the_worker_is_not_root_and_can_write_nothing_but_its_state(stack):
    assert stack.compose("exec", "-T", "worker", "id", "-u").strip() == "10001"
    write = "import pathlib, sys; pathlib.Path(sys.argv[1], 'x').touch()"
    stack.compose("exec", "-T", "worker", "python", "-c", write, "/var/lib/creditfold")
    with pytest.raises(AssertionError, match=r"Read-only file system|Permission denied"):
        stack.compose("exec", "-T", "worker", "python", "-c", write, "/opt/creditfold")


def test_a_killed_worker_comes_back_by_itself_and_every_fact_counts_once(stack, facts):
    ledger = Ledger(stack.kafka)
    facts.use(2_000)
    facts.flush()
    stack.until(lambda: len(ledger.of_customers()) >= 500, 60, "the worker folds nothing")

    sender = threading.Thread(target=facts.use, args=(4_000,))
    sender.start()
    stack.kill_worker()
    sender.join()
    facts.flush()
    stack.until(lambda: stack.inspect("worker")["RestartCount"] >= 1, 60, "no restart")
    stack.until(stack.ready, 90, "the restarted worker is not ready")

    stack.until(lambda: len(ledger.of_customers()) >= len(facts.sent), 90, "facts without outcome")
    outcomes = ledger.of_customers()
    assert _causes(outcomes) == Counter(fact.id for fact in facts.sent)
    assert {outcome["status"] for outcome in outcomes} == {"applied"}
    for customer in CUSTOMERS:
        theirs = [outcome["seq"] for outcome in outcomes if outcome["customer"] == customer]
        assert sorted(theirs) == list(range(1, len(theirs) + 1))
    assert _drawn(outcomes) == facts.used
    usable = {customer: stack.balance(customer)["usable"] for customer in CUSTOMERS}
    assert usable == {c: {"calls": str(GRANTED - facts.used[c])} for c in CUSTOMERS}


def test_facts_that_come_again_are_duplicates_and_draw_nothing(stack, facts):
    ledger = Ledger(stack.kafka)
    before = ledger.of_customers()
    facts.send_again(facts.sent[-100:])
    stack.until(
        lambda: len(ledger.of_customers()) >= len(before) + 100, 60, "facts without outcome"
    )
    again = ledger.of_customers()
    assert sum(outcome["status"] == "duplicate" for outcome in again) == 100
    assert _drawn(again) == _drawn(before)


def test_a_worker_that_is_told_to_stop_ends_with_0_and_goes_on_where_it_was(stack, facts):
    stack.compose("stop", "worker")
    assert stack.inspect("worker")["State"]["ExitCode"] == 0
    facts.use(200)
    facts.flush()
    stack.compose("up", "--detach", "--no-build", "--wait")
    ledger = Ledger(stack.kafka)
    every = len(facts.sent)
    stack.until(lambda: len(_causes(ledger.of_customers())) >= every, 60, "facts without outcome")
    outcomes = ledger.of_customers()
    assert Counter(outcome["status"] for outcome in outcomes) == {
        "applied": every,
        "duplicate": 100,
    }
    assert _drawn(outcomes) == facts.used
