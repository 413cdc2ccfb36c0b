"""What the topics say, as dictionaries: inputs, outcomes, postings, found by what they name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Protocol

import msgspec

from creditfold.contract.topics import INPUTS, LEDGER, NOTICES, REVENUE
from creditfold.log.records import Record


class Log(Protocol):
    """The topics of one partition."""

    def read(self, topic: str, start: int = 0) -> Iterator[Record]:
        """The records of a topic from an offset on."""


def header(record: Record, name: str) -> str | None:
    """A header of the record as text, or None."""
    for key, value in record.headers:
        if key == name:
            return value.decode(errors="replace")
    return None


def data(record: Record) -> dict[str, Any]:
    """The record's data; of one that is no JSON object, the bytes as text."""
    try:
        value = msgspec.json.decode(record.value or b"null")
    except msgspec.DecodeError:
        value = None
    if isinstance(value, dict):
        return value
    return {"undecodable": (record.value or b"")[:200].decode(errors="backslashreplace")}


def inputs(log: Log, event: str, source: str | None = None) -> Iterator[Record]:
    """The input records with this event id, topic by topic."""
    wanted = event.encode()
    for topic in INPUTS:
        for record in log.read(topic.name):
            headers = dict(record.headers)
            if headers.get("ce_id") != wanted:
                continue
            if source is None or headers.get("ce_source") == source.encode():
                yield record


def outcomes(log: Log, *needles: str) -> Iterator[dict[str, Any]]:
    """The outcomes whose text holds a needle: a first look, to be made exact by the caller."""
    texts = [msgspec.json.encode(needle)[1:-1] for needle in needles]
    for record in log.read(LEDGER.name):
        value = record.value or b""
        if any(text in value for text in texts) and "outcome" in (found := data(record)):
            yield found


def postings(log: Log, causes: Iterable[str]) -> Iterator[dict[str, Any]]:
    """The postings that these outcomes made."""
    yield from _caused(log, REVENUE.name, "cause", causes)


def notices(log: Log, causes: Iterable[str]) -> Iterator[dict[str, Any]]:
    """The notices that these outcomes sent."""
    yield from _caused(log, NOTICES.name, "outcome", causes)


def _caused(log: Log, topic: str, field: str, causes: Iterable[str]) -> Iterator[dict[str, Any]]:
    wanted = frozenset(causes)
    if not wanted:
        return
    for record in log.read(topic):
        # An id ends where its number begins: <outcome>.p1, <outcome>.n1.
        id_ = header(record, "ce_id") or ""
        if id_.rpartition(".")[0] in wanted and (found := data(record)).get(field) in wanted:
            yield found
