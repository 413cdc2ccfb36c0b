"""How far the workers are, by the position records in the engine's changelog."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec
from confluent_kafka import TopicPartition

from creditfold.broker.connection import Where, connection
from creditfold.broker.kafka_log import EARLIEST, LATEST, offsets, records
from creditfold.engine.position import Position, decode

KEY: Final = b"mposition"
"""The changelog's key of a partition's position; the engine's store has the same constant."""

_TAIL: Final = 200


def positions(kafka: Where, changelog: str, count: int, seconds: float) -> dict[int, Position]:
    """The last committed position of each partition that has one.

    A position is the last record of its transaction, so it stands at the changelog's end; only
    that is read. A partition whose tail holds none (all of it aborted) is left out.
    """
    to = connection(kafka)
    ends = offsets(to, [TopicPartition(changelog, p) for p in range(count)], LATEST, seconds)
    lows = offsets(to, [TopicPartition(changelog, p) for p in range(count)], EARLIEST, seconds)
    found: dict[int, Position] = {}
    for (_, partition), end in ends.items():
        start = max(end - _TAIL, lows[changelog, partition])
        for position in _positions(kafka, changelog, partition, start, end, seconds):
            found[partition] = position
    return found


def _positions(
    kafka: Where, changelog: str, partition: int, start: int, end: int, seconds: float
) -> Iterator[Position]:
    if start >= end:
        return
    for record in records(connection(kafka), changelog, partition, start, end, seconds):
        if record.key == KEY and record.value is not None:
            try:
                yield decode(record.value)
            except msgspec.DecodeError:
                continue  # of another version of the engine: not ours to judge
