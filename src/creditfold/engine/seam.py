"""The seam: what the engine asks of whoever folds, and what it hands over.

The engine moves bytes, keys and partitions. A `Folding` says what they mean: it makes one `Folder`
for each owned partition, and the engine feeds it every input once, in an order that a replay can
repeat.

One batch is: `fold` for each record that `read` yields in turn, then `seal` once. The engine
decides between two `fold` calls where the batch ends, so entries must not depend on where that is.
What `seal` returns is committed in one Kafka transaction and then written to the local store in one
step. If anything fails in between, the process ends, and the next owner makes a new folder from
what was committed: a folder never has to undo.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec

from creditfold.log.records import Range, Record


class Output(msgspec.Struct, frozen=True, gc=False):
    """One record to send.

    Without a `partition` it goes to the partition that folded it; without a `timestamp`
    (microseconds) it carries the batch's `now`. A record that becomes an input again should carry
    the log time of its cause, since the batch's `now` depends on where the batch was cut.
    """

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()
    timestamp: int | None = None
    partition: int | None = None


class Header(msgspec.Struct, frozen=True):
    """What the batch header on the ledger must say: with it a replay repeats the batch.

    Ranges of consecutive headers of a partition join: `start` is the `end` before it. Topics of
    which the batch took nothing are left out. `now` is the log's time after the batch, in
    microseconds.
    """

    partition: int
    batch: int
    now: int
    ranges: tuple[Range, ...]
    caught_up: bool


class DueChange(NamedTuple):
    """`key` falls due at `instant` (microseconds), or no longer does."""

    instant: int
    key: bytes
    add: bool


class Result(msgspec.Struct, frozen=True):
    """All that a batch leaves.

    `outputs` keep their order on each topic, so the batch header comes first by being first.
    `changes` hold the new value of each touched key, None for a removed one. `note` is the folder's
    own part of the position record (a sweep's cursor, the share of dead letters, a held clock);
    the next folder of this partition is made with it.
    """

    outputs: Sequence[Output]
    changes: Mapping[bytes, bytes | None]
    due: Sequence[DueChange] = ()
    note: bytes = b""


class Reader(Protocol):
    """The partition's committed state; a folder keeps what it changed since by itself."""

    def get(self, key: bytes) -> bytes | None:
        """Return the value under `key`."""

    def scan(self, prefix: bytes, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Yield keys and values below `prefix` in key order, from `prefix + start` on."""

    def due(self, until: int, limit: int) -> list[tuple[int, bytes]]:
        """Return at most `limit` due items up to and including `until`, earliest first."""

    def next_due(self) -> int | None:
        """Return the earliest due instant."""


class Folder(Protocol):
    """Folds one partition. Synchronous, in memory, deterministic.

    An exception from it is taken for a broken invariant that any worker would meet again: the
    partition halts before anything of the batch is sent, with the record named.
    """

    @property
    def held(self) -> bool:
        """True while the wall clock must not move the log (an import of history)."""

    def read(self, records: Iterable[tuple[Record, int]]) -> Iterator[tuple[Record, int, Any]]:
        """Yield each record, its log time and what `fold` needs to know of what it says.

        It may read ahead of what is folded: that depends on the record and its time alone.
        """

    def fold(self, record: Record, now: int, said: Any) -> int:
        """Fold `record` at log time `now`; return about how many bytes it will put out."""

    def seal(self, header: Header, spent: Callable[[], bool]) -> Result:
        """Sweep what is due up to `header.now` and end the batch.

        Once `spent` says that the batch has taken its time, what is left is for the next ones; a
        sweep folds something before it asks, or steady inputs would keep the clock out.
        """

    def due_at(self) -> int | None:
        """Return when the clock next has work to do, in microseconds."""


class Folding(Protocol):
    """Makes folders, and derives the due index when state is recovered."""

    def folder(self, partition: int, reader: Reader, note: bytes | None) -> Folder:
        """Make the folder of `partition`; `note` is from its last batch, None before the first."""

    def due_of(self, key: bytes, value: bytes) -> Iterable[tuple[int, bytes]]:
        """Derive the due items of one stored value: what `Result.due` adds up to."""
