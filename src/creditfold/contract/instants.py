"""RFC 3339 times with a zone, and ISO 8601 durations of days and below, as integer microseconds."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from creditfold.core.times import DAY, HOUR, MINUTE, SECOND

INSTANT_MAX = 253_402_300_799_999_999
"""The last microsecond of the year 9999."""

TIME_PATTERN = (
    r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
    r"[Tt]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,30})?"
    r"([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$"
)
DURATION_PATTERN = (
    r"^P(?=[0-9T])([0-9]{1,9}D)?"
    r"(T(?=[0-9])([0-9]{1,9}H)?([0-9]{1,9}M)?([0-9]{1,9}(\.[0-9]{1,6})?S)?)?$"
)

# `$` would match before a final line feed; `fullmatch` does not need the anchors at all.
_time = re.compile(TIME_PATTERN[1:-1]).fullmatch
_duration = re.compile(DURATION_PATTERN[1:-1]).fullmatch
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class BadTimeError(ValueError):
    """The text is no time (or duration) that the wire takes; says what to write."""


def parse_instant(text: str) -> int:
    """Microseconds since 1970; digits finer than that are cut."""
    if _time(text) is None:
        raise BadTimeError("write a time as RFC 3339 with its zone, such as 2026-01-31T12:00:00Z")
    try:
        delta = datetime.fromisoformat(text.upper()) - _EPOCH
    except ValueError:
        raise BadTimeError("there is no such day; write a date of the calendar") from None
    instant = (delta.days * 86_400 + delta.seconds) * SECOND + delta.microseconds
    if not 0 <= instant <= INSTANT_MAX:
        raise BadTimeError("write a time in the years 1970 to 9999")
    return instant


def parse_duration(text: str) -> int:
    """Microseconds of a duration in days, hours, minutes and seconds, which all have one length."""
    match = _duration(text)
    if match is None:
        raise BadTimeError(
            "write a duration in days, hours, minutes and seconds, such as PT72H or P3DT12H"
        )
    days, _, hours, minutes, seconds, _ = match.groups()
    total = 0
    for part, size in ((days, DAY), (hours, HOUR), (minutes, MINUTE)):
        if part:
            total += int(part[:-1]) * size
    if seconds:
        whole, _, fraction = seconds[:-1].partition(".")
        total += int(whole) * SECOND + int(fraction.ljust(6, "0"))
    return total
