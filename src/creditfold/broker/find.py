"""What became of an event on Kafka: its records, its outcomes and their postings and notices."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import msgspec
from msgspec import Struct

from creditfold.broker.connection import Where, connection
from creditfold.broker.kafka_log import KafkaLog
from creditfold.broker.plan import count_of
from creditfold.contract.envelope import Undecodable, read_record
from creditfold.contract.partitions import partition_of
from creditfold.contract.topics import INPUTS, LEDGER, NOTICES, REVENUE
from creditfold.log.records import Record

FOUND_MAX: Final = 1_000
_READERS: Final = 4
_LOOK_EVERY: Final = 1_000


class Found(Struct):
    """All that was found, in the order of its partition.

    `changes` are outcomes of other facts that name it as usage. `complete` is False where time or
    room ran out: there may be more. `scanned` counts records.
    """

    inputs: list[Record] = msgspec.field(default_factory=list)
    outcomes: list[Record] = msgspec.field(default_factory=list)
    changes: list[Record] = msgspec.field(default_factory=list)
    postings: list[Record] = msgspec.field(default_factory=list)
    notices: list[Record] = msgspec.field(default_factory=list)
    partitions: tuple[int, ...] = ()
    scanned: int = 0
    complete: bool = True

    def add(self, other: Found) -> None:
        """Take over what another partition has."""
        self.inputs += other.inputs
        self.outcomes += other.outcomes
        self.changes += other.changes
        self.postings += other.postings
        self.notices += other.notices
        self.scanned += other.scanned
        self.complete = self.complete and other.complete


def find(
    kafka: Where,
    event: str,
    *,
    source: str | None = None,
    customer: str | None = None,
    seconds: float = 60.0,
) -> Found:
    """Read the log for an event's id: the customer's partition where one is named, else all.

    It is a scan, and ends after `seconds` with what it has. A projection answers this by an index.
    """
    to = connection(kafka)
    count = count_of(to.metadata(), to.bootstrap)
    partitions = (
        tuple(range(count)) if customer is None else (partition_of(customer.encode(), count),)
    )
    deadline = time.monotonic() + seconds
    found = Found(partitions=partitions)
    with ThreadPoolExecutor(min(_READERS, len(partitions))) as readers:
        scans = [_Scan(KafkaLog(to, p), event, source, deadline) for p in partitions]
        for part in readers.map(_Scan.run, scans):
            found.add(part)
    return found


class _Scan:
    """One partition, read topic by topic."""

    def __init__(self, log: KafkaLog, event: str, source: str | None, deadline: float) -> None:
        self._log = log
        self._event = event
        self._source = source
        self._deadline = deadline
        # as it stands in JSON: whatever does not hold these bytes need not be parsed
        self._hints = {
            event.encode(),
            json.dumps(event)[1:-1].encode(),
            json.dumps(event, ensure_ascii=False)[1:-1].encode(),
        }
        self._found = Found()
        self._places: set[tuple[str, int]] = set()

    def run(self) -> Found:
        """What the partition holds about the event."""
        for topic in INPUTS:
            self._found.inputs += [r for r in self._read(topic.name) if self._is_input(r)]
        self._places = {(each.topic, each.offset) for each in self._found.inputs}
        self._hints |= {f'"offset":{offset}'.encode() for _, offset in self._places}
        outcomes: set[str] = set()
        for record in self._read(LEDGER.name):
            cause = self._cause(record)
            if cause is not None:
                outcomes.add(cause)
                self._found.outcomes.append(record)
            elif self._names_usage(record):
                self._found.changes.append(record)
        if outcomes:
            self._found.postings += self._lines(REVENUE.name, "cause", outcomes)
            self._found.notices += self._lines(NOTICES.name, "outcome", outcomes)
        return self._found

    def _read(self, topic: str) -> Iterator[Record]:
        if time.monotonic() > self._deadline:
            self._found.complete = False
            return
        for number, record in enumerate(self._log.read(topic)):
            if not number % _LOOK_EVERY and time.monotonic() > self._deadline:
                self._found.complete = False
                return
            self._found.scanned += 1
            yield record

    def _is_input(self, record: Record) -> bool:
        if len(self._found.inputs) >= FOUND_MAX:
            self._found.complete = False
            return False
        headers = [raw or b"" for name, raw in record.headers if name.lower() == "ce_id"]
        value = record.value or b""
        if not any(hint in text for hint in self._hints for text in (*headers, value)):
            return False
        try:
            envelope = read_record(record.key, record.value, record.headers)
        except Undecodable:
            return self._event.encode() in headers  # a dead letter, and this is its id
        return envelope.id == self._event and self._source in {None, envelope.source}

    def _cause(self, record: Record) -> str | None:
        """The outcome's id, where the event is its cause or its place is that of a found input."""
        value = record.value or b""
        if not any(hint in value for hint in self._hints):
            return None
        outcome = _json(value)
        cause = outcome.get("cause")
        if not isinstance(cause, dict) or len(self._found.outcomes) >= FOUND_MAX:
            return None
        named = cause.get("id") == self._event and self._source in {None, cause.get("source")}
        if named or (cause.get("topic"), cause.get("offset")) in self._places:
            return str(outcome.get("outcome"))
        return None

    def _names_usage(self, record: Record) -> bool:
        """Whether another fact's outcome moves something of the event as usage."""
        value = record.value or b""
        if len(self._found.changes) >= FOUND_MAX or not any(hint in value for hint in self._hints):
            return False
        outcome = _json(value)
        moved = (*outcome.get("entries", ()), *outcome.get("overage", ()))
        return any(each.get("usage") == self._event for each in moved)

    def _lines(self, topic: str, field: str, outcomes: set[str]) -> Iterator[Record]:
        hints = [outcome.encode() for outcome in outcomes]
        for record in self._read(topic):
            value = record.value or b""
            if any(hint in value for hint in hints) and _json(value).get(field) in outcomes:
                yield record


def _json(value: bytes) -> dict[str, Any]:
    try:
        parsed = msgspec.json.decode(value)
    except msgspec.DecodeError:
        return {}
    return parsed if isinstance(parsed, dict) else {}
