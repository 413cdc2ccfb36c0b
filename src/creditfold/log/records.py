"""What is read from and written to a log."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

Headers: TypeAlias = tuple[tuple[str, bytes], ...]


class Record(NamedTuple):
    """A record as it lies in a topic; `timestamp` is its producer's, in microseconds."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


class Output(NamedTuple):
    """A record to be written; it goes to the partition whose inputs made it.

    One that becomes an input again has a `timestamp` (microseconds) and goes where its key lives.
    """

    topic: str
    key: bytes | None
    value: bytes
    headers: Headers
    timestamp: int | None = None


class Range(NamedTuple):
    """Offsets [start, end) of an input topic that a batch took, with how many records lay there."""

    topic: str
    start: int
    end: int
    records: int
