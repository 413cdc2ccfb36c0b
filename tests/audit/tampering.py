"""A small recorded log in memory, the same as it lies on disk, and ways to tamper with it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from creditfold.audit import chain, replay
from creditfold.contract.partitions import ONLY
from creditfold.contract.topics import TOPICS
from creditfold.local.runtime import LocalRuntime
from creditfold.log.records import Record
from local.desk import Clock, filled


class Recorded:
    """A log of records in memory."""

    partition, partitions = ONLY

    def __init__(self, records: Iterable[Record]) -> None:
        self.records = list(records)

    def read(self, topic: str, start: int = 0) -> Iterator[Record]:
        """The records of a topic from an offset on."""
        return (r for r in self.records if r.topic == topic and r.offset >= start)


class Verdict(NamedTuple):
    """How many faults each of the two audits finds."""

    replay: int
    chain: int


def verdict(log: Recorded) -> Verdict:
    """Both audits of a log; neither raises."""
    return Verdict(replay.verify(log).differences, len(chain.check(log).findings))


@cache
def untouched() -> tuple[Record, ...]:
    """All records of the small history: inputs, ledger, postings, notices and dead letters."""
    with TemporaryDirectory() as directory:
        filled(Path(directory) / "data")
        with LocalRuntime(Path(directory) / "data", Clock(), read_only=True) as runtime:
            return tuple(r for topic in TOPICS for r in runtime.log.read(topic.name))


def kind(record: Record) -> str:
    """The event type of a record, or its topic where it has none."""
    return dict(record.headers).get("ce_type", record.topic.encode()).decode()


def name(record: Record) -> str:
    """How a test calls it."""
    return (
        f"{kind(record).removeprefix('creditfold.')}@{record.topic.split('.')[1]}/{record.offset}"
    )


def changed(record: Record, value: bytes | None) -> Recorded:
    """The log with one record's value replaced."""
    return Recorded(r._replace(value=value) if r == record else r for r in untouched())


def digits(value: bytes) -> list[int]:
    """Where its digits are; of bytes without any, where its bytes are."""
    return [m.start() for m in re.finditer(rb"[0-9]", value)] or list(range(len(value)))


def turned(value: bytes, place: int) -> bytes:
    """One digit raised by one, or one byte turned by one bit."""
    byte = value[place : place + 1]
    new = b"%d" % ((int(byte) + 1) % 10) if byte.isdigit() else bytes([byte[0] ^ 1])
    return value[:place] + new + value[place + 1 :]
