"""Records for a partition in memory, and what it says about each customer."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Sequence

from creditfold.contract.encode import structured
from creditfold.contract.partitions import ONLY
from creditfold.log.records import Output, Record
from creditfold.partition.position import Position
from creditfold.partition.step import Batch, Partition
from creditfold.partition.store import MemoryStore
from local.desk import Input, to_inputs
from properties.events import Event

NO_LIMIT = 2**62


def numbered(inputs: Iterable[Input]) -> list[tuple[Record, int]]:
    """The inputs as records of their topics, each with the log's time at it."""
    ends: dict[str, int] = {}
    now, records = 0, []
    for each in inputs:
        offset = ends.get(each.topic, 0)
        ends[each.topic] = offset + 1
        now = max(now, each.timestamp)
        records.append((Record(each.topic, 0, offset, *each[1:]), now))
    return records


def log_of(events: Iterable[Event]) -> list[tuple[Record, int]]:
    """As `numbered`, of events."""
    return numbered(to_inputs(events))


def fresh() -> Partition:
    """A partition that has read nothing."""
    return Partition(MemoryStore(), ONLY, Position())


def fold_in(
    records: Sequence[tuple[Record, int]],
    cuts: Iterable[int],
    until: int,
    due_max: int = NO_LIMIT,
) -> list[Batch]:
    """The batches that end before these places, and last ones that the clock moves to `until`."""
    partition = fresh()
    batches = []
    edges = sorted({min(cut, len(records)) for cut in cuts} | {0, len(records)})
    for begin, end in itertools.pairwise(edges):
        piece = records[begin:end]
        batches.append(partition.fold(piece, piece[-1][1], caught_up=False, due_max=due_max))
    batches.append(partition.fold([], until, caught_up=True, due_max=due_max))
    while partition.due(until):
        batches.append(partition.fold([], until, caught_up=True, due_max=due_max))
    return batches


def events_of(outputs: Iterable[Output]) -> list[Event]:
    """The records as structured events."""
    return [json.loads(structured(output)) for output in outputs]


def told(batches: Iterable[Batch]) -> dict[str, list[Event]]:
    """By customer, all that was sent but headers, and but when it was recorded.

    The time of a record without `effective_at` is when it was recorded, so it is left out too.
    """
    found: dict[str, list[Event]] = {}
    for batch in batches:
        for event in events_of(batch.outputs[1:]):
            event["data"].pop("recorded_at", None)
            event.pop("time")
            found.setdefault(event.get("subject", ""), []).append(event)
    return found
