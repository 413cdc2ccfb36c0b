"""Order of a batch: a pure function of the waiting records, the ceiling and the cap.

Each input topic of the partition is a lane. Records are taken by head time, the smaller of record
time and ceiling; ties go to the topic that is named first, and within a topic the offset decides.
A lane that is empty although the broker has more for it ends the batch, because its next record
might come before all others: a backlog folds in the order in which it happened.

With `ceiling = header.now` the records in a header's ranges come out in the same order again.
"""

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from operator import attrgetter

from creditfold.log.order import merge
from creditfold.log.records import Range, Record

_topic = attrgetter("topic")


class Lane:
    """The waiting records of one input topic, and how far it has been read."""

    __slots__ = ("bytes", "next", "position", "read_at", "topic", "waiting")

    def __init__(self, topic: str, start: int) -> None:
        self.topic = topic
        self.waiting: deque[Record] = deque()
        self.bytes = 0
        self.next = start  # first offset that no batch has taken
        self.position = start  # first offset that has not been fetched
        self.read_at = 0  # when the broker last had nothing more for us, microseconds; 0: it has

    def read_up(self, since: int) -> bool:
        """Tell whether at `since` or later the broker had nothing more than what waits here."""
        return self.read_at >= max(since, 1)

    def take(self, count: int) -> Range:
        """Remove the first `count` records and return the range they span."""
        start, waiting = self.next, self.waiting
        taken = [waiting.popleft() for _ in range(count)]
        self.bytes -= sum(map(weight, taken))
        self.next = taken[-1].offset + 1
        return Range(self.topic, start, self.next, count)


def weight(record: Record) -> int:
    """Return about how many bytes a waiting record holds on to."""
    return len(record.value or b"") + len(record.key or b"") + 200


def ready(lanes: Sequence[Lane], since: int) -> bool:
    """Tell whether `order` has a record: something waits, and no lane's next one is unknown."""
    certain = all(lane.waiting or lane.read_up(since) for lane in lanes)
    return certain and any(lane.waiting for lane in lanes)


def order(lanes: Sequence[Lane], ceiling: int, since: int) -> Iterator[Record]:
    """Yield what waits in batch order, as far as that is certain; it stays in its lanes."""
    pending = [lane for lane in lanes if lane.waiting or not lane.read_up(since)]
    if len(pending) == 1:
        return iter(pending[0].waiting)
    more = [not lane.read_up(since) for lane in pending]
    return merge([lane.waiting for lane in pending], more, ceiling)


def advance(lanes: Sequence[Lane], taken: Sequence[Record]) -> tuple[Range, ...]:
    """Remove `taken` from the lanes; return their ranges in rank order, without empty ones."""
    counts = Counter(map(_topic, taken))
    return tuple(lane.take(counts[lane.topic]) for lane in lanes if counts[lane.topic])


def closing_time(running: int, ceiling: int, seen: int | None) -> int:
    """Return a header's `now`.

    `seen` is the instant up to which the partition has read all there is, None if something is
    unread or the clock is held: then only the records have moved the log.
    """
    return running if seen is None else max(running, min(ceiling, seen))
