"""Instants: integer microseconds, written as RFC 3339 in UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from creditfold.contract.instants import INSTANT_MAX, parse_instant
from creditfold.core.times import DAY, HOUR, MINUTE, SECOND, date, instant, rfc3339

instants = st.integers(0, INSTANT_MAX)
EARLIEST, LATEST = datetime(1970, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:00.000001Z", 1),
        ("1970-01-01T00:00:00.1Z", SECOND // 10),
        ("1970-01-01T00:00:10Z", 10 * SECOND),
        ("2026-01-31T12:00:00.25Z", 1_769_860_800 * SECOND + SECOND // 4),
        ("9999-12-31T23:59:59.999999Z", INSTANT_MAX),
    ],
)
def test_microseconds_are_written_only_where_there_are_any(text, at):
    assert text == rfc3339(at)


@given(instants)
def test_what_is_written_reads_back_as_the_same_instant(at):
    assert at == parse_instant(rfc3339(at))


@given(
    st.datetimes(EARLIEST.replace(tzinfo=None), LATEST.replace(tzinfo=None)),
    st.integers(-14 * 60, 14 * 60),
)
def test_a_zoned_datetime_is_its_instant_in_utc(naive, offset):
    moment = naive.replace(tzinfo=timezone(timedelta(minutes=offset)))
    expected = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    assert expected == instant(moment)


def test_a_datetime_without_a_zone_is_no_instant():
    with pytest.raises(AssertionError):
        instant(EARLIEST.replace(tzinfo=None))


@pytest.mark.parametrize(
    ("day", "at"),
    [
        ("1970-01-01", 0),
        ("2025-12-31", parse_instant("2026-01-01T00:00:00Z") - 1),
        ("2026-01-01", parse_instant("2026-01-01T00:00:00Z")),
        ("2024-02-29", parse_instant("2024-02-29T23:59:59.999999Z")),
    ],
)
def test_the_moment_before_midnight_belongs_to_the_day_before(day, at):
    assert day == date(at)


@given(instants)
def test_the_day_is_the_date_of_the_text(at):
    assert rfc3339(at)[:10] == date(at)


def test_the_units_of_time_are_multiples_of_one_another():
    assert (1_000_000, 60, 60, 24) == (SECOND, MINUTE // SECOND, HOUR // MINUTE, DAY // HOUR)
