"""Dates that recur, by hand where the calendar is odd, and against dateutil everywhere else."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from importlib.resources import files

import pytest
from dateutil import tz
from dateutil.relativedelta import relativedelta

from creditfold.core.calendar import END, Every, after, first_from, instant_of, local, period
from creditfold.core.times import DAY, HOUR, MINUTE, SECOND, rfc3339
from creditfold.partition.zones import zone
from properties.events import instant

MONTH, DAILY = Every(months=1), Every(days=1)
INTERVALS = {
    "day": (DAILY, relativedelta(days=1)),
    "week": (Every(days=7), relativedelta(weeks=1)),
    "month": (MONTH, relativedelta(months=1)),
    "quarter": (Every(months=3), relativedelta(months=3)),
    "year": (Every(months=12), relativedelta(years=1)),
    "P1M10D": (Every(months=1, days=10), relativedelta(months=1, days=10)),
}
ZONES = (
    "UTC",
    "Europe/Zurich",
    "America/New_York",
    "America/Sao_Paulo",
    "Asia/Kolkata",
    "Asia/Tokyo",
    "Africa/Casablanca",
    "Australia/Lord_Howe",
    "Pacific/Chatham",
    "America/Santiago",
)
CLOCKS = (time(0, 0), time(2, 30), time(23, 59, 59))
QUARTERS = tuple(time(hour, minute) for hour in range(4) for minute in (0, 15, 30, 45))
"""Clocks are moved in one of these hours, by an hour or half of one."""


def shown(text: str) -> int:
    """A local time as the core counts it."""
    return instant(f"{text}Z")


def dates(anchor: str, every: Every, *numbers: int, where: str = "UTC") -> list[str]:
    return [rfc3339(after(shown(anchor), every, n, zone(where))) for n in numbers]


def test_the_end_of_a_month_is_clamped_and_comes_back():
    """31 January, 28 February, 31 March: each from the anchor, none from the one before."""
    assert [
        "2026-01-31T00:00:00Z",
        "2026-02-28T00:00:00Z",
        "2026-03-31T00:00:00Z",
        "2026-04-30T00:00:00Z",
        "2028-02-29T00:00:00Z",
        "2025-12-31T00:00:00Z",
    ] == dates("2026-01-31T00:00:00", MONTH, 0, 1, 2, 3, 25, -1)


def test_a_leap_day_comes_back_every_four_years():
    """29 February is 28 February in between."""
    yearly = Every(months=12)
    assert ["2025-02-28T00:00:00Z", "2028-02-29T00:00:00Z"] == dates(
        "2024-02-29T00:00:00", yearly, 1, 4
    )


def test_a_local_time_that_does_not_exist_moves_forward():
    """02:30 of the day on which clocks jump from 2 to 3 is 03:30, and 02:30 again the day after."""
    assert ["2026-03-28T01:30:00Z", "2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z"] == dates(
        "2026-03-28T02:30:00", DAILY, 0, 1, 2, where="Europe/Zurich"
    )


def test_a_local_time_that_exists_twice_is_the_first():
    """02:30 of the day on which clocks go back from 3 to 2 is the one in summer time."""
    assert ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"] == dates(
        "2026-10-25T02:30:00", DAILY, 0, 1, where="Europe/Zurich"
    )


def test_a_day_that_a_country_left_out_happens_once():
    """Samoa had no 30 December 2011: its daily date falls together with the day after."""
    assert ["2011-12-29T22:00:00Z", "2011-12-30T22:00:00Z", "2011-12-30T22:00:00Z"] == dates(
        "2011-12-29T12:00:00", DAILY, 0, 1, 2, where="Pacific/Apia"
    )
    since = instant("2011-12-29T22:00:01Z")
    n, found = first_from(shown("2011-12-29T12:00:00"), DAILY, since, zone("Pacific/Apia"))
    assert (1, "2011-12-30T22:00:00Z") == (n, rfc3339(found))


def test_hours_are_exact_and_days_are_of_the_clock():
    """PT24H after a noon is another hour once clocks have moved; P1D is noon."""
    noon, zurich = "2026-03-28T12:00:00", "Europe/Zurich"
    assert ["2026-03-29T10:00:00Z"] == dates(noon, DAILY, 1, where=zurich)
    assert ["2026-03-29T11:00:00Z"] == dates(noon, Every(time=24 * HOUR), 1, where=zurich)


def test_the_calendar_ends_with_the_year_9999():
    """What would come later never falls due, whatever the interval."""
    anchor, clocks = shown("9999-12-31T00:00:00"), zone("America/New_York")
    for every in (MONTH, DAILY, Every(time=48 * HOUR), Every(months=1200)):
        assert END == after(anchor, every, 1, clocks)
    assert END == period(anchor, MONTH, instant_of(anchor, clocks), clocks)[1]


@pytest.mark.parametrize("where", ZONES)
@pytest.mark.parametrize("name", INTERVALS)
def test_a_period_holds_its_instant_and_joins_the_next(name, where):
    """The grid extends both ways from the anchor, without a gap and without an overlap."""
    every, clocks = INTERVALS[name][0], zone(where)
    anchor = shown("2026-01-31T02:30:00")
    begin, end = period(anchor, every, instant("2024-05-05T05:05:05Z"), clocks)
    for _ in range(60):
        assert begin < end
        assert (begin, end) == period(anchor, every, begin, clocks)
        assert (begin, end) == period(anchor, every, end - 1, clocks)
        assert begin == first_from(anchor, every, begin, clocks)[1]
        begin, end = end, period(anchor, every, end, clocks)[1]


def _rules(where: str) -> tz.tzfile:
    with (files("tzdata") / "zoneinfo" / where).open("rb") as file:
        return tz.tzfile(file)


def _compare(where: str, days: Iterable[int], times: Iterable[time] = CLOCKS) -> None:
    rules, clocks = _rules(where), zone(where)
    for day, clock in itertools.product(days, times):
        anchor = datetime.combine(date(2024, 1, 1) + timedelta(days=day), clock)
        begin = instant(f"{anchor.isoformat()}Z")
        for every, delta in INTERVALS.values():
            for n in (-13, -1, 0, 1, 2, 13):
                wanted = tz.resolve_imaginary((anchor + delta * n).replace(tzinfo=rules))
                wanted = wanted.replace(fold=0).astimezone(UTC)
                found = after(begin, every, n, clocks)
                assert wanted.isoformat() == rfc3339(found).replace("Z", "+00:00"), (
                    where,
                    anchor,
                    every,
                    n,
                )


DAYS = (date(2033, 1, 1) - date(2024, 1, 1)).days


def _moved(where: str) -> list[int]:
    """The days on which clocks are moved."""
    rules, begin = zone(where), instant("2024-01-01T00:00:00Z")
    midnights = ((day, begin + day * DAY) for day in range(DAYS))
    return [day for day, midnight in midnights if rules(midnight) != rules(midnight + DAY)]


@pytest.mark.parametrize("where", ZONES)
def test_dates_are_those_of_dateutil(where):
    """A day of every six weeks of 2024 to 2032, and every day on which clocks are moved in one."""
    _compare(where, range(0, DAYS, 43))
    moved = _moved(where)
    _compare(where, moved[::4], QUARTERS)


@pytest.mark.long
@pytest.mark.parametrize("where", ZONES)
def test_all_dates_are_those_of_dateutil(where):
    """Every day of nine years as the anchor; where clocks are moved, each quarter of an hour."""
    _compare(where, range(DAYS))
    _compare(where, _moved(where), QUARTERS)


def test_what_clocks_show_is_what_the_anchor_was():
    """An instant goes to the clock and back, sub-seconds included."""
    clocks = zone("Australia/Lord_Howe")
    moment = instant("2026-07-01T00:00:00Z") + 7 * MINUTE + 3 * SECOND + 1
    assert moment == instant_of(local(moment, clocks), clocks)
