"""A mailbox notices every loss, and asks for no more than it can hold."""

import asyncio

import pytest

from creditfold.engine.config import Limits
from creditfold.engine.errors import EngineError
from creditfold.engine.mailbox import Mailbox
from creditfold.log.records import Record


def made(**limits):
    return Mailbox(3, {"commands": 0, "usage": 10}, Limits(**limits))


def records(*offsets):
    return [Record("usage", 3, offset, 0, b"k", b"v" * 100) for offset in offsets]


def test_fetches_must_join_though_offsets_have_holes():
    """Markers leave holes in offsets, so only the fetch positions can show a lost fetch."""
    mailbox = made()
    mailbox.deliver("usage", records(10, 12), 10, 14, 20, 1)
    mailbox.deliver("usage", records(17), 14, 18, 20, 1)
    with pytest.raises(EngineError, match="usage-3: fetched from 20, expected 18"):
        mailbox.deliver("usage", records(20), 20, 21, 21, 1)


def test_a_clock_that_goes_back_is_doubt():
    """What was fetched before would wait for the other lanes until that time comes again."""
    mailbox = made()
    mailbox.deliver("usage", records(10), 10, 11, 20, 9_000_000)
    mailbox.deliver("usage", records(11), 11, 12, 20, 8_500_000)
    with pytest.raises(EngineError, match=r"clock went back 2\.0 s"):
        mailbox.deliver("usage", [], 12, 12, 12, 7_000_000)


def test_a_full_lane_is_not_fetched_for_and_others_are():
    mailbox = made(lane_records=2)
    assert mailbox.room("usage")
    mailbox.deliver("usage", records(10, 11), 10, 12, 20, 1)
    assert not mailbox.room("usage")
    assert mailbox.room("commands")
    mailbox.lanes[1].take(1)
    assert mailbox.room("usage")


def test_bytes_fill_a_lane_as_well():
    mailbox = made(lane_bytes=500)
    mailbox.deliver("usage", records(10, 11), 10, 12, 20, 1)
    assert not mailbox.room("usage")
    mailbox.lanes[1].take(2)
    assert mailbox.lanes[1].bytes == 0


def test_all_is_seen_when_every_lane_was_read_to_its_end_and_emptied():
    mailbox = made()
    assert mailbox.seen() is None
    mailbox.deliver("commands", [], 0, 0, 0, 70)
    mailbox.deliver("usage", records(10), 10, 11, 11, 60)
    assert mailbox.seen() is None
    mailbox.lanes[1].take(1)
    assert mailbox.seen() == 60
    mailbox.deliver("usage", [], 11, 11, 12, 90)
    assert mailbox.seen() is None


def test_lag_counts_what_the_broker_has_and_no_batch_took():
    mailbox = made()
    mailbox.deliver("usage", records(10, 11), 10, 12, 15, 1)
    assert mailbox.lag() == 5


def test_a_transaction_marker_behind_the_last_record_is_no_lag():
    mailbox = made()
    mailbox.deliver("commands", [], 0, 0, 0, 1)
    mailbox.deliver("usage", records(10, 11), 10, 13, 13, 1)
    assert mailbox.lag() == 3
    mailbox.lanes[1].take(2)
    assert mailbox.lanes[1].next == 12
    assert mailbox.lag() == 0


def test_news_end_the_wait():
    async def scenario():
        mailbox = made()
        waiting = asyncio.create_task(mailbox.news(30))
        await asyncio.sleep(0)
        mailbox.deliver("usage", records(10), 10, 11, 11, 1)
        await asyncio.wait_for(waiting, 1)
        await mailbox.news(0.01)

    asyncio.run(scenario())


def test_a_fetch_that_leaves_nothing_waiting_wakes_nobody():
    async def scenario():
        mailbox = made()
        waiting = asyncio.create_task(mailbox.news(30))
        await asyncio.sleep(0)
        mailbox.deliver("commands", [], 0, 0, 0, 1)
        await asyncio.sleep(0)
        assert not waiting.done()
        mailbox.deliver("usage", records(10), 10, 11, 11, 1)
        await asyncio.sleep(0)
        mailbox.deliver("commands", [], 0, 0, 0, 2)
        await asyncio.wait_for(waiting, 1)

    asyncio.run(scenario())
