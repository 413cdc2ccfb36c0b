"""A customer's balances as of an instant: now, as it was, or as it will be if nothing happens."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import msgspec

from creditfold.contract.instants import parse_instant
from creditfold.contract.partitions import ONLY
from creditfold.contract.snapshots import Snapshot
from creditfold.contract.topics import INPUTS, LEDGER, RANK, event_type
from creditfold.local.runtime import LocalRuntime
from creditfold.log.order import ordered
from creditfold.log.records import Record
from creditfold.partition.position import Position
from creditfold.partition.snapshot import balance_at
from creditfold.partition.step import Partition
from creditfold.partition.store import MemoryStore

_BATCH = event_type("ledger.batch").encode()


def balance(runtime: LocalRuntime, customer: str, at: int | None = None) -> Snapshot | None:
    """The snapshot, or None for a customer that does not exist then.

    Without an instant it is as of the log's time. An earlier one is found by folding the
    customer's facts again; a later one by what falls due until then. Nothing is written.
    """
    now = runtime.partition.position.now
    if at is None or at >= now:
        until = now if at is None else at
        return balance_at(runtime.store, runtime.partition.catalog, customer, until)
    store = MemoryStore()
    partition = Partition(store, ONLY, Position())
    for record, time in _facts(runtime, customer, at):
        partition.refold([(record, time)], time, 0)
    return balance_at(store, partition.catalog, customer, at)


def _facts(runtime: LocalRuntime, customer: str, at: int) -> Iterator[tuple[Record, int]]:
    """The catalog's and the customer's facts that were recorded by `at`, in the log's order."""
    inputs = {topic.name: runtime.log.read(topic.name) for topic in INPUTS}
    before = 0
    wanted = (None, customer.encode())
    for header in runtime.log.read(LEDGER.name):
        if dict(header.headers).get("ce_type") != _BATCH:
            continue
        data = msgspec.json.decode(header.value or b"")
        now = parse_instant(data["now"])
        queues = {
            topic: list(itertools.islice(inputs[topic], count)) for topic, _, _, count in data["in"]
        }
        for record, time in ordered(queues, RANK, before, now):
            if time > at:
                return
            if record.key in wanted:
                yield record, time
        before = now
