"""What the clocks of a zone show, by the pinned tz database; the host's own is never asked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import files
from zoneinfo import ZoneInfo

from creditfold.core.calendar import Zone
from creditfold.core.times import SECOND

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@cache
def zone(name: str) -> Zone:
    """The offsets of a zone of the tzdata package, whose version every batch header names."""
    with (files("tzdata") / "zoneinfo" / name).open("rb") as file:
        rules = ZoneInfo.from_file(file, key=name)

    def offset(instant: int) -> int:
        ahead = (_EPOCH + timedelta(seconds=instant // SECOND)).astimezone(rules).utcoffset()
        assert ahead is not None
        return (ahead.days * 86_400 + ahead.seconds) * SECOND

    return offset
