"""Replay: fold the inputs again along the batch headers and compare every byte that was sent."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Annotated, Protocol

import msgspec
from msgspec import Meta, Struct

from creditfold.audit import following
from creditfold.audit.following import Following, followed
from creditfold.contract.instants import BadTimeError, parse_instant
from creditfold.contract.outputs import Version
from creditfold.contract.partitions import Home
from creditfold.contract.topics import (
    DEAD_LETTERS,
    INPUTS,
    LEDGER,
    NOTICES,
    RANK,
    REVENUE,
    TRANSFERS,
    event_type,
)
from creditfold.core.fold import BEHAVIOUR
from creditfold.log.order import ordered
from creditfold.log.records import Headers, Output, Record
from creditfold.partition.position import Position
from creditfold.partition.step import Partition
from creditfold.partition.store import MemoryStore

_INT_MAX = 2**63 - 1
_Offset = Annotated[int, Meta(ge=0, le=_INT_MAX)]
_Count = Annotated[int, Meta(ge=1, le=_INT_MAX)]

OUTPUTS = (LEDGER.name, REVENUE.name, NOTICES.name, DEAD_LETTERS.name)


class Log(following.Log, Protocol):
    """One partition of a recorded log."""

    @property
    def partition(self) -> int:
        """Its number; headers and causes name it."""

    @property
    def partitions(self) -> int:
        """Of how many it is one: a customer's record on another than its own is a dead letter."""


class FoldedBy(Struct, frozen=True):
    """The behaviour and the tz database that made a batch."""

    behaviour: int
    tz: str


class Header(Struct, frozen=True, rename={"in_": "in"}):
    """What a replay needs of a batch header."""

    now: str
    code: FoldedBy
    in_: list[tuple[str, _Offset, _Offset, _Count]]
    due: _Offset


_headers = msgspec.json.Decoder(Header)
_HEADER = event_type("ledger.batch").encode()


class Difference(Struct, frozen=True):
    """Where the log and its replay part; a side of None has no record there."""

    topic: str
    offset: int | None
    why: str
    stored: str | None = None
    replayed: str | None = None


class Report(Struct):
    """What was folded again and compared. `waiting` inputs are not in any batch yet."""

    batches: int = 0
    inputs: int = 0
    waiting: int = 0
    compared: dict[str, int] = {}
    differences: int = 0
    first: Difference | None = None

    def differ(self, difference: Difference) -> None:
        """Count a difference; the first is kept whole."""
        self.differences += 1
        if self.first is None:
            self.first = difference


class BrokenLogError(Exception):
    """The log cannot be followed further than here."""

    def __init__(self, difference: Difference) -> None:
        super().__init__(difference.why)
        self.difference = difference


def verify(log: Log) -> Report:
    """Replay the partition from its beginning. It agrees where `differences` is 0."""
    return _Replay(log).run()


class Recorded:
    """The inputs that a partition folded, in that order, each with the log's time at it.

    `now` is the log's time as far as it was read.
    """

    def __init__(self, log: Log) -> None:
        self._log = log
        self.now = 0

    def __iter__(self) -> Iterator[tuple[Record, int]]:
        inputs = {topic.name: Following(self._log, topic.name) for topic in INPUTS}
        for header in self._log.read(LEDGER.name):
            if dict(header.headers).get("ce_type") != _HEADER:
                continue
            data = _read_header(header)
            queues = {
                topic: list(itertools.islice(inputs[topic], count)) for topic, *_, count in data.in_
            }
            end = parse_instant(data.now)
            yield from ordered(queues, RANK, self.now, end)
            self.now = end


class _Replay:
    def __init__(self, log: Log) -> None:
        self._stored = {topic: Following(log, topic) for topic in OUTPUTS}
        self._inputs = {topic.name: Following(log, topic.name) for topic in INPUTS}
        self._partition = Partition(MemoryStore(), Home(log.partition, log.partitions), Position())
        self.report = Report(compared=dict.fromkeys(OUTPUTS, 0))

    def run(self) -> Report:
        try:
            for header in followed(self._stored[LEDGER.name], self._stored.values()):
                self._batch(header)
            self._rest()
        except BrokenLogError as broken:
            self.report.differ(broken.difference)
        return self.report

    def _batch(self, header: Record) -> None:
        data = _read_header(header)
        records = list(self._records(header, data.in_))
        position = self._partition.position
        try:
            now = parse_instant(data.now)
        except BadTimeError as error:
            raise _unfoldable(header, error) from error
        if now < position.now:
            raise BrokenLogError(
                Difference(header.topic, header.offset, "the log's time goes back")
            )
        queues: dict[str, list[Record]] = {}
        for record in records:
            queues.setdefault(record.topic, []).append(record)
        order = list(ordered(queues, RANK, position.now, now))
        try:
            code = Version(behaviour=data.code.behaviour, tz=data.code.tz)
            batch = self._partition.refold(order, now, data.due, code)
        except Exception as error:  # only a log that was tampered with leads the fold astray
            raise _unfoldable(header, error) from error
        self.report.batches += 1
        self.report.inputs += len(records)
        self._compare(batch.outputs[0], header)
        for output in batch.outputs[1:]:
            if output.topic == TRANSFERS.name:
                continue  # an input of where its customer lives; the outcome holds its content
            self._compare(output, next(self._stored[output.topic], None))

    def _records(self, header: Record, ranges: list[tuple[str, int, int, int]]) -> Iterator[Record]:
        offsets = self._partition.position.offsets
        for topic, start, end, count in ranges:
            where = f"batch header at {header.offset}: {topic} [{start}, {end})"
            if topic not in self._inputs or start != offsets.get(topic, 0):
                why = f"{where} does not join the batch before, which ended at "
                raise BrokenLogError(
                    Difference(header.topic, header.offset, f"{why}{offsets.get(topic, 0)}")
                )
            taken = list(itertools.islice(self._inputs[topic], count))
            if len(taken) < count or taken[-1].offset != end - 1:
                why = f"{where} names {count} records, and the topic does not hold them"
                raise BrokenLogError(Difference(topic, start, why))
            yield from taken

    def _compare(self, output: Output, record: Record | None) -> None:
        self.report.compared[output.topic] += 1
        if record is None:
            self.report.differ(
                Difference(output.topic, None, "the record is missing", None, _shown(output.value))
            )
        elif output[1:4] != (record.key, record.value, record.headers):
            self.report.differ(
                Difference(
                    output.topic,
                    record.offset,
                    "the record differs",
                    _shown_all(record.key, record.value, record.headers),
                    _shown_all(output.key, output.value, output.headers),
                )
            )

    def _rest(self) -> None:
        for topic, records in self._stored.items():
            for record in records.rest():
                self.report.differ(
                    Difference(
                        topic, record.offset, "no input makes this record", _shown(record.value)
                    )
                )
        self.report.waiting = sum(sum(1 for _ in each.rest()) for each in self._inputs.values())


def _read_header(record: Record) -> Header:
    if dict(record.headers).get("ce_type") != _HEADER:
        raise BrokenLogError(
            Difference(record.topic, record.offset, "a batch header should stand here")
        )
    try:
        header = _headers.decode(record.value or b"")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BrokenLogError(
            Difference(record.topic, record.offset, f"the batch header cannot be read: {error}")
        ) from error
    if header.code.behaviour != BEHAVIOUR:
        why = f"made by behaviour {header.code.behaviour}, this version knows {BEHAVIOUR}"
        raise BrokenLogError(Difference(record.topic, record.offset, why))
    return header


def _unfoldable(header: Record, error: Exception) -> BrokenLogError:
    said = str(error) or type(error).__name__
    return BrokenLogError(
        Difference(header.topic, header.offset, f"the batch cannot be folded: {said}")
    )


def _shown(value: bytes | None) -> str:
    return "" if value is None else value.decode(errors="backslashreplace")


def _shown_all(key: bytes | None, value: bytes | None, headers: Headers) -> str:
    lines = [f"key {_shown(key)}", *(f"{name} {_shown(text)}" for name, text in headers)]
    return "\n".join([*lines, _shown(value)])
