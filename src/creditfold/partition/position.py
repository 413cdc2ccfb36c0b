"""Where a partition stands: it is kept with the state, and moves with it."""

from __future__ import annotations

from msgspec import Struct


class Position(Struct, frozen=True):
    """The last batch, the log's time after it, what was read, and the chain over what was sent.

    `now` is in microseconds; `offsets` is the next offset per input topic; `out` is the digest
    of the last batch header, in hex.
    """

    batch: int = 0
    now: int = 0
    offsets: dict[str, int] = {}
    out: str = ""
