"""One batch of a partition that stands at a position: live, or as its header tells it."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from creditfold.contract.outputs import Version
from creditfold.contract.partitions import Home
from creditfold.contract.topics import RANK
from creditfold.core.catalog import Catalog
from creditfold.core.entries import Outcome
from creditfold.log.order import ranges
from creditfold.log.records import Output, Record
from creditfold.partition.fold import CODE, PartitionFold
from creditfold.partition.position import Position
from creditfold.partition.store import Store


class Batch(Struct, frozen=True):
    """What a batch wrote, the header first, and where the partition stands after it."""

    outputs: tuple[Output, ...]
    outcomes: tuple[Outcome, ...]
    position: Position


class Partition:
    """A fold with its position. All that a batch gives is a function of its records and times.

    A replay calls it with a header's ranges and `now` and gets the same bytes.
    """

    def __init__(self, store: Store, home: Home, position: Position) -> None:
        self._store = store
        self._fold = PartitionFold(store, home, position.out)
        self.position = position

    @property
    def catalog(self) -> Catalog:
        """The catalog as the last batch left it."""
        return self._fold.catalog

    def due(self, until: int) -> bool:
        """Whether the clock would fold anything at this time."""
        first = self.next_due()
        limit = self.position.now if self.catalog.held else until
        return first is not None and first <= limit

    def next_due(self) -> int | None:
        """When the clock next has something to do."""
        return self._fold.next_due()

    def fold(
        self,
        records: Sequence[tuple[Record, int]],
        ceiling: int,
        *,
        caught_up: bool,
        due_max: int,
    ) -> Batch:
        """Fold the records in their order, each at its log time, then at most `due_max` due items.

        The log's time after the batch is that of the last record, or `ceiling` where the
        partition has read all there is and no import holds the clock.
        """
        now = self._take(records)
        if caught_up and not self.catalog.held:
            now = ceiling
        return self._seal(records, now, due_max, CODE)

    def refold(
        self, records: Sequence[tuple[Record, int]], now: int, due_max: int, code: Version = CODE
    ) -> Batch:
        """Fold a batch whose `now` is known."""
        self._take(records)
        return self._seal(records, now, due_max, code)

    def _take(self, records: Sequence[tuple[Record, int]]) -> int:
        now = self.position.now
        for record, now, said in self._fold.read(records):  # the last time is the log's
            self._fold.take(record, now, said)
        return now

    def _seal(
        self, records: Sequence[tuple[Record, int]], now: int, due_max: int, code: Version
    ) -> Batch:
        before = self.position
        taken = ranges((record for record, _ in records), before.offsets, RANK)
        sealed = self._fold.seal(before.batch + 1, now, taken, due_max, code=code)
        self.position = Position(
            batch=before.batch + 1,
            now=now,
            offsets={**before.offsets, **{each.topic: each.end for each in taken}},
            out=sealed.out,
        )
        return Batch(sealed.outputs, sealed.outcomes, self.position)
