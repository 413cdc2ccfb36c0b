"""The host's clock: the only place where the engine asks what time it is."""

import time

from creditfold.engine.errors import ClockSkew


class Clock:
    """Microseconds of wall time, checked against the broker's append times."""

    def __init__(self, skew_seconds: float) -> None:
        self._skew = round(skew_seconds * 1_000_000)

    def wall(self) -> int:
        """Return the wall clock in microseconds."""
        return time.time_ns() // 1_000

    def check(self, sent: int, appended: int, received: int) -> None:
        """Stop the worker if the broker's append time does not fit between send and answer.

        Both ends are compared, so a process that was frozen in between is not taken for a wrong
        clock. All in microseconds.
        """
        if sent - self._skew <= appended <= received + self._skew:
            return
        off = (appended - received if appended > received else appended - sent) / 1_000_000
        raise ClockSkew(
            f"the broker's clock is {off:+.1f} s off this host's; more than "
            f"{self._skew / 1_000_000:.0f} s is not safe. Synchronise the clocks (NTP)."
        )
