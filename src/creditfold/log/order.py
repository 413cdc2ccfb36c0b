"""The order of a batch: by record time, then topic, then offset (a function of its records alone).

Several input topics could be interleaved differently by two runs. The batch header names the
ranges it took and the time it ended at, and that is all a replay needs to find this order again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from heapq import heapify, heappop, heapreplace

from creditfold.log.records import Range, Record


def ordered(
    queues: Mapping[str, Sequence[Record]], rank: Mapping[str, int], running: int, ceiling: int
) -> Iterator[tuple[Record, int]]:
    """Each record with the log's time at it: never above `ceiling`, never back.

    `queues` holds what is unread by topic, in offset order, and the caller takes as many as it
    wants: the first n are right where each queue is whole or has n. `running` is where the log
    stood. A record counts by its own timestamp, cut to `ceiling`; of records at one time, the
    topic of lower rank goes first. A live batch has the wall clock for a ceiling and a replay the
    header's `now`: the order is the same, since a record was cut only where `now` reached the
    ceiling.
    """
    assert ceiling >= running
    topics = sorted(queues, key=lambda topic: rank[topic])
    whole = [False] * len(topics)
    yield from timed(merge([queues[topic] for topic in topics], whole, ceiling), running, ceiling)


def timed(records: Iterable[Record], running: int, ceiling: int) -> Iterator[tuple[Record, int]]:
    """Each record with the log's time at it; `running` is where the log stood."""
    for record in records:
        if record.timestamp > running:
            running = log_time(running, record.timestamp, ceiling)
        yield record, running


def merge(
    topics: Sequence[Iterable[Record]], more: Sequence[bool], ceiling: int
) -> Iterator[Record]:
    """Merge topics, given in rank order, by head time; end where one with `more` runs dry."""
    feeds = [iter(topic) for topic in topics]
    heads: list[tuple[int, int, Record]] = []
    for rank, feed in enumerate(feeds):
        head = next(feed, None)
        if head is not None:
            heads.append((min(head.timestamp, ceiling), rank, head))
        elif more[rank]:
            return
    heapify(heads)
    while heads:
        _, rank, record = heads[0]
        yield record
        following = next(feeds[rank], None)
        if following is not None:
            # ranks differ between heads, so the comparison never reaches the records
            heapreplace(heads, (min(following.timestamp, ceiling), rank, following))
        elif more[rank]:
            return
        else:
            heappop(heads)


def log_time(running: int, timestamp: int, ceiling: int) -> int:
    """Return the log's time at a record: never above the ceiling, never going back."""
    return max(running, min(timestamp, ceiling))


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
