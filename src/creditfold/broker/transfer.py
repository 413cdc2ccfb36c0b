"""History onto Kafka: same facts, same order for each customer, so the same ids and amounts.

The clock is held around it: nothing falls due by the wall clock before all facts are there. It is
released at the end, unless the history itself holds it there: then it stays held as it was. Each
step is one transaction that also holds how far it is, so a run that died goes on where the last
step ended: no fact is there twice or left out.

Times are rounded up to milliseconds, as Kafka has no finer ones. Where that lets a record overtake
the one before it in its partition (at one time commands go before usage), it is recorded up to as
many milliseconds later as it takes to keep the order; `Progress.moved` counts these.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from msgspec import Struct

from creditfold.broker.catalog import CatalogWriter, Placed, on_every_partition
from creditfold.broker.connection import Where, connection, wall_ms
from creditfold.broker.describe import in_use
from creditfold.broker.history import Log, Past, of_log
from creditfold.broker.plan import APPLICATION
from creditfold.broker.problems import BrokerProblem, error_of, explained, patiently
from creditfold.broker.stamps import Stamps, in_milliseconds
from creditfold.contract.envelope import Envelope, Undecodable, read_record
from creditfold.contract.partitions import partition_of
from creditfold.contract.topics import CATALOG_TYPES, COMMANDS, RANK, event_type

STEP_RECORDS: Final = 2_000
SOURCE: Final = "creditfold/import"

_FINISHED: Final = "finished"
_HELD, _RELEASED = event_type("clock.held"), event_type("clock.released")


class Progress(Struct, frozen=True):
    """How far an import is: facts of the history done, of them now, moved in time and left out.

    `left_out` are the history's own `clock.held` and `clock.released`: the import holds the clock,
    and `held` says that it stays held, since the last of them held it.
    """

    done: int
    sent: int
    moved: int
    left_out: int
    held: bool = False
    finished: bool = False


def export_log(
    kafka: Where,
    log: Log,
    *,
    name: str = "embedded",
    report: Callable[[Progress], None] | None = None,
    application: str = APPLICATION,
) -> Progress:
    """Put the inputs of an embedded log on Kafka in its order of record."""
    return import_history(kafka, of_log(log), name=name, report=report, application=application)


def import_history(
    kafka: Where,
    history: Iterable[Past],
    *,
    name: str,
    report: Callable[[Progress], None] | None = None,
    application: str = APPLICATION,
    step_records: int = STEP_RECORDS,
    seconds: float = 60.0,
) -> Progress:
    """Put a history on the log with the clock held around it; call it again after a failure.

    It has to be the same history under the same `name` each time. A finished import is answered
    with what it was. Topics that hold anything else are refused: what is recorded already would
    be later than all of the history.
    """
    return _Import(kafka, name, report, step_records, seconds, application).run(history)


class _Import:
    def __init__(
        self,
        kafka: Where,
        name: str,
        report: Callable[[Progress], None] | None,
        step_records: int,
        seconds: float,
        application: str,
    ) -> None:
        self._kafka = connection(kafka)
        self._admin = self._kafka.admin()
        self._application = application
        self._name = name
        self._report = report
        self._step_records = step_records
        self._seconds = seconds
        # opening it aborts what a run that died has left open: the position below is stable
        self._writer = CatalogWriter(kafka, seconds=seconds)
        self._stamps = [Stamps() for _ in range(self._writer.partitions)]
        self._left_out = 0
        self._held = False
        self._sent = 0
        self._finished = False

    def run(self, history: Iterable[Past]) -> Progress:
        done, finished = self._position()
        self._finished = finished
        if done is None:
            self._refuse_used()
        facts = enumerate(history, 1)
        first = next(facts, None)
        if first is None:
            raise BrokerProblem(f"the history {self._name} is empty; name one that has facts")
        held = self._everywhere(self._clock("held", _HELD, first[1].time), first[1].time)
        if done is None:
            self._write(held, 0)
        number, at = self._facts(itertools.chain([first], facts), done or 0)
        if number < (done or 0) or (finished and number != done):
            raise BrokerProblem(
                f"the import {self._name} has put {done} facts on the log, and this history has "
                f"{number}; go on with the history that it began with"
            )
        if not finished:
            # either way each partition comes to the history's last time
            last = (
                self._clock("kept", _HELD, at)
                if self._held
                else self._clock("released", _RELEASED, at)
            )
            self._write(self._everywhere(last, at), number, finished=True)
        return self._tell(number, finished=True)

    def _facts(self, facts: Iterator[tuple[int, Past]], done: int) -> tuple[int, int]:
        """Send what is not done, step by step; how many facts there are, and when the last was."""
        step: list[Placed] = []
        number = at = 0
        for number, past in facts:
            at = past.time
            placed = self._placed(past)  # what is done has its stamps all the same
            if number > done and not self._finished:
                step += placed
                self._sent += 1
                if len(step) >= self._step_records:
                    self._write(step, number)
                    step = []
        if step:
            self._write(step, number)
        return number, at

    def _placed(self, past: Past) -> list[Placed]:
        """The record on its partition, or on all where it is about the catalog."""
        envelope = _envelope(past)
        if envelope is not None and envelope.type in {_HELD, _RELEASED}:
            self._left_out += 1
            self._held = envelope.type == _HELD
            return []
        if envelope is not None and envelope.type in CATALOG_TYPES:
            return self._everywhere(past, past.time)
        count = self._writer.partitions
        partition = partition_of(past.key, count) if past.key else 0
        return [self._on(partition, past, past.time)]

    def _everywhere(self, past: Past, at: int) -> list[Placed]:
        return [self._on(partition, past, at) for partition in range(self._writer.partitions)]

    def _on(self, partition: int, past: Past, at: int) -> Placed:
        stamp = self._stamps[partition].at(in_milliseconds(at), RANK[past.topic])
        return Placed(past.topic, partition, stamp, past.key, past.value, past.headers)

    def _clock(self, verb: str, type_: str, at: int) -> Past:
        envelope = Envelope(f"{self._name}/{verb}", SOURCE, type_, None, at, {})
        placed = on_every_partition(envelope, 1)[0]
        return Past(COMMANDS.name, at, placed.key, placed.value, placed.headers)

    def _write(self, step: list[Placed], done: int, *, finished: bool = False) -> None:
        self._refuse_workers()
        ahead = max(record.timestamp for record in step) - wall_ms()
        if ahead > 0:  # a record of the future would be cut to the clock, and change its place
            if ahead > self._seconds * 1_000:
                raise BrokerProblem(
                    f"a fact of the history {self._name} was recorded {ahead / 1_000:.0f} s in the "
                    "future; correct its recordedtime, or this host's clock"
                )
            time.sleep(ahead / 1_000)
        self._writer.write(step, [self._mark(done, finished=finished)], self._group)
        if not finished:
            self._tell(done, finished=False)

    def _tell(self, done: int, *, finished: bool) -> Progress:
        moved = sum(stamps.moved for stamps in self._stamps)
        progress = Progress(done, self._sent, moved, self._left_out, self._held, finished)
        if self._report is not None:
            self._report(progress)
        return progress

    # How far it is stands as an offset of a group of its own, in the same transactions.

    @property
    def _group(self) -> str:
        return f"creditfold-import-{self._name}"

    def _mark(self, done: int, *, finished: bool) -> TopicPartition:
        return TopicPartition(COMMANDS.name, 0, done, _FINISHED if finished else "")

    def _position(self) -> tuple[int | None, bool]:
        """How many facts are done, None before the first step, and whether that is all."""
        try:
            with self._kafka.consumer(self._group) as member:
                place = TopicPartition(COMMANDS.name, 0)
                found = patiently(
                    lambda: member.committed([place], timeout=self._seconds)[0], self._seconds
                )
        except KafkaException as problem:
            raise explained("reading how far it is", self._kafka.bootstrap, problem) from problem
        return (found.offset if found.offset >= 0 else None), found.metadata == _FINISHED

    def _refuse_workers(self) -> None:
        """Commits show on one topic before another: a worker could fold usage before its grant."""
        try:
            members = patiently(self._members, self._seconds)
        except KafkaException as problem:
            if error_of(problem).code() == KafkaError.GROUP_ID_NOT_FOUND:
                return
            raise explained("looking for workers", self._kafka.bootstrap, problem) from problem
        if members:
            raise BrokerProblem(
                f"{members} workers of {self._application} are running, and could fold parts of a "
                "step out of order; stop them, import, then start them again"
            )

    def _members(self) -> int:
        answers = self._admin.describe_consumer_groups(
            [self._application], request_timeout=self._seconds
        )
        return len(answers[self._application].result().members)

    def _refuse_used(self) -> None:
        used = in_use(self._kafka, self._writer.partitions, self._seconds)
        if used:
            raise BrokerProblem(
                f"{', '.join(used)} hold records already, and history cannot be put before them; "
                "import into fresh topics, or name the import that this goes on with"
            )


def _envelope(past: Past) -> Envelope | None:
    try:
        return read_record(past.key, past.value, past.headers)
    except Undecodable:
        return None  # it becomes a dead letter there as it did here
