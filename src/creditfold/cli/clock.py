"""The wall clock: the only place where the command line reads it."""

from __future__ import annotations

import time


def wall_clock() -> int:
    """Microseconds since 1970."""
    return time.time_ns() // 1_000
