"""What must hold after a kill: nothing lost or doubled, and the books of a run without one."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from crash.workload import Chunk
from creditfold.audit import chain, replay
from creditfold.local.runtime import Input, LocalRuntime
from creditfold.log.records import Output
from creditfold.partition.step import Partition
from local.desk import Clock, written
from partition.batches import fresh, numbered

NO_LIMIT = 2**62
LEDGER, REVENUE = "creditfold.ledger.v1", "creditfold.revenue.v1"
Identity = tuple[str, str, str]


class Verdict(NamedTuple):
    """How many facts have their outcome, and how many duplicates were named."""

    facts: int
    duplicates: int


class Expected:
    """An uninterrupted run in memory, each chunk a batch at its own time."""

    def __init__(self, sent: Sequence[Chunk]) -> None:
        partition: Partition = fresh()
        outputs: list[Output] = []
        ends: dict[str, int] = {}
        for chunk in sent:
            chunk_records = []
            for record, _ in numbered(in_order(chunk)):
                offset = ends.get(record.topic, 0)
                ends[record.topic] = offset + 1
                now = max(partition.position.now, min(record.timestamp, chunk.now))
                chunk_records.append((record._replace(offset=offset), now))
            batch = partition.fold(chunk_records, chunk.now, caught_up=True, due_max=NO_LIMIT)
            outputs += batch.outputs
        self.heads, self.postings, self.balances = books(outputs)


def in_order(chunk: Chunk) -> list[Input]:
    """As a batch takes them: by time, then topic."""
    rank = ["creditfold.commands.v1", "creditfold.invoices.v1", "creditfold.usage.v1"]
    return sorted(chunk.inputs, key=lambda each: (each.timestamp, rank.index(each.topic)))


def books(outputs: Iterable[Output]) -> tuple[dict[str, str], list[object], dict[str, object]]:
    """The chain heads, the postings in the order of their ids, and the last balances."""
    heads: dict[str, str] = {}
    balances: dict[str, object] = {}
    postings = []
    for output in outputs:
        data = json.loads(output.value)
        if output.topic == REVENUE:
            postings.append(data)
        elif data.get("status") == "applied":
            heads[data.get("customer", "")] = data["hash"]
            balances[data.get("customer", "")] = data.get("balances")
    return heads, sorted(postings, key=lambda p: p["posting"]), balances


def judge(
    directory: Path, sent: Sequence[Chunk], acknowledged: int, expected: Expected | None = None
) -> Verdict:
    """Look at the log as the next process would find it; it is not folded on."""
    with LocalRuntime(directory, Clock(), read_only=True) as runtime:
        report, chains = replay.verify(runtime.log), chain.check(runtime.log)
        stored = Counter(
            (record.key or b"", *identity(record.headers))
            for topic in ("commands", "invoices", "usage")
            for record in runtime.log.read(f"creditfold.{topic}.v1")
        )
        outputs = [each for topic in written(runtime.log).values() for each in topic]
    assert 0 == report.differences, report.first
    assert [] == chains.findings
    asked = Counter(
        (each.key or b"", *identity(each.headers))
        for chunk in sent[: acknowledged + 1]
        for each in chunk.inputs
    )
    lost = asked - stored
    assert not lost, f"acknowledged and gone: {list(lost)[:3]}"
    if expected is None:
        return Verdict(0, 0)
    assert 0 == report.waiting
    first: Counter[Identity] = Counter()
    duplicates = 0
    for output in outputs:
        data = json.loads(output.value)
        if output.topic != LEDGER or "source" not in data.get("cause", {}):
            continue
        if data["status"] == "duplicate":
            duplicates += 1
        elif data["status"] == "applied":
            first[data.get("customer", ""), data["cause"]["source"], data["cause"]["id"]] += 1
    assert set(first.values()) <= {1}, "a fact was applied twice"
    heads, postings, balances = books(outputs)
    assert expected.heads == heads
    assert expected.postings == postings
    assert expected.balances == balances
    ids = [posting["posting"] for posting in postings]
    assert len(set(ids)) == len(ids)
    return Verdict(len(first), duplicates)


def identity(headers: Iterable[tuple[str, bytes]]) -> tuple[str, str]:
    """(source, id) of an input."""
    found = dict(headers)
    return found["ce_source"].decode(), found["ce_id"].decode()
