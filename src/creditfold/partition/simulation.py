"""The fold in memory, fact by fact in arrival order: rules are tried and outsiders check us by it.

There is no wall clock: the log moves with the facts, and with `sweep`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from creditfold.contract.decode import INPUTS as INPUT_TYPES
from creditfold.contract.encode import snapshot_line, structured
from creditfold.contract.envelope import Envelope, read_event, write_binary
from creditfold.contract.exact_json import dump, parse
from creditfold.contract.instants import parse_instant
from creditfold.contract.partitions import ONLY
from creditfold.contract.topics import COMMANDS, TRANSFERS, topic_of
from creditfold.log.records import Output, Record
from creditfold.partition.position import Position
from creditfold.partition.snapshot import snapshot
from creditfold.partition.step import Partition
from creditfold.partition.store import MemoryStore

_NO_LIMIT = 2**62


class Simulation:
    """One partition in memory."""

    def __init__(self) -> None:
        self._store = MemoryStore()
        self._partition = Partition(self._store, ONLY, Position())
        self._ends: dict[str, int] = {}

    @property
    def now(self) -> int:
        """The log's time, in microseconds."""
        return self._partition.position.now

    def fold(self, envelope: Envelope) -> tuple[Output, ...]:
        """The records that the fact causes, a header first; its record time never goes back."""
        topic = _home(envelope.type)
        offset = self._ends.get(topic, 0)
        self._ends[topic] = offset + 1
        record = record_of(envelope, offset)
        now = max(self.now, record.timestamp)
        return self._told(self._partition.refold([(record, now)], now, _NO_LIMIT).outputs)

    def _told(self, outputs: tuple[Output, ...]) -> tuple[Output, ...]:
        """The outputs, with those of what they tell other customers."""
        for output in outputs:
            if output.topic == TRANSFERS.name:
                offset = self._ends.get(output.topic, 0)
                self._ends[output.topic] = offset + 1
                key, value, headers = output.key, output.value, output.headers
                record = Record(output.topic, 0, offset, self.now, key, value, headers)
                told = self._partition.refold([(record, self.now)], self.now, _NO_LIMIT).outputs
                outputs += self._told(told)
        return outputs

    def advance(self, now: int) -> tuple[Output, ...]:
        """The records of what is due by `now`, where anything is."""
        assert now >= self.now, "the log's time never goes back"
        outputs: list[Output] = []
        while self._due(now):
            outputs += self._partition.refold([], now, _NO_LIMIT).outputs
        return tuple(outputs)

    def _due(self, now: int) -> bool:
        first = self._partition.next_due()
        return first is not None and first <= now

    def balances(self, at: int) -> Iterator[bytes]:
        """One snapshot a customer, as lines; what is due by `at` must have been folded."""
        assert not self._due(at), "fold what is due first: advance"
        for customer in self._store.accounts():
            balance = snapshot(self._store, self._partition.catalog, customer, at)
            assert balance is not None
            yield snapshot_line(customer, balance)

    # The same with structured events as dictionaries, as a test or a notebook holds them.

    def feed(self, event: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The records that the fact causes."""
        return _events(self.fold(read_event(parse(dump(event)))))

    def sweep(self, at: str) -> list[dict[str, Any]]:
        """The records of what is due by the RFC 3339 instant."""
        return _events(self.advance(parse_instant(at)))

    def snapshots(self, at: str) -> list[dict[str, Any]]:
        """One balance snapshot a customer."""
        return [msgspec.json.decode(line) for line in self.balances(parse_instant(at))]


def record_of(envelope: Envelope, offset: int) -> Record:
    """The fact as a record of its topic, recorded when it says so, else as it happened."""
    recorded = envelope.time if envelope.recordedtime is None else envelope.recordedtime
    return Record(_home(envelope.type), 0, offset, recorded, *write_binary(envelope))


def _home(type_: str) -> str:
    """The topic of a type; one that nobody knows is refused wherever it comes."""
    return (topic_of(type_) if type_ in INPUT_TYPES else COMMANDS).name


def _events(outputs: tuple[Output, ...]) -> list[dict[str, Any]]:
    return [msgspec.json.decode(structured(output)) for output in outputs]
