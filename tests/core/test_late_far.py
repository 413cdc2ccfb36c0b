"""Where more than `late.refold_max` came since, usage counts as it comes, and no more is folded."""

from __future__ import annotations

import pytest

from core.book import Book
from core.test_changes import sound
from core.test_late import AGO, NOON, NOW, correct, moved, retract, uncovered, use

BEFORE = "2026-01-02T10:00:00Z"
LATER = "2026-01-02T12:30:00Z"


def booked(most: int = 2) -> Book:
    """Five, of which the first of three usages has four."""
    book = Book()
    keys = {"late.refold_max": most}
    version = {"version": 1, "effective_from": "2026-01-01T00:00:00Z", "keys": keys}
    book.published("policy.published", version | {"author": "ops", "reason": "much usage"})
    book.grant("b", "5")
    for id_ in ("u1", "u2", "u3"):
        use(book, id_, "4", NOON)
    return book


@pytest.mark.parametrize(
    ("most", "drawn", "owed"),
    [(2, [], [("own", "3")]), (3, ["1", "2", "3"], [("u1", "2"), ("u2", "1")])],
)
def test_late_usage_behind_which_too_much_stands_takes_what_is_left(most, drawn, owed):
    book = booked(most)
    late = use(book, "late", "3", AGO, NOW)
    assert (drawn, owed) == ([each[4] for each in moved(late)], uncovered(late))
    assert {"USD": "10"} == book.snapshot()["overage"]
    sound(book)


def test_all_up_to_there_counts_as_it_comes_and_what_stands_nearer_is_folded_again():
    book = booked()
    use(book, "late", "3", AGO, NOW)
    book.grant("c", "5", at=NOW, effective_at="2026-01-02T00:00:00Z")
    later, latest = "2026-01-02T13:10:00Z", "2026-01-02T13:20:00Z"
    use(book, "v", "4", latest)
    assert [("w", "c", "available", "drawn", "1")] == moved(use(book, "w", "4", BEFORE, latest))
    near = use(book, "near", "2", later, latest)
    assert ("near", "c", "available", "drawn", "2") in moved(near)
    assert {("v", "c", "drawn", "available", "1"), ("w", "c", "drawn", "available", "1")} < {
        *moved(near)
    }
    sound(book)


def test_a_correction_behind_which_too_much_stands_changes_that_usage_alone():
    book = booked()
    assert [("u1", "b", "drawn", "available", "3")] == moved(correct(book, "u1", "1"))
    assert [] == moved(retract(book, "u3"))
    assert {"USD": "3"} == book.snapshot()["overage"]
    assert [("v", "b", "available", "drawn", "2")] == moved(use(book, "v", "2", NOW))
    sound(book)


def test_what_credit_repays_is_not_found_anew_where_that_would_be_too_much():
    book = Book()
    keys = {"late.refold_max": 2, "overage.default": "carry"}
    version = {"version": 1, "effective_from": "2026-01-01T00:00:00Z", "keys": keys}
    book.published("policy.published", version | {"author": "ops", "reason": "much usage"})
    for id_ in ("u1", "u2", "u3"):
        use(book, id_, "4", NOON)
    fix = {"usage": {"source": "/tests", "id": "u1"}, "quantity": "1"}
    assert "too_late" == book.refused("usage.corrected", fix, NOW)
    assert {"USD": "12"} == book.snapshot()["overage"]
    correct(book, "u3", "1")
    assert {"USD": "9"} == book.snapshot()["overage"]
    sound(book)
