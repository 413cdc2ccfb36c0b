"""Usage that comes after the late window: by policy overage, which no credit covers."""

from __future__ import annotations

from typing import Any

import pytest

from core.book import Book
from core.test_changes import sound
from properties.events import Event, notices

THEN, NOW, MONTH = "2026-01-10T00:00:00Z", "2026-01-14T00:00:00Z", "2026-02-14T00:00:00Z"


def lenient(**more: Any) -> Book:
    """A customer with 100 dollars, whose late usage is taken."""
    book = Book()
    policy = {"version": 1, "effective_from": "2026-01-01T00:00:00Z", "author": "a", "reason": "r"}
    keys = {"late.after": "overage"} | more
    book.published("policy.published", policy | {"keys": keys})
    book.grant("b", "100")
    return book


def late(book: Book, quantity: str = "7", recorded: str = NOW, **more: Any) -> Event:
    data = {"meter": "calls", "quantity": quantity} | more
    return book.applied("usage.recorded", data, THEN, recorded=recorded, id="u")


def test_it_is_owed_though_there_is_credit_and_earned_at_its_time():
    book = lenient()
    outcome = late(book)
    assert "entries" not in outcome
    assert [("7", "7", "1")] == [
        (o["quantity"], o["amount"], o["rate"]) for o in outcome["overage"]
    ]
    assert [("R-OVERAGE", "1150", "4010", 700)] == book.lines
    assert "2026-01-10" == book.postings[-1]["effective_date"]
    assert {"USD": "7"} == book.snapshot(NOW)["overage"]
    book.invoice({"amount": "7", "arrears_for": [outcome["overage"][0]["id"]]}, at=NOW)
    assert {} == book.snapshot(NOW)["overage"]
    sound(book)


def test_a_microsecond_earlier_it_is_drawn():
    book = lenient()
    outcome = late(book, recorded="2026-01-13T00:00:00Z")
    assert ["b"] == [e["block"] for e in outcome["entries"]]


def test_the_same_again_is_a_duplicate_for_a_window_more_and_another_fact_after_it():
    """The promise of deduplication ends with the window; no id of what it gives comes twice."""
    book = lenient()
    first = late(book)
    data = {"meter": "calls", "quantity": "7"}
    again = book.feed("usage.recorded", data, THEN, recorded="2026-01-17T00:00:00Z", id="u")
    assert "duplicate" == again["status"]
    assert "id_reused_with_different_content" == book.refused(
        "usage.recorded", data | {"quantity": "8"}, THEN, recorded="2026-01-17T00:00:00Z", id="u"
    )
    second = late(book, recorded=MONTH)
    assert first["outcome"] != second["outcome"]
    assert {"USD": "14"} == book.snapshot(MONTH)["overage"]


def test_what_was_drawn_in_time_and_comes_again_after_its_id_is_forgotten_counts_again():
    book = lenient()
    data = {"meter": "calls", "quantity": "7"}
    first = book.applied("usage.recorded", data, THEN, id="u")
    second = late(book, recorded=MONTH)
    assert first["outcome"] != second["outcome"]
    assert ("7", {"USD": "7"}) == (book.block()["drawn"], book.snapshot(MONTH)["overage"])


def test_it_cannot_be_corrected_and_holds_and_corrections_are_refused_as_ever():
    book = lenient()
    late(book)
    about = {"usage": {"source": "/tests", "id": "u"}}
    assert "unknown_usage" == book.refused("usage.retracted", about, NOW)
    assert "too_late" == book.refused("usage.retracted", about, THEN, recorded=NOW)
    hold = {"hold": "h", "unit": "USD", "quantity": "1", "expires_at": MONTH}
    assert "too_late" == book.refused("hold.placed", hold, THEN, recorded=NOW)


@pytest.mark.parametrize(("policy", "open_"), [("carry", {"USD": "7"}), ("block", {})])
def test_no_credit_repays_it_and_what_nobody_owes_stays_nobodys_debt(policy, open_):
    book = lenient(**{"overage.default": policy})
    outcome = late(book)
    assert [None if open_ else "block"] == [o.get("policy") for o in outcome["overage"]]
    assert ([] if open_ else ["uncovered_usage"]) == [n["what"] for n in notices(book.out)]
    book.grant("more", "100", at=NOW)
    book.sweep("2026-01-15T00:00:00Z")
    assert ("100", "100") == (book.block("b")["available"], book.block("more")["available"])
    assert open_ == book.snapshot()["overage"]
    sound(book)


def test_usage_that_came_in_time_is_folded_around_it():
    book = lenient()
    late(book)
    book.use("95", at=NOW)
    book.use("10", at="2026-01-13T12:00:00Z", recorded=NOW)
    assert ("100", {"USD": "12"}) == (book.block()["drawn"], book.snapshot(NOW)["overage"])
    sound(book)


def test_it_counts_towards_a_commitment_also_of_a_term_that_has_ended():
    book = lenient()
    terms = {"unit": "USD", "quantity": "100", "term": "month"}
    start = {"subscription": "s", "plan": "pro", "period": "month", "commitment": terms}
    book.applied("subscription.started", start, "2026-01-05T00:00:00Z")
    late(book)
    assert ["7"] == [each["counted"] for each in book.snapshot(NOW)["commitments"]]
    book.sweep("2026-05-05T00:00:00Z")
    outcome = book.applied(
        "usage.recorded",
        {"meter": "calls", "quantity": "3"},
        THEN,
        recorded="2026-05-06T00:00:00Z",
    )
    assert [("s:shortfall:1", "10", "90")] == [
        (s["id"], s["counted"], s["quantity"]) for s in outcome["shortfalls"]
    ]


def test_a_statement_tells_it_as_earlier():
    book = lenient(**{"statement.every": "P1M"})
    book.sweep("2026-02-03T00:00:00Z")
    late(book, recorded="2026-02-04T00:00:00Z")
    book.sweep("2026-03-01T00:00:00Z")
    (notice,) = [n for n in notices(book.out) if n["what"] == "statement_ready"]
    (line,) = notice["statement"]["lines"]
    assert ("7", True, "7") == (line["quantity"], line["earlier"], line["overage"][0]["amount"])
