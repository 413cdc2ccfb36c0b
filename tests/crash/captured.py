"""What a campaign reads of a log, folded here in memory: for tests that spoil it."""

from __future__ import annotations

import itertools
import json

from kafka_fixtures import BEGIN

from crash.books import INPUTS, LEDGER, TOLD, Judge, Record, Verdict, utc
from creditfold.contract.encode import snapshot_line
from creditfold.contract.envelope import write_binary
from creditfold.contract.partitions import ONLY
from creditfold.contract.topics import RANK, topic_of
from creditfold.log.order import ordered
from creditfold.log.records import Record as Input
from creditfold.partition.position import Position
from creditfold.partition.snapshot import balance_at
from creditfold.partition.step import Partition
from creditfold.partition.store import MemoryStore
from partition.batches import NO_LIMIT

CUT = 40


class Captured:
    """A log of one partition as a campaign reads it, and what its worker would answer."""

    def __init__(self, kind, catalog, count) -> None:
        times = itertools.count(BEGIN, 10_000)
        made = kind(3, 10, lambda: next(times))
        facts = [*catalog(BEGIN), *made.opening(), *made.facts(count)]
        times = itertools.count(made.quiet_at, 1_500)
        facts += made.closing()
        self.sent = [(each.subject, each.id) for each in facts if each.subject]
        self.now = next(times)
        self.inputs: list[Record] = []
        queues: dict[str, list[Input]] = {topic: [] for topic in INPUTS}
        for each in facts:
            topic = topic_of(each.type).name
            queues[topic].append(self._input(topic, each.recordedtime, *write_binary(each)))
        self._fold(list(ordered(queues, RANK, 0, self.now)), made.customers)

    def _input(self, topic, at, key, value, headers):
        offset = sum(each.topic == topic for each in self.inputs)
        self.inputs.append(Record(topic, offset, key, value, dict(headers)))
        return Input(topic, 0, offset, at, key, value, headers)

    def _fold(self, order, customers):
        store, outputs = MemoryStore(), []
        partition = Partition(store, ONLY, Position())
        for begin in range(0, len(order), CUT):
            piece = order[begin : begin + CUT]
            while piece:
                now = piece[-1][1]
                batch = partition.fold(piece, now, caught_up=False, due_max=NO_LIMIT)
                outputs += batch.outputs
                told = [each for each in batch.outputs if each.topic in INPUTS]
                piece = [(self._input(each.topic, now, *each[1:4]), now) for each in told]
        outputs += partition.fold([], self.now, caught_up=True, due_max=NO_LIMIT).outputs
        offsets = {topic: itertools.count() for topic in {each.topic for each in outputs}}
        records = [
            Record(each.topic, next(offsets[each.topic]), each.key, each.value, dict(each.headers))
            for each in outputs
        ]
        self.ledger = [each for each in records if each.topic == LEDGER]
        self.told = [each for each in records if each.topic in TOLD]
        self.snapshots = {}
        for customer in customers:
            line = snapshot_line(customer, balance_at(store, partition.catalog, customer, self.now))
            self.snapshots[customer] = json.loads(line)["data"]

    def copy(self) -> Captured:
        """One that a test may spoil."""
        copy = object.__new__(Captured)
        copy.__dict__ = {
            name: value.copy() if isinstance(value, (list, dict)) else value
            for name, value in vars(self).items()
        }
        return copy

    def judge(self, judge: Judge) -> Verdict:
        judge.partition(self.inputs, self.ledger, self.told)
        judge.sent(self.sent)
        judge.customers(self.snapshots, utc(self.now))
        return judge.verdict
