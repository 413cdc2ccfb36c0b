"""Record times in milliseconds that keep the order in which records are put on a partition."""

from __future__ import annotations


def in_milliseconds(instant: int) -> int:
    """The first whole millisecond that is not before the instant.

    Cut off, it would be before: a credit that is effective from the time of its own fact would be
    recorded too early to be there.
    """
    return -(-instant // 1_000)


class Stamps:
    """Times of one partition's records, in milliseconds: they keep the order that is sent."""

    def __init__(self) -> None:
        self._last = (0, 0)
        self.moved = 0

    def at(self, milliseconds: int, rank: int) -> int:
        """The next record's time: its own, or the first that keeps it behind the last."""
        before, before_rank = self._last
        stamp = max(milliseconds, before)
        if stamp == before and rank < before_rank:
            stamp += 1
        self.moved += stamp != milliseconds
        self._last = (stamp, rank)
        return stamp
