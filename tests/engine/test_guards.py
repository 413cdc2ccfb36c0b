"""Self-check, clock check, position, rate limit."""

import logging
import re

import faust
import pytest
from aiokafka import conn
from aiokafka.consumer.fetcher import PartitionRecords
from aiokafka.producer import sender
from faust.transport.drivers import by_url
from faust.transport.drivers.aiokafka import Consumer

from creditfold.engine import private, transport
from creditfold.engine.clock import Clock
from creditfold.engine.errors import ClockSkew, RefusedToStart
from creditfold.engine.position import Position, decode
from creditfold.engine.quiet import RateLimit

SECOND = 1_000_000


def test_the_pinned_faust_has_the_private_members_that_are_used():
    private.check()


def test_a_changed_private_member_refuses_to_run(monkeypatch):
    monkeypatch.setattr(Consumer, "_new_consumer_thread", lambda self, loop: None)
    with pytest.raises(RefusedToStart, match="_new_consumer_thread"):
        private.check()


@pytest.mark.parametrize(
    ("library", "owner", "member"),
    [
        ("faust-streaming", faust.App, "_fetcher"),
        ("aiokafka", PartitionRecords, "_consumer_record"),
        ("aiokafka", conn, "READER_LIMIT"),
        ("aiokafka", sender, "BACKOFF_OVERRIDE"),
    ],
)
def test_a_missing_private_member_refuses_to_run(monkeypatch, library, owner, member):
    monkeypatch.delattr(owner, member)
    with pytest.raises(RefusedToStart, match=f"{library} .*{member} is (None|not there)"):
        private.check()


def test_the_transport_is_found_by_its_scheme():
    transport.register()
    assert by_url("creditfold://localhost:9092") is transport.Transport


@pytest.mark.parametrize("off", [-5.5, 5.5])
def test_a_clock_that_is_off_stops_the_worker(off):
    with pytest.raises(ClockSkew, match=re.escape(f"{off:+.1f} s off")):
        Clock(5).check(100 * SECOND, round((100 + off) * SECOND), 100 * SECOND)


def test_a_frozen_process_is_not_taken_for_a_wrong_clock():
    Clock(5).check(100 * SECOND, 101 * SECOND, 900 * SECOND)


def test_a_position_is_read_back():
    position = Position(7, 99, {"usage": 5}, {"usage": "id"}, b"\x00\xff")
    assert position == decode(position.encode())


def test_a_topic_made_anew_starts_at_its_beginning():
    position = Position(7, 99, {"usage": 5}, {"usage": "id"})
    assert position.start("usage", "id") == 5
    assert position.start("usage", "another id") == 0
    assert position.start("commands", "id") == 0


def test_a_flood_of_log_lines_is_cut_to_a_few():
    passed = []
    logger = logging.getLogger("flooding.library")
    logger.propagate = False
    handler = logging.Handler()
    handler.emit = passed.append
    logger.addHandler(handler)
    RateLimit.install("flooding")
    for i in range(10_000):
        logger.error("broker %s is away", i)
    logger.error("another message")
    assert len(passed) == 4
