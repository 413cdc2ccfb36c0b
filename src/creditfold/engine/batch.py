"""Order of a batch: a pure function of the waiting records, the ceiling and the cap.

Each input topic of the partition is a lane. Records are taken by head time, the smaller of record
time and ceiling; ties go to the topic that is named first, and within a topic the offset decides.
A lane that is empty although the broker has more for it ends the batch, because its next record
might come before all others: a backlog folds in the order in which it happened. So does a lane
that was last read up before a record of another one was fetched: what was published before that
record may be on its way, and no usage is to overtake the grant that was acknowledged before it.

With `ceiling = header.now` the records in a header's ranges come out in the same order again.
"""

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import takewhile
from operator import attrgetter

from creditfold.log.order import merge
from creditfold.log.records import Range, Record

_topic = attrgetter("topic")


class Lane:
    """The waiting records of one input topic, and how far it has been read."""

    __slots__ = ("_fetches", "bytes", "next", "polled", "position", "read_at", "topic", "waiting")

    def __init__(self, topic: str, start: int) -> None:
        self.topic = topic
        self.waiting: deque[Record] = deque()
        self.bytes = 0
        self.next = start  # first offset that no batch has taken
        self.position = start  # first offset that has not been fetched
        self.polled = 0  # when the broker last answered for it, microseconds
        self.read_at = 0  # when the broker last had nothing more for us, microseconds; 0: it has
        self._fetches: deque[tuple[int, int]] = deque()  # (instant, first offset after it)

    @property
    def fetched_at(self) -> int:
        """When the last of the waiting records was fetched, microseconds; 0 if none waits."""
        return self._fetches[-1][0] if self.waiting else 0

    def put(self, records: Sequence[Record], fetched_at: int) -> None:
        """Let records wait that one fetch brought."""
        self.waiting.extend(records)
        self.bytes += sum(map(weight, records))
        self._fetches.append((fetched_at, records[-1].offset + 1))

    def fetched_by(self, instant: int) -> Iterable[Record]:
        """The waiting records that were fetched no later than then."""
        if self.fetched_at <= instant:
            return self.waiting
        end = max((after for at, after in self._fetches if at <= instant), default=0)
        return takewhile(lambda record: record.offset < end, self.waiting)

    def take(self, count: int) -> Range:
        """Remove the first `count` records and return the range they span."""
        start, waiting = self.next, self.waiting
        taken = [waiting.popleft() for _ in range(count)]
        self.bytes -= sum(map(weight, taken))
        self.next = taken[-1].offset + 1
        while self._fetches and self._fetches[0][1] <= self.next:
            self._fetches.popleft()
        return Range(self.topic, start, self.next, count)


def weight(record: Record) -> int:
    """Return about how many bytes a waiting record holds on to."""
    return len(record.value or b"") + len(record.key or b"") + 200


def ready(lanes: Sequence[Lane]) -> bool:
    """Tell whether `order` has a record: one waits, and no lane's next one is unknown."""
    return next(order(lanes, 0), None) is not None


def order(lanes: Sequence[Lane], ceiling: int) -> Iterator[Record]:
    """Yield what waits in batch order, as far as that is certain; it stays in its lanes."""
    newest = max(lane.fetched_at for lane in lanes)
    certain = min((lane.read_at for lane in lanes if not lane.waiting), default=newest)
    pending = [lane for lane in lanes if lane.waiting]
    if not certain or not pending:
        return iter(())
    if len(pending) == 1:
        return iter(pending[0].fetched_by(certain))
    more = [lane.read_at < newest or lane.fetched_at > certain for lane in pending]
    return merge([lane.fetched_by(certain) for lane in pending], more, ceiling)


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
