"""Times have a zone and end as microseconds; durations have one length."""

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from creditfold.contract.instants import (
    DURATION_PATTERN,
    INSTANT_MAX,
    TIME_PATTERN,
    BadTimeError,
    parse_duration,
    parse_instant,
)
from creditfold.core.times import DAY, HOUR, MINUTE, SECOND, rfc3339


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01t00:00:01z", SECOND),
        ("1970-01-01T01:00:00.5+01:00", SECOND // 2),
        ("1969-12-31T23:00:00-01:00", 0),
        ("1970-01-01T00:00:00-00:00", 0),
        ("1970-01-01T00:00:00.123456999Z", 123_456),
        ("1970-01-02T00:00:00.000001Z", DAY + 1),
        ("2024-02-29T00:00:00Z", 1_709_164_800 * SECOND),
        ("9999-12-31T23:59:59.999999Z", INSTANT_MAX),
    ],
)
def test_a_time_is_its_microsecond(text, instant):
    assert instant == parse_instant(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-01-01",
        "2026-01-01T00:00:00",
        "2026-01-01 00:00:00Z",
        "2026-01-01T00:00Z",
        "2026-01-01T24:00:00Z",
        "2026-06-30T23:59:60Z",
        "2026-02-29T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-01-01T00:00:00,5Z",
        "2026-01-01T00:00:00.Z",
        "20260101T000000Z",
        "2026-W01-1T00:00:00Z",
        "2026-01-01T00:00:00+0100",
        "2026-01-01T00:00:00+24:00",
        "2026-01-01T00:00:00+01:60",
        "2026-01-01T00:00:00Z\n",
        "1969-12-31T23:59:59Z",
        "1970-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
        "٢٠٢٦-01-01T00:00:00Z",
        "2026-01-01T00:00:00." + "1" * 31 + "Z",
        "0000-01-01T00:00:00Z",
    ],
)
def test_what_two_readers_could_read_differently_is_no_time(text):
    with pytest.raises(BadTimeError):
        parse_instant(text)


@given(st.integers(min_value=0, max_value=INSTANT_MAX))
def test_what_is_written_is_read_back(instant):
    assert instant == parse_instant(rfc3339(instant))


@given(st.datetimes(min_value=datetime(1971, 1, 1), timezones=st.timezones()))  # noqa: DTZ001  # hypothesis adds the zone
def test_python_agrees_about_the_instant(moment):
    text = moment.isoformat()
    if re.fullmatch(TIME_PATTERN[1:-1], text):
        delta = moment.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
        assert (delta.days * 86_400 + delta.seconds) * SECOND + delta.microseconds == parse_instant(
            text
        )


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("PT0S", 0),
        ("PT72H", 72 * HOUR),
        ("P45D", 45 * DAY),
        ("P0D", 0),
        ("P1DT2H3M4.5S", DAY + 2 * HOUR + 3 * MINUTE + 4500000),
        ("PT0.000001S", 1),
    ],
)
def test_a_duration_is_its_microseconds(text, duration):
    assert duration == parse_duration(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "P",
        "PT",
        "P1DT",
        "P1M",
        "P1Y",
        "P1W",
        "72H",
        "PT1",
        "-PT1H",
        "PT1.5H",
        "PT1S1H",
        "pt1h",
        "PT0.1234567S",
        "P1D ",
        "P1D\n",
        "PT1H2",
        "P1234567890D",
    ],
)
def test_months_and_what_is_unclear_are_no_duration(text):
    with pytest.raises(BadTimeError):
        parse_duration(text)
    assert re.fullmatch(DURATION_PATTERN[1:-1], text) is None
