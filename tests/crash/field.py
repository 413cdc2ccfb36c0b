"""Where a campaign takes place: a cluster, workers, facts on their way, and the judge after it."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any

import httpx
from confluent_kafka import Consumer, KafkaException, Message, TopicPartition
from reader import committed
from worker_rig import PARTITIONS, SOURCE, WorkerProcess, session_seconds, until

from crash import mix, traffic
from crash.books import INPUTS, LEDGER, TOLD, Judge, Record, utc
from crash.cluster import Cluster
from crash.mixed_books import MixedJudge
from crash.traffic import PRICES, STRANGERS, Soon, Traffic
from creditfold.broker.catalog import CatalogPublisher
from creditfold.broker.connection import Connection
from creditfold.broker.publisher import Publisher
from creditfold.broker.topics import create
from creditfold.contract.envelope import Envelope

READY_SECONDS = 90
ANSWERED_SECONDS = 180


def wall() -> int:
    """The host's clock in microseconds."""
    return time.time_ns() // 1_000


class Answers:
    """Counts the outcomes of published records as they become visible.

    What customers tell each other is published by nobody: of such a chain the last counts.
    """

    def __init__(self, bootstrap: str) -> None:
        settings = {"bootstrap.servers": bootstrap, "group.id": "watch", "log_level": 0}
        reading = {"isolation.level": "read_committed", "auto.offset.reset": "error"}
        self._consumer = Consumer(settings | reading)
        self._consumer.assign([TopicPartition(LEDGER, p, 0) for p in range(PARTITIONS)])
        self._count = 0

    def count(self, seconds: float = 0.2) -> int:
        """How many there are by now; it waits so long for more."""
        while found := self._consumer.consume(5_000, seconds):
            for message in found:
                if message.error() is None:
                    data = json.loads(message.value())
                    self._count += "topic" in data.get("cause", {})
                    self._count -= len(data.get("sent", ()))  # each is an input of another customer
            seconds = 0
        return self._count

    def close(self) -> None:
        self._consumer.close()


class Field:
    """One log and what happens on it; `clock` is the time that facts are given."""

    def __init__(
        self, directory: Path, seed: int, *, brokers: int = 1, mixed: bool = False
    ) -> None:
        self.mixed = mixed
        self.chance = random.Random(seed)
        self.clock: Callable[[], int] = wall
        self.kills = 0
        self.crashes: list[str] = []  # the last lines of workers that ended by themselves
        self.directory = directory
        self.application = "creditfold"
        self.cluster = Cluster(directory, brokers).start()
        self.bootstrap = self.cluster.bootstrap
        create(self.bootstrap, application=self.application, partitions=PARTITIONS)
        self.session_seconds = session_seconds(Connection(self.bootstrap))
        self.workers: list[WorkerProcess] = []
        self._answers = Answers(self.bootstrap)
        self._publisher = Publisher(self.bootstrap, seconds=120)
        self._catalog = CatalogPublisher(self.bootstrap)
        self._catalog_facts = 0
        self._sent: set[tuple[str, str]] = set()
        self._seed = seed
        self._traffic: list[Traffic] = []

    def close(self) -> None:
        for worker in self.workers:
            worker.kill()
        self._answers.close()
        self.cluster.stop()

    # Facts

    @property
    def traffic(self) -> Traffic:
        """What customers do just now."""
        return self._traffic[-1]

    def open(self, customers: int, soon: Soon | None = None, repeats: float = 0.05) -> None:
        """Publish new customers, and the catalog before the first of them."""
        kind, catalog = (mix.Mix, mix.catalog) if self.mixed else (Traffic, traffic.catalog)
        if not self._traffic:
            self.publish_catalog(*catalog(self.clock()))
        number = len(self._traffic)
        made = kind(
            self._seed + number, customers, self.now, soon or Soon(),
            prefix=f"c{number}", repeats=repeats,
        )  # fmt: skip
        self._traffic.append(made)
        self.publish(made.opening())

    def now(self) -> int:
        """The time of the next fact."""
        return self.clock()

    def publish_catalog(self, *facts: Envelope) -> None:
        """Put catalog facts on every partition."""
        self._catalog.publish(*facts)
        self._catalog_facts += len(facts)

    def publish(self, facts: Iterable[Envelope]) -> None:
        """Publish, and return when all are acknowledged."""
        for each in facts:
            self._put(each)
        self._publisher.flush()

    def send(self, count: int) -> None:
        """Publish so many facts of customers as fast as it goes."""
        self.publish(self.traffic.facts(count))

    @contextmanager
    def flow(self, count: int, per_second: float) -> Iterator[None]:
        """Facts at this rate as long as the body takes, and the rest of `count` after it."""
        done = Event()
        with ThreadPoolExecutor(1) as pool:
            flowing = pool.submit(self._flow, count, per_second, done)
            try:
                yield
            finally:
                done.set()
                flowing.result()

    def _flow(self, count: int, per_second: float, done: Event) -> None:
        began, sent, slice_ = time.monotonic(), 0, max(1, round(per_second / 20))
        while sent < count or not done.is_set():
            for each in self.traffic.facts(slice_):
                self._put(each)
            sent += slice_
            done.wait(max(0, began + sent / per_second - time.monotonic()))
        self._publisher.flush()

    def _put(self, fact: Envelope) -> None:
        self._publisher.publish(fact)
        self._sent.add((fact.subject, fact.id))

    # Workers

    def start(self, count: int, **settings: object) -> list[WorkerProcess]:
        """Stop who works, and start so many workers; they keep their state directories."""
        self.stop()
        self.workers = [WorkerProcess(self, f"worker{n}", **settings) for n in range(count)]
        for worker in self.workers:
            worker.start()
        return self.workers

    def join(self, name: str, **settings: object) -> WorkerProcess:
        """Start one more worker."""
        worker = WorkerProcess(self, name, **settings)
        self.workers.append(worker)
        return worker.start()

    def stop(self) -> None:
        """Let all workers end in order."""
        for worker in list(self.workers):
            self.leave(worker)

    def leave(self, worker: WorkerProcess) -> None:
        """Tell a worker to end: it does so with 0, whatever it was doing."""
        self._supervise()
        self.workers.remove(worker)
        if worker.running:
            code = worker.terminate()
            assert code == 0, f"SIGTERM gave {code}\n{worker.tail()}"

    def kill(self, worker: WorkerProcess) -> None:
        """Kill -9."""
        self.kills += 1
        worker.kill()

    def wipe(self, worker: WorkerProcess) -> None:
        """Remove the worker's state directory."""
        shutil.rmtree(self.directory / worker.name)

    def ready(self, *workers: WorkerProcess) -> None:
        """Return when the workers, or all of them, fold what they were assigned."""

        def all_ready() -> bool:
            self._supervise()
            return all(worker.ready() for worker in workers or self.workers)

        until(all_ready, lambda: f"not ready\n{self._tails()}", READY_SECONDS)

    def _supervise(self) -> None:
        """Start again who ended by itself, as an operating system's supervisor does."""
        for worker in self.workers:
            if worker.process.poll() not in {None, -signal.SIGKILL, 0}:
                self.crashes.append(worker.last_line)
                worker.start()

    def _tails(self) -> str:
        return "\n".join(f"--- {worker.log.name}\n{worker.tail()}" for worker in self.workers)

    # Progress

    @property
    def due(self) -> int:
        """How many outcomes there have to be: one for each acknowledged record."""
        return self._publisher.delivered + PARTITIONS * self._catalog_facts

    def answered(self) -> int:
        """How many there are."""
        return self._answers.count()

    def folding(self, since: int | None = None) -> None:
        """Return when there are more answers than so many, or than now."""
        before = self.answered() if since is None else since

        def more() -> bool:
            self._supervise()
            return self.answered() > before

        until(more, lambda: f"nothing is folded\n{self._tails()}", READY_SECONDS, pause=0)

    def settle(self) -> None:
        """Return when all is answered and all that was to begin or expire soon has done so."""
        until(lambda: self.clock() > self.traffic.quiet_at, "the clock stands", ANSWERED_SECONDS)
        self.publish(self.traffic.closing())
        heard, before = time.monotonic(), 0
        while (now := self.answered()) < self.due:
            self._supervise()
            if now > before:
                heard, before = time.monotonic(), now
            assert time.monotonic() < heard + ANSWERED_SECONDS, (
                f"{now} of {self.due}\n{self._tails()}"
            )

    # Judging

    def judge(self) -> tuple[Judge, dict[str, Any]]:
        """Ask the workers for all balances, let them go, and read and replay what was committed."""
        self.ready()
        judge, now = Judge(STRANGERS), wall()
        if self.mixed:
            judge = MixedJudge(STRANGERS, mix.MAY_BE_REFUSED, PRICES, mix.WINDOW)
        snapshots = self._snapshots()
        self.stop()
        with ThreadPoolExecutor(1) as pool:
            replaying = pool.submit(self._replay)
            for number in range(PARTITIONS):
                judge.partition(
                    *(self._read(topics, number) for topics in (INPUTS, [LEDGER], TOLD))
                )
            judge.sent(self._sent)
            judge.customers(snapshots, utc(now))
            return judge, replaying.result()

    def _read(self, topics: list[str], partition: int) -> Iterator[Record]:
        return map(_record, committed(self.bootstrap, topics, [partition]))

    def _snapshots(self) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        customers = [who for made in self._traffic for who in made.customers]
        with httpx.Client(timeout=10) as client:
            for worker in self.workers:
                for customer in customers:
                    if customer not in found:
                        answer = client.get(f"{worker.url}/v1/customers/{customer}")
                        if answer.status_code == 200:
                            found[customer] = answer.json()
        return found

    def _replay(self) -> dict[str, Any]:
        """What `creditfold replay --verify` says of the cluster."""
        done = subprocess.run(
            [sys.executable, "-m", "creditfold", "replay", "--verify", "-o", "json",
             "--kafka", self.bootstrap],
            stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(SOURCE)}, check=False,
        )  # fmt: skip
        found: dict[str, Any] = json.loads(done.stdout)
        assert found["agrees"] == (done.returncode == 0), done.returncode
        return found

    def forget_group(self) -> None:
        """Delete the group and its offsets, when its last member has left."""
        admin = Connection(self.bootstrap).admin()

        def deleted() -> bool:
            try:
                admin.delete_consumer_groups([self.application])[self.application].result()
            except KafkaException:
                return False
            return True

        until(deleted, "the group still has members", 30, pause=0.3)


def _record(message: Message) -> Record:
    return Record(
        message.topic(), message.offset(), message.key(), message.value(),
        dict(message.headers() or ()),
    )  # fmt: skip
