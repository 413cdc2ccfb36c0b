"""Instants as integer microseconds since 1970-01-01T00:00:00Z, and how they are written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@lru_cache(maxsize=1_024)  # a fact's time is written several times over
def rfc3339(instant: int) -> str:
    """The instant in UTC, with microseconds only where there are any."""
    seconds, micros = divmod(instant, SECOND)
    if micros:
        return f"{_second(seconds)}.{micros:06d}".rstrip("0") + "Z"
    return f"{_second(seconds)}Z"


def date(instant: int) -> str:
    """The UTC calendar day in which the instant lies, as YYYY-MM-DD."""
    return _day(instant // DAY)


@lru_cache(maxsize=4_096)
def _second(seconds: int) -> str:
    return (_EPOCH + timedelta(seconds=seconds)).replace(tzinfo=None).isoformat()


@lru_cache(maxsize=1_024)
def _day(days: int) -> str:
    return (_EPOCH + timedelta(days=days)).date().isoformat()


def instant(moment: datetime) -> int:
    """Microseconds of a zoned datetime."""
    assert moment.tzinfo is not None
    delta = moment - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * SECOND + delta.microseconds
