"""The order of a batch: by record time, then topic, then offset (a function of its records alone).

Several input topics could be interleaved differently by two runs. The batch header names the
ranges it took and the time it ended at, and that is all a replay needs to find this order again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from creditfold.log.records import Range, Record


def ordered(
    queues: Mapping[str, Sequence[Record]], rank: Mapping[str, int], log_time: int, ceiling: int
) -> Iterator[tuple[Record, int]]:
    """Each record with the log's time at it: never above `ceiling`, never back.

    `queues` holds what is unread by topic, in offset order, and the caller takes as many as it
    wants: the first n are right where each queue is whole or has n. `log_time` is where the log
    stood. A record counts by its own timestamp, cut to `ceiling`; of records at one time, the
    topic of lower rank goes first. A live batch has the wall clock for a ceiling and a replay the
    header's `now`: the order is the same, since a record was cut only where `now` reached the
    ceiling.
    """
    assert ceiling >= log_time
    positions = dict.fromkeys(sorted(queues, key=lambda topic: rank[topic]), 0)
    running = log_time
    while True:
        head: Record | None = None
        head_time = 0
        for topic, position in positions.items():
            if position < len(queues[topic]):
                record = queues[topic][position]
                time = min(record.timestamp, ceiling)
                if head is None or time < head_time:
                    head, head_time = record, time
        if head is None:
            return
        positions[head.topic] += 1
        running = max(running, head_time)
        yield head, running


def ranges(
    records: Iterable[Record], starts: Mapping[str, int], rank: Mapping[str, int]
) -> tuple[Range, ...]:
    """The ranges that these records cover, by rank; each joins where `starts` says it stood."""
    ends: dict[str, int] = {}
    counts: dict[str, int] = {}
    for record in records:
        ends[record.topic] = record.offset + 1
        counts[record.topic] = counts.get(record.topic, 0) + 1
    return tuple(
        Range(topic, starts.get(topic, 0), ends[topic], counts[topic])
        for topic in sorted(ends, key=lambda topic: rank[topic])
    )
