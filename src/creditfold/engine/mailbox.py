"""A partition's mailbox: what was fetched and not yet folded, and room for more."""

import asyncio
import time
from collections.abc import Sequence

from creditfold.engine.batch import Lane
from creditfold.engine.config import Limits
from creditfold.engine.errors import EngineError
from creditfold.log.records import Record

_STEP_BACK = 1_000_000  # microseconds: what was fetched before would wait until then comes again


class Mailbox:
    """Lanes in rank order; filled by the feeder, emptied by the partition's task."""

    def __init__(self, partition: int, starts: dict[str, int], limits: Limits) -> None:
        self.partition = partition
        self.lanes = [Lane(topic, start) for topic, start in starts.items()]
        self.closed = False
        self.first_at = 0.0  # monotonic time at which the first waiting record arrived
        self.ends: dict[str, int] = {}
        self._by_topic = {lane.topic: lane for lane in self.lanes}
        self._limits = limits
        self._news = asyncio.Event()

    def room(self, topic: str) -> bool:
        """Tell whether records of `topic` should be fetched: back-pressure by not asking."""
        lane = self._by_topic[topic]
        return (
            not self.closed
            and len(lane.waiting) < self._limits.lane_records
            and lane.bytes < self._limits.lane_bytes
        )

    def deliver(
        self, topic: str, records: Sequence[Record], before: int, after: int, end: int, polled: int
    ) -> None:
        """Take what one fetch brought: records from fetch position `before` up to `after`.

        The positions of successive fetches must join. Offsets alone cannot show a loss, because
        transaction markers leave holes in them as well. `end` is the last stable offset that the
        broker named at `polled` (microseconds).
        """
        lane = self._by_topic[topic]
        if before != lane.position:
            raise EngineError(
                f"{topic}-{self.partition}: fetched from {before}, expected {lane.position}"
            )
        if 0 < polled < lane.polled - _STEP_BACK:
            back = (lane.polled - polled) / 1_000_000
            raise EngineError(f"the host's clock went back {back:.1f} s; keep it in step (NTP)")
        lane.polled = max(lane.polled, polled)
        lane.position = after
        lane.read_at = polled if after >= end else 0
        self.ends[topic] = end
        if records:
            if not self.waiting():
                self.first_at = time.monotonic()
            lane.put(records, polled)
        # an idle partition has nothing to look at
        if self.waiting():
            self._news.set()

    def waiting(self) -> int:
        """Return how many records wait."""
        return sum(len(lane.waiting) for lane in self.lanes)

    def lag(self) -> int:
        """Return how many offsets are not folded yet.

        A lane that has been read to its end has none, although the transaction marker behind its
        last record stands between what was folded and the end.
        """
        return sum(
            max(0, self.ends.get(lane.topic, 0) - lane.next)
            for lane in self.lanes
            if lane.waiting or not lane.read_at
        )

    def seen(self) -> int | None:
        """Return the instant up to which everything was read and taken, None if not all is."""
        if any(lane.waiting or not lane.read_at for lane in self.lanes):
            return None
        return min(lane.read_at for lane in self.lanes)

    def wake(self) -> None:
        """Make the waiting task look again."""
        self._news.set()

    async def news(self, seconds: float) -> None:
        """Wait for a delivery, at most `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            pass
        self._news.clear()
