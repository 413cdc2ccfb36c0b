"""The burn order: every key by itself, and that any list of keys is a total order."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.book import Book, moves
from creditfold.core.facts import Kind
from creditfold.core.order import KEYS, PRESETS, sort_key
from creditfold.core.policy import DRAW_ORDER_DEFAULT
from creditfold.core.predicate import Op, Test
from creditfold.core.scope import Filter, Scope
from creditfold.core.state import Terms
from creditfold.core.times import SECOND

DOCS = Path(__file__).parents[2] / "docs" / "burn-order.md"
CALLS = Scope(include=Filter(meters=("calls",)))
NARROW = Scope(include=Filter(("api",), ("calls",), Test("size", Op.EXISTS, (True,))))


def terms(**more: object) -> Terms:
    base = {
        "kind": Kind.PAID,
        "unit": "USD",
        "exponent": 2,
        "quantity": 100,
        "value": 100,
        "currency": "USD",
        "granted_at": 0,
        "effective_at": 0,
    }
    return Terms(**(base | more))  # type: ignore[arg-type]  # a table of keyword arguments


FIRST_AND_SECOND = {
    "priority": [
        (terms(priority=1), terms(priority=2)),
        (terms(priority=9), terms()),
        (terms(priority=-1), terms(priority=0)),
    ],
    "expires_at": [(terms(expires_at=1), terms(expires_at=2)), (terms(expires_at=9), terms())],
    "expires_at_second": [
        (terms(expires_at=SECOND), terms(expires_at=2 * SECOND)),
        (terms(expires_at=9), terms()),
    ],
    "effective_at": [(terms(effective_at=1), terms(effective_at=2))],
    "granted_at": [(terms(granted_at=1), terms(granted_at=2))],
    "free_before_paid": [
        *((terms(kind=kind), terms()) for kind in (Kind.PROMOTIONAL, Kind.GOODWILL, Kind.SLA)),
        (terms(kind=Kind.INCLUDED, value=0), terms(kind=Kind.INCLUDED)),
        (terms(kind=Kind.SLA), terms(value=0)),
    ],
    "paid_before_free": [
        (terms(value=0), terms(kind=Kind.PROMOTIONAL)),
        (terms(kind=Kind.INCLUDED), terms(kind=Kind.GOODWILL)),
    ],
    "rolled_first": [(terms(rolled_from="b"), terms())],
    "rolled_last": [(terms(), terms(rolled_from="b"))],
    "scoped_first": [(terms(scope=CALLS), terms())],
    "narrower_first": [(terms(scope=NARROW), terms(scope=CALLS)), (terms(scope=CALLS), terms())],
    "lower_cost_first": [
        (terms(value=99), terms()),
        (terms(value=1, quantity=10, exponent=0), terms(quantity=10)),
        (terms(value=0), terms(value=1)),
        (terms(kind=Kind.SLA), terms(value=1)),
    ],
    "larger_first": [(terms(quantity=101), terms()), (terms(exponent=1), terms(exponent=2))],
    "smaller_first": [(terms(quantity=99), terms()), (terms(exponent=2), terms(exponent=1))],
    "kind": [
        (terms(kind=Kind.PROMOTIONAL), terms(kind=Kind.GOODWILL)),
        (terms(kind=Kind.GOODWILL), terms(kind=Kind.SLA)),
        (terms(kind=Kind.SLA), terms(kind=Kind.INCLUDED)),
        (terms(kind=Kind.INCLUDED), terms()),
    ],
}
ROWS = [(key, *pair) for key, pairs in FIRST_AND_SECOND.items() for pair in pairs]


def test_every_key_has_its_row_here():
    assert set(KEYS) == set(FIRST_AND_SECOND)


@pytest.mark.parametrize(("key", "first", "second"), ROWS)
def test_a_key_puts_the_first_before_the_second_whatever_their_ids(key, first, second):
    assert sort_key((key,), "z", first) < sort_key((key,), "a", second)
    assert sort_key((key, "id"), "z", first) < sort_key((key, "id"), "a", second)


@pytest.mark.parametrize("key", sorted(KEYS))
def test_where_a_key_says_nothing_the_id_decides_by_its_bytes(key):
    ids = ["", "A", "a", "a\0", "ab", "z", "é", "€", "\U0001f600"]
    found = sorted({*ids}, key=lambda block: sort_key((key,), block, terms()))
    assert sorted(ids, key=lambda block: block.encode()) == found


@pytest.mark.parametrize("key", sorted(KEYS))
def test_a_buffer_is_last_whatever_the_key_says(key):
    """It is the safety net: even a better priority does not let it go first."""
    buffer = terms(kind=Kind.BUFFER, priority=-1, expires_at=1, effective_at=-1, value=0)
    assert sort_key((key,), "z", terms()) < sort_key((key,), "a", buffer)


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_a_list_of_keys_and_the_docs_tell_it_with_its_source(name):
    rows = [line.split(" | ") for line in DOCS.read_text().splitlines() if f"| `{name}` |" in line]
    ((_, keys, source),) = rows
    assert ", ".join(f"`{key}`" for key in PRESETS[name]) == keys
    assert set(PRESETS[name]) <= set(KEYS)
    assert source.strip(" |")


def test_the_docs_explain_every_key():
    told = DOCS.read_text().split("## Presets")[0]
    assert [] == [key for key in KEYS if f"`{key}`" not in told]


def test_a_policy_may_name_the_system_whose_order_it_is():
    """Metronome burns what is free before it looks at expiry; the default does not."""
    book = Book()
    book.published(
        "policy.published",
        {
            "version": 1,
            "effective_from": "2026-01-01T00:00:00Z",
            "author": "a",
            "reason": "as before",
            "keys": {"draw.order": "metronome"},
        },
    )
    book.grant("paid", "5", expires_at="2026-02-01T00:00:00Z")
    book.grant("free", "5", kind="promotional")
    assert [("free", "available", "drawn", "5")] == moves(book.use("5"))


def test_expiry_in_the_same_second_is_a_tie_for_the_key_of_seconds_alone():
    early, late = terms(expires_at=SECOND), terms(expires_at=SECOND + 1)
    assert sort_key(("expires_at_second",), "z", early) > sort_key(
        ("expires_at_second",), "a", late
    )
    assert sort_key(("expires_at",), "z", early) < sort_key(("expires_at",), "a", late)


@given(st.lists(st.sampled_from(sorted(KEYS)), unique=True), st.permutations(range(len(ROWS))))
def test_any_list_of_keys_gives_one_order_however_the_blocks_come(order, permutation):
    blocks = [(f"b{n:02}", ROWS[n][1 + n % 2]) for n in range(len(ROWS))]
    shuffled = [blocks[n] for n in permutation]

    def key(block: tuple[str, Terms]) -> tuple[object, ...]:
        return sort_key(tuple(order), *block)

    assert sorted(blocks, key=key) == sorted(shuffled, key=key)
    keys = [key(block) for block in blocks]
    assert len(keys) == len(set(keys))


def test_the_default_is_priority_then_expiry_then_free_then_effective_then_id():
    assert ("priority", "expires_at", "free_before_paid", "effective_at", "id") == (
        DRAW_ORDER_DEFAULT
    )
    book = Book()
    for block, more in {
        "e": {"effective_at": "2026-01-02T00:00:00Z"},
        "f": {"effective_at": "2026-01-01T12:00:00Z"},
        "d": {"kind": "promotional"},
        "c": {"expires_at": "2026-03-01T00:00:00Z"},
        "b": {"expires_at": "2026-02-01T00:00:00Z"},
        "a2": {"priority": 2},
        "a1": {"priority": 1, "expires_at": "2027-01-01T00:00:00Z"},
    }.items():
        book.grant(block, "1", **more)
    used = book.use("7", at="2026-01-03T00:00:00Z")
    assert ["a1", "a2", "b", "c", "d", "f", "e"] == [block for block, *_ in moves(used)]


@pytest.mark.parametrize(
    ("order", "burnt"),
    [
        (["larger_first"], ["big", "small"]),
        (["smaller_first"], ["small", "big"]),
        (["paid_before_free", "smaller_first"], ["big", "small"]),
    ],
)
def test_a_published_order_holds_for_usage_from_its_date_on(order, burnt):
    book = Book()
    book.grant("small", "1", kind="promotional")
    book.grant("big", "2")
    book.published(
        "policy.published",
        {
            "version": 1,
            "effective_from": "2026-01-02T00:00:00Z",
            "keys": {"draw.order": order},
            "author": "a",
            "reason": "r",
        },
    )
    before = book.use("0.5", meter="gb", at="2026-01-01T23:59:59Z")
    assert [("small", "available", "drawn", "0.25")] == moves(before)
    after = book.use("5.5", meter="gb", at="2026-01-02T00:00:00Z")
    assert burnt == [block for block, *_ in moves(after)]


def test_a_new_block_joins_the_order_in_force_and_late_usage_keeps_the_one_of_its_time():
    book = Book()
    book.grant("a", "4")
    book.published(
        "policy.published",
        {
            "version": 1,
            "effective_from": "2026-01-02T00:00:00Z",
            "keys": {"draw.order": ["smaller_first"]},
            "author": "a",
            "reason": "r",
        },
    )
    book.grant("b", "2", at="2026-01-02T00:00:00Z", effective_at="2026-01-01T00:00:00Z")
    book.grant("c", "1", effective_at="2026-01-01T00:00:00Z")
    late = book.use("1", at="2026-01-01T01:00:00Z", recorded="2026-01-02T01:00:00Z")
    now = book.use("3", at="2026-01-02T02:00:00Z")
    orders = [[block for block, *_ in moves(outcome)] for outcome in (late, now)]
    assert [["a"], ["c", "b"]] == orders
