"""Local state: one write, a derived due index, and the right doubts about its age."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rocksdict import Cache

from creditfold.engine.position import Position
from creditfold.engine.seam import DueChange
from creditfold.engine.store import STATE, Store

HOUR_MS = 3_600_000


@pytest.fixture
def store(tmp_path):
    made = Store(tmp_path / "0", Cache(1_000_000))
    yield made
    made.close()


def due_of(key, value):
    """A value is a list of instants, one byte each."""
    for instant in value:
        yield instant, key


def test_a_write_is_read_back(store):
    position = Position(batch=1, now=7, next={"usage": 5}, note=b"n")
    store.write({b"a": b"1", b"b": b"2"}, [DueChange(9, b"a", add=True)], position.encode(), 44)
    store.write({b"b": None}, [], position.encode(), 45)
    assert store.get(b"a") == b"1"
    assert position == store.position()
    assert store.changelog_next() == 45
    assert store.due(9, 10) == [(9, b"a")]
    assert store.due(8, 10) == []
    assert store.next_due() == 9


def test_scan_yields_a_prefix_in_key_order(store):
    changes = dict.fromkeys((b"a", b"b\x00", b"b", b"b\xff", b"b\xff\xff", b"c"), b"")
    store.write(changes, [], Position().encode(), 1)
    assert [key for key, _ in store.scan(b"b")] == [b"b", b"b\x00", b"b\xff", b"b\xff\xff"]
    assert [key for key, _ in store.scan(b"b\xff")] == [b"b\xff", b"b\xff\xff"]
    assert len(list(store.scan(b""))) == 6


def test_due_items_come_by_instant_and_no_more_than_asked(store):
    changes = [DueChange(i, b"k%d" % i, add=True) for i in (300, 2, 70_000, 1)]
    store.write({}, changes, Position().encode(), 1)
    assert store.due(70_000, 3) == [(1, b"k1"), (2, b"k2"), (300, b"k300")]


def test_state_survives_a_close(tmp_path):
    cache = Cache(1_000_000)
    store = Store(tmp_path / "0", cache)
    store.write({b"a": b"1"}, [], Position(batch=3).encode(), 9)
    store.close()
    store = Store(tmp_path / "0", cache)
    assert store.get(b"a") == b"1"
    assert store.position().batch == 3
    store.wipe()
    assert not store.has_state()
    assert store.position() is None
    store.close()


values = st.none() | st.lists(st.integers(0, 9), max_size=4, unique=True).map(bytes)
changelogs = st.lists(st.tuples(st.sampled_from([b"a", b"b", b"ab", b"c"]), values), max_size=30)


@given(changelogs, st.integers(1, 7))
@settings(max_examples=60, deadline=None)
def test_the_recovered_due_index_is_what_the_values_imply(tmp_path_factory, changelog, chunk):
    """However the changelog is cut into chunks, and however often a key is rewritten in it."""
    store = Store(tmp_path_factory.mktemp("store"), Cache(1_000_000))
    records = [(STATE + key, value) for key, value in changelog]
    for first in range(0, len(records), chunk):
        store.absorb(records[first : first + chunk], first, due_of)
    latest = {key: value for key, value in dict(changelog).items() if value is not None}
    implied = sorted((instant, key) for key, value in latest.items() for instant in value)
    assert implied == store.due(255, 1_000)
    assert latest == dict(store.scan(b""))
    store.close()


def test_a_store_that_rested_longer_than_tombstones_is_not_trusted(store):
    now = 10**15
    assert store.belongs_to("log", now, HOUR_MS)  # empty: nothing can rise again
    store.adopt("log", now)
    store.write({b"a": b"1"}, [], Position().encode(), 1)
    almost, over = HOUR_MS * 1_000 - 1, HOUR_MS * 1_000
    assert store.belongs_to("log", now + almost, HOUR_MS)
    assert not store.belongs_to("log", now + over, HOUR_MS)
    store.touch(now + almost)
    assert store.belongs_to("log", now + over, HOUR_MS)


def test_a_store_of_another_changelog_is_not_trusted(store):
    store.adopt("log", 1)
    store.write({b"a": b"1"}, [], Position().encode(), 1)
    assert not store.belongs_to("made anew", 1, HOUR_MS)
