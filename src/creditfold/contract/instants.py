"""RFC 3339 times with a zone, and ISO 8601 durations of days and below, as integer microseconds."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache

from creditfold.core.calendar import Every
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

_NAMED = {
    "day": Every(days=1),
    "week": Every(days=7),
    "month": Every(months=1),
    "quarter": Every(months=3),
    "year": Every(months=12),
}
INTERVAL_PATTERN = (
    rf"^({'|'.join(_NAMED)}|P(?=[0-9T])([0-9]{{1,3}}Y)?([0-9]{{1,4}}M)?([0-9]{{1,4}}W)?"
    r"([0-9]{1,5}D)?(T(?=[0-9])([0-9]{1,6}H)?([0-9]{1,8}M)?([0-9]{1,9}S)?)?)$"
)
INTERVAL_MAX = 100 * 366 * DAY
LOCAL_TIME_PATTERN = (
    r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
    r"T([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{1,6})?)?(\[[A-Za-z0-9_+/-]{1,64}\])?$"
)

# `$` would match before a final line feed; `fullmatch` does not need the anchors at all.
_time = re.compile(TIME_PATTERN[1:-1]).fullmatch
_duration = re.compile(DURATION_PATTERN[1:-1]).fullmatch
_interval = re.compile(INTERVAL_PATTERN[1:-1]).fullmatch
_local_time = re.compile(LOCAL_TIME_PATTERN[1:-1]).fullmatch
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class BadTimeError(ValueError):
    """The text is no time (or duration) that the wire takes; says what to write."""


@lru_cache(maxsize=1_024)  # what is told as it happens has its time twice
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


def parse_interval(text: str, least: int) -> Every:
    """An interval of the calendar, at least so many microseconds and at most a hundred years."""
    match = _interval(text)
    if match is None:
        raise BadTimeError(
            f"write one of {', '.join(_NAMED)}, or an ISO 8601 duration such as P1M, P2W or PT6H"
        )
    name, years, months, weeks, days, _, hours, minutes, seconds = match.groups()
    found = _NAMED.get(name)
    if found is None:
        found = Every(
            months=12 * _count(years) + _count(months),
            days=7 * _count(weeks) + _count(days),
            time=_count(hours) * HOUR + _count(minutes) * MINUTE + _count(seconds) * SECOND,
        )
    if not least <= found.about <= INTERVAL_MAX:
        shortest = "an hour" if least == HOUR else "a second"
        raise BadTimeError(f"write an interval of at least {shortest} and at most 100 years")
    return found


def _count(part: str | None) -> int:
    return int(part[:-1]) if part else 0


def parse_local_time(text: str) -> tuple[int, str | None]:
    """What clocks show, as microseconds since their 1970, and the zone in brackets if any."""
    if _local_time(text) is None:
        raise BadTimeError(
            "write a local date and time, such as 2026-01-31T09:00 or "
            "2026-01-31T09:00[Europe/Zurich]"
        )
    shown, _, zone = text.partition("[")
    return parse_instant(f"{shown if shown.count(':') == 2 else shown + ':00'}Z"), zone[:-1] or None
