"""Rate limit for library loggers: an outage of 20 s is worth a few lines, not 130,000."""

import logging
import time
from typing import ClassVar


class RateLimit(logging.Filter):
    """Lets a few records of each message through in each interval, and says how many it held."""

    _installed: ClassVar[set[str]] = set()

    def __init__(self, burst: int = 3, seconds: float = 10.0) -> None:
        super().__init__()
        self._burst = burst
        self._seconds = seconds
        self._windows: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Pass the record, or count it."""
        key, now = (record.name, str(record.msg)), time.monotonic()
        began, count = self._windows.get(key, (now, 0))
        if now - began >= self._seconds:
            if count > self._burst:
                record.msg = f"{record.msg} [{count - self._burst} more held back]"
            began, count = now, 0
        self._windows[key] = (began, count + 1)
        return count < self._burst

    @classmethod
    def install(cls, *libraries: str) -> None:
        """Limit every logger of `libraries` that exists by now."""
        limit = cls()
        names = [*logging.root.manager.loggerDict, *libraries]
        for name in names:
            if name.split(".")[0] in libraries and name not in cls._installed:
                logging.getLogger(name).addFilter(limit)
                cls._installed.add(name)
