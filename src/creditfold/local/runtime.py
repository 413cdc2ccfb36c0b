"""Appending facts to the local log and folding them, one synced write to each."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import msgspec

from creditfold.contract.partitions import ONLY
from creditfold.contract.topics import INPUTS, RANK
from creditfold.local.database import Database, StorageError
from creditfold.local.store import UNREADABLE, LocalStore
from creditfold.log.order import ordered
from creditfold.log.records import Headers, Record
from creditfold.partition.position import Position
from creditfold.partition.step import Batch, Partition

BATCH_RECORDS_MAX = 2_000
DUE_MAX = 2_000

_POSITION = b"m/position"

_encoder = msgspec.msgpack.Encoder()
_stored = msgspec.msgpack.Decoder(tuple[int, bytes | None, bytes | None, Headers])
_positions = msgspec.msgpack.Decoder(Position)


class Input(NamedTuple):
    """A record to append; `timestamp` is its record time in microseconds."""

    topic: str
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers


class LocalLog:
    """Topics of one partition each, in a database."""

    partition, partitions = ONLY

    def __init__(self, database: Database) -> None:
        self._database = database
        self._ends: dict[str, int] = {}

    def end(self, topic: str) -> int:
        """The offset that the topic's next record will get."""
        if topic not in self._ends:
            last = self._database.last(_prefix(topic))
            self._ends[topic] = 0 if last is None else int.from_bytes(last, "big") + 1
        return self._ends[topic]

    def read(self, topic: str, start: int = 0) -> Iterator[Record]:
        """The records of a topic from an offset on."""
        for key, value in self._database.scan(_prefix(topic), start.to_bytes(8, "big")):
            offset = int.from_bytes(key, "big")
            try:
                timestamp, record_key, record_value, headers = _stored.decode(value)
            except UNREADABLE as error:
                raise self._database.damaged(f"{topic} at offset {offset}: {error}") from error
            yield Record(
                topic, self.partition, offset, timestamp, record_key, record_value, headers
            )

    def writes(self, inputs: Sequence[Input]) -> dict[bytes, bytes | None]:
        """What appending these writes; `appended` follows once it is written."""
        ends: dict[str, int] = {}
        writes: dict[bytes, bytes | None] = {}
        for topic, *stored in inputs:
            offset = ends.get(topic, self.end(topic))
            ends[topic] = offset + 1
            writes[_prefix(topic) + offset.to_bytes(8, "big")] = _encoder.encode(stored)
        return writes

    def appended(self, inputs: Sequence[Input]) -> None:
        """The writes are on disk."""
        for record in inputs:
            self._ends[record.topic] = self.end(record.topic) + 1


def _prefix(topic: str) -> bytes:
    return b"l/" + topic.encode() + b"\0"


class LocalRuntime:
    """The log, the state and the fold of one directory. One process at a time may write.

    `clock` gives the wall clock in microseconds. A kill at any moment leaves a step whole or
    not begun; what `append` has returned from is never lost.
    """

    def __init__(
        self, directory: Path, clock: Callable[[], int], *, read_only: bool = False
    ) -> None:
        self._clock = clock
        self._whole = True
        self._database = Database(directory, read_only=read_only)
        with ExitStack() as failing:
            failing.push(self._database)
            self.log = LocalLog(self._database)
            self.store = LocalStore(self._database)
            self.partition = Partition(self.store, ONLY, self._position())
            failing.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._database.__exit__(kind, error, trace)

    def append(self, inputs: Sequence[Input]) -> None:
        """Put facts on the log: all of them or, where this raises, none."""
        self._begin()
        self._database.write(self.log.writes(inputs))
        self.log.appended(inputs)
        self._whole = True

    def run(self) -> Iterator[Batch]:
        """Fold what is unread, then what the clock has made due, batch by batch."""
        while (batch := self.step()) is not None:
            yield batch

    def step(self) -> Batch | None:
        """Fold one batch and write it, or None where there is nothing to do.

        Once all is read the wall clock moves the log on, unless an import holds it.
        """
        self._refuse_unless_whole()
        position = self.partition.position
        ceiling = max(self._clock(), position.now)
        queues = self._unread()
        order = ordered(queues, RANK, position.now, ceiling)
        records = list(itertools.islice(order, BATCH_RECORDS_MAX))
        if not records and not self.partition.due(ceiling):
            return None
        self._begin()
        caught_up = sum(map(len, queues.values())) < BATCH_RECORDS_MAX
        batch = self.partition.fold(records, ceiling, caught_up=caught_up, due_max=DUE_MAX)
        outputs = [
            Input(
                output.topic,
                batch.position.now if output.timestamp is None else output.timestamp,
                output.key,
                output.value,
                output.headers,
            )
            for output in batch.outputs
        ]
        writes = self.store.writes() | self.log.writes(outputs)
        self._database.write(writes | {_POSITION: _encoder.encode(batch.position)})
        self.store.written()
        self.log.appended(outputs)
        self._whole = True
        return batch

    def _begin(self) -> None:
        """Whatever ends a write early leaves a state in memory that is not the one on disk."""
        self._refuse_unless_whole()
        self._whole = False

    def _refuse_unless_whole(self) -> None:
        if not self._whole:
            raise StorageError(
                f"an earlier write to {self._database.directory} failed: open it again; what was "
                "acknowledged is safe"
            )

    def _position(self) -> Position:
        data = self._database.get(_POSITION)
        try:
            return Position() if data is None else _positions.decode(data)
        except UNREADABLE as error:
            raise self._database.damaged(f"the position: {error}") from error

    def _unread(self) -> dict[str, list[Record]]:
        """The next records of each input topic, up to a batch's worth."""
        offsets = self.partition.position.offsets
        return {
            topic: list(
                itertools.islice(self.log.read(topic, offsets.get(topic, 0)), BATCH_RECORDS_MAX)
            )
            for topic in (each.name for each in INPUTS)
        }
