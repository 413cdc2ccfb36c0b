"""One suite for every store: what the fold may rely on, in memory and on disk."""

from __future__ import annotations

import contextlib
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from creditfold.core.overage_state import OVERAGE
from creditfold.core.state import (
    ACCOUNT,
    BLOCK,
    Account,
    Block,
)
from creditfold.local.database import Database
from creditfold.local.store import LocalStore
from creditfold.partition.store import MemoryStore


@contextlib.contextmanager
def in_memory(_path):
    store = MemoryStore()
    yield store, lambda: store


@contextlib.contextmanager
def on_disk(path):
    """A store that is written, closed and opened again at each `turn`."""
    opened = [Database(path / "data")]
    stores = [LocalStore(opened[0])]

    def turn():
        opened[-1].write(stores[-1].writes())
        stores[-1].written()
        opened[-1].close()
        opened.append(Database(path / "data"))
        stores.append(LocalStore(opened[-1]))
        return stores[-1]

    yield stores[0], turn
    opened[-1].close()


@contextlib.contextmanager
def pending(path):
    """A store on disk whose changes are never written: they are visible all the same."""
    with Database(path / "data") as database:
        store = LocalStore(database)
        yield store, lambda: store


@contextlib.contextmanager
def on_its_way(path):
    """A store whose last batch reaches the disk only when the next one is sealed."""
    with Database(path / "data") as database:
        store, late = LocalStore(database), []

        def turn():
            for writes in late:
                database.write(writes)
            late[:] = [store.writes()]
            store.written()
            return store

        yield store, turn


@pytest.fixture(params=[in_memory, on_disk, pending, on_its_way], ids=lambda p: p.__name__)
def stores(request, tmp_path):
    with request.param(tmp_path) as made:
        yield made


def seen(stores, look):
    """What `look` sees at once, and what it sees later."""
    store, turn = stores
    return [look(store), look(turn())]


class TestStore:
    """`turn` gives the store that a later batch would see."""

    def test_an_unknown_key_has_no_record(self, stores):
        assert [None, None] == seen(stores, lambda store: store.get(("c", ACCOUNT, "")))

    def test_a_record_is_seen_at_once_and_later(self, stores):
        stores[0].apply({("c", BLOCK, "b"): Block(issued=5)})
        assert [Block(issued=5)] * 2 == seen(stores, lambda store: store.get(("c", BLOCK, "b")))

    def test_a_deleted_record_is_gone_at_once_and_later(self, stores):
        store, turn = stores
        store.apply({("c", BLOCK, "b"): Block()})
        store = turn()
        store.apply({("c", BLOCK, "b"): None, ("c", BLOCK, "never"): None})
        expected = [(None, [])] * 2
        assert expected == seen(
            (store, turn), lambda s: (s.get(("c", BLOCK, "b")), list(s.scan("c", BLOCK)))
        )

    def test_a_scan_gives_one_kind_of_one_customer_by_the_bytes_of_the_ids(self, stores):
        store, turn = stores
        ids = ["", "a", "a\0b", "ab", "z", "é", "€", "\U0001f600"]
        others = [("cc", BLOCK, "x"), ("", BLOCK, "x"), ("c", OVERAGE, "x"), ("b", BLOCK, "x")]
        for key in [*(("c", BLOCK, i) for i in reversed(ids)), *others]:
            if key[1] == BLOCK:
                store.apply({key: Block(issued=len(key[2]))})
        expected = [(i, Block(issued=len(i))) for i in ids]
        assert expected == list(store.scan("c", BLOCK))
        assert expected == list(turn().scan("c", BLOCK))

    def test_a_scan_mixes_what_is_written_with_what_has_changed_since(self, stores):
        store, turn = stores
        store.apply({("c", BLOCK, i): Block(issued=1) for i in "abc"})
        store = turn()
        store.apply(
            {("c", BLOCK, "b"): None, ("c", BLOCK, "c"): Block(2), ("c", BLOCK, "d"): Block()}
        )
        assert [("a", Block(1)), ("c", Block(2)), ("d", Block())] == list(store.scan("c", BLOCK))

    def test_a_scan_sees_what_has_changed_since_the_one_before(self, stores):
        store, turn = stores
        chance, known = random.Random(7), {}
        for number in range(300):
            id_ = chance.choice("abcdefgh")
            record = Block(issued=number) if chance.random() < 0.6 else None
            store.apply({("c", BLOCK, id_): record})
            known[id_] = record
            if chance.random() < 0.1:
                store = turn()
            start = chance.choice("\0adh")
            there = [(i, known[i]) for i in sorted(known) if known[i] is not None and i >= start]
            assert there == list(store.scan("c", BLOCK, start))

    def test_accounts_are_listed_by_the_bytes_of_their_ids(self, stores):
        store, _ = stores
        names = ["a", "aa", "b", "é", "\U0001f600"]
        store.apply({(n, ACCOUNT, ""): Account("USD", 0) for n in reversed(names)})
        store.apply({("0", BLOCK, "no account"): Block()})
        assert [names, names] == seen(stores, lambda store: list(store.accounts()))

    def test_the_earliest_due_goes_first_and_ties_by_customer(self, stores):
        store, turn = stores
        assert store.next_due() is None
        for name, due in (("b", 7), ("a", 7), ("c", 5), ("d", None)):
            store.apply({(name, ACCOUNT, ""): Account("USD", 0, next_due=due)})
        for name, due in (("c", 5), ("a", 7), ("b", 7)):
            store = turn()
            assert (due, name) == store.next_due()
            store.apply({(name, ACCOUNT, ""): Account("USD", 0, next_due=None)})
        assert turn().next_due() is None

    def test_a_due_instant_that_moves_is_forgotten_where_it_was(self, stores):
        store, turn = stores
        for due in (5, 9, 3, 3, 8):
            store.apply({("c", ACCOUNT, ""): Account("USD", 0, next_due=due)})
            store = turn()
        assert (8, "c") == store.next_due()


@given(st.lists(st.tuples(st.sampled_from("abc"), st.none() | st.integers(0, 20))))
def test_what_is_next_is_the_least_of_what_is_due(changes):
    store, due = MemoryStore(), {}
    for name, instant in changes:
        store.apply({(name, ACCOUNT, ""): Account("USD", 0, next_due=instant)})
        due[name] = instant
        expected = min(((at, n) for n, at in due.items() if at is not None), default=None)
        assert expected == store.next_due()
