"""How long after they happened facts reach the log, as a histogram of a few counters."""

from __future__ import annotations

from bisect import bisect_left

from creditfold.contract.instants import BadTimeError, parse_instant
from creditfold.log.records import Record

BOUNDS_SECONDS = (1.0, 5.0, 30.0, 60.0, 300.0, 3_600.0, 86_400.0, 604_800.0)
"""Upper bounds, up to the week in which late usage is normally still taken."""


class Delays:
    """Record time minus event time of sampled records; what is early counts as no delay."""

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS_SECONDS) + 1)
        self.sum_seconds = 0.0

    def sample(self, record: Record) -> None:
        """Count the record if it says in a header when it happened (binary mode)."""
        raw = next((value for name, value in record.headers if name == "ce_time"), None)
        if raw is None:
            return
        try:
            happened = parse_instant(raw.decode())
        except (BadTimeError, UnicodeDecodeError):
            return  # the dead letter says so
        seconds = max(0.0, (record.timestamp - happened) / 1_000_000)
        self.counts[bisect_left(BOUNDS_SECONDS, seconds)] += 1
        self.sum_seconds += seconds
