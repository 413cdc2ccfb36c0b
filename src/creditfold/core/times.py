"""Instants as integer microseconds since 1970-01-01T00:00:00Z, and how they are written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def rfc3339(instant: int) -> str:
    """The instant in UTC, with microseconds only where there are any."""
    moment = _EPOCH + timedelta(microseconds=instant)
    text = moment.replace(tzinfo=None).isoformat()
    return f"{text.rstrip('0')}Z" if moment.microsecond else f"{text}Z"


def date(instant: int) -> str:
    """The UTC calendar day in which the instant lies, as YYYY-MM-DD."""
    return (_EPOCH + timedelta(microseconds=instant)).date().isoformat()


def instant(moment: datetime) -> int:
    """Microseconds of a zoned datetime."""
    assert moment.tzinfo is not None
    delta = moment - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * SECOND + delta.microseconds
