"""Dates that recur: the n-th is computed from the anchor, never from the date before it.

31 January, then 28 February, then 31 March: months and days are counted on the clocks of a zone
and clamped to the month's end, and only then is the instant looked up. What a zone's clocks show
is configuration: the fold is given it as a function.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from enum import StrEnum
from functools import lru_cache
from typing import TypeAlias

from msgspec import Struct

from creditfold.core.times import DAY, HOUR, MINUTE, SECOND

Zone: TypeAlias = Callable[[int], int]
"""How far a zone's clocks are ahead of UTC at an instant; both in microseconds."""

END = 253_402_300_800 * SECOND
"""The first instant of the year 10000: the calendar ends before it, and nothing falls due then."""

_LAST_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_EPOCH = date(1970, 1, 1).toordinal()
_MONDAY = 4 * DAY  # 1970-01-05
_DAYS_OF_MONTH = 30_436_875  # of a day, by the million: 400 years have 146,097 days


class Every(Struct, frozen=True, omit_defaults=True):
    """An interval: months and days on the clocks of a zone, then exact time (microseconds)."""

    months: int = 0
    days: int = 0
    time: int = 0

    @property
    def about(self) -> int:
        """Its length in microseconds on average over the centuries."""
        return self.months * _DAYS_OF_MONTH * DAY // 1_000_000 + self.days * DAY + self.time


def written(every: Every) -> str:
    """The interval as ISO 8601 has it."""
    days = ((every.months, "M"), (every.days, "D"))
    hours, rest = divmod(every.time, HOUR)
    clock = ((hours, "H"), (rest // MINUTE, "M"), (rest % MINUTE // SECOND, "S"))
    date, time = ("".join(f"{n}{unit}" for n, unit in part if n) for part in (days, clock))
    return f"P{date}T{time}" if time else f"P{date}"


class Until(StrEnum):
    """When a block ends where no date or duration says so."""

    NEVER = "never"
    PERIOD_END = "period_end"


Expires: TypeAlias = Every | int | Until
"""After an interval, at an instant, or by rule."""


def calendar_anchor(every: Every) -> int:
    """What intervals of the calendar are counted from, as local time: weeks from a Monday."""
    return _MONDAY if every.days % 7 == 0 and not every.months else 0


def local(instant: int, zone: Zone) -> int:
    """What the zone's clocks show at the instant, as microseconds since their 1970."""
    return instant + zone(instant)


def instant_of(shown: int, zone: Zone) -> int:
    """When the zone's clocks show this: the first time where twice, moved forward where never."""
    before, after = zone(shown - DAY), zone(min(shown + DAY, END - 1))
    for offset in (before, after):  # clocks that go back show a time first under `before`
        if zone(min(shown - offset, END - 1)) == offset:
            return shown - offset
    return shown - before  # in a gap: as far after it as the time is into it


def after(shown: int, every: Every, n: int, zone: Zone) -> int:
    """The instant n intervals after the anchor that the zone's clocks show; before it for n < 0."""
    day, clock = divmod(shown, DAY)
    if every.months:
        first = date.fromordinal(day + _EPOCH)
        month = first.year * 12 + first.month - 1 + n * every.months
        year, month = month // 12, month % 12 + 1
        if year > 9999:
            return END
        leap = month == 2 and year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
        last = _LAST_DAYS[month - 1] + leap
        day = date(year, month, min(first.day, last)).toordinal() - _EPOCH
    shown = (day + n * every.days) * DAY + clock
    if shown >= END:
        return END
    return min(instant_of(shown, zone) + n * every.time, END)


def first_from(shown: int, every: Every, since: int, zone: Zone) -> tuple[int, int]:
    """The first date of the grid at or after `since`, as (n, instant); n may be negative."""
    n = (since - instant_of(shown, zone)) // every.about
    while after(shown, every, n, zone) >= since:
        n -= 1
    while (found := after(shown, every, n, zone)) < since:
        n += 1
    return n, found


@lru_cache(maxsize=1_024)
def period(shown: int, every: Every, instant: int, zone: Zone) -> tuple[int, int]:
    """The interval [begin, end) of the grid that the instant lies in.

    Remembered, since those who have the same dates ask for the same one at the same instant.
    """
    n, end = first_from(shown, every, instant + 1, zone)
    return after(shown, every, n - 1, zone), end
