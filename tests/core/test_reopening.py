"""By policy, what a correction gives back to an expired block may pay until the window ends."""

from __future__ import annotations

from core.book import Book
from core.test_changes import sound
from core.test_late import AGO, NOON, NOW, correct, moved, retract, uncovered, use
from properties.events import outcomes

LATER = "2026-01-02T14:00:00Z"
GRACE = "2026-01-05T12:00:00Z"
"""72 hours after the block's expiry."""


def reopening(**more: object) -> Book:
    """A block of 10 that expires at noon, after usage of 4 has drawn from it."""
    book = Book()
    policy = {"version": 2, "effective_from": "2026-01-01T00:00:00Z", "author": "a", "reason": "r"}
    keys = {"correction.expired_block": "reopen"} | more.pop("keys", {})
    book.published("policy.published", policy | {"keys": keys})
    book.grant("b", "10", expires_at=NOON, **more)
    book.invoice({"amount": "10", "sells": [{"block": "b"}]})
    use(book, "u1", "4", AGO)
    book.sweep(NOON)
    return book


def test_what_a_retraction_gives_back_pays_until_the_window_after_the_expiry_ends():
    book = reopening()
    retract(book, "u1", at=NOW)
    due = outcomes(book.out)[-1]
    assert due["cause"]["due"].startswith("reopen b ")
    assert [
        ("", "b", "expired", "rolled_out", "4"),
        ("", "b~1", "origin", "issued", "4"),
        ("", "b~1", "issued", "available", "4"),
    ] == moved(due)
    new = book.block("b~1")
    assert (NOW, GRACE, "b", "4") == tuple(
        new[key] for key in ("effective_at", "expires_at", "rolled_from", "value")
    )
    assert ("6", "4") == (book.block()["expired"], book.block()["rolled_out"])
    assert [("u2", "b~1", "available", "drawn", "3")] == moved(use(book, "u2", "3", LATER))
    book.sweep("2026-01-06T00:00:00Z")
    assert ("3", "1") == (book.block("b~1")["drawn"], book.block("b~1")["expired"])
    assert {"1100": 1000, "4000": -300, "4050": -700} == book.accounts
    sound(book)


def test_its_breakage_is_taken_back_and_deferred_with_it():
    book = reopening()
    assert [("R-EXPIRE", "2000", "4050", 600)] == book.lines
    retract(book, "u1", at=NOW)
    assert [
        ("R-CORRECT", "4000", "2000", 400),
        ("R-EXPIRE", "2000", "4050", 400),
        ("R-REOPEN", "4050", "2000", 400),
        ("R-ROLL", "2000", "2000", 400),
    ] == book.lines
    assert {"1100": 1000, "2000": -400, "4050": -600} == book.accounts


def test_under_arrival_too():
    book = reopening(keys={"late.order": "arrival"})
    correct(book, "u1", "1", at=NOW)
    assert [("u2", "b~1", "available", "drawn", "3")] == moved(use(book, "u2", "3", LATER))
    sound(book)


def test_it_repays_what_is_carried():
    book = reopening()
    book.applied("customer.updated", {"overage": {"default": "carry"}}, NOON)
    use(book, "u2", "3", "2026-01-02T12:30:00Z")
    retract(book, "u1", at=NOW)
    book.sweep(NOW)
    assert ("3", {}) == (book.block("b~1")["drawn"], book.snapshot()["overage"])
    sound(book)


def test_late_usage_gets_nothing_of_what_went_on():
    """It has its value with it, and may be drawn, sent away or refunded by now."""
    book = reopening()
    retract(book, "u1", at=NOW)
    late = use(book, "u0", "8", "2026-01-02T10:00:00Z", recorded=LATER)
    assert [("own", "2")] == uncovered(late)
    assert ("6", "0", "4") == tuple(book.block()[p] for p in ("drawn", "expired", "rolled_out"))
    use(book, "u00", "1", "2026-01-02T09:00:00Z", recorded="2026-01-02T15:00:00Z")
    assert ("6", "4") == tuple(book.block()[p] for p in ("drawn", "rolled_out"))
    assert "4" == book.block("b~1")["available"]
    sound(book)


def test_usage_from_before_the_correction_does_not_reach_what_it_gave_back():
    book = reopening()
    retract(book, "u1", at=NOW)
    late = use(book, "u2", "1", "2026-01-02T12:30:00Z", recorded=LATER)
    assert ([], [("own", "1")]) == (moved(late), uncovered(late))


def test_what_a_reopened_block_gives_back_once_it_has_expired_goes_on_again():
    book = reopening()
    retract(book, "u1", at=NOW)
    use(book, "u2", "3", "2026-01-05T11:00:00Z")
    retract(book, "u2", at="2026-01-05T13:00:00Z")
    assert ("3", "2026-01-08T12:00:00Z") == tuple(
        book.block("b~2")[key] for key in ("available", "expires_at")
    )
    sound(book)


def test_two_corrections_of_one_instant_are_two_blocks():
    book = reopening()
    correct(book, "u1", "3", at=NOW)
    correct(book, "u1", "2", at=NOW)
    assert ("1", "1") == (book.block("b~1")["available"], book.block("b~2")["available"])
    sound(book)


def test_the_policy_at_the_correction_says_until_when():
    book = reopening()
    shorter = {"version": 3, "effective_from": "2026-01-02T12:30:00Z", "author": "a", "reason": "r"}
    book.published("policy.published", shorter | {"keys": {"late.window": "PT2H"}}, NOON)
    correct(book, "u1", "3", at="2026-01-02T12:50:00Z")
    assert "2026-01-02T14:00:00Z" == book.block("b~1")["expires_at"]
    sound(book)


def test_what_is_paid_late_follows_what_went_on():
    """The units that are left have their price paid, wherever they are by now."""
    book = Book()
    policy = {"version": 2, "effective_from": "2026-01-01T00:00:00Z", "author": "a", "reason": "r"}
    keys = {"correction.expired_block": "reopen", "invoice.recognition": "on_payment"}
    book.published("policy.published", policy | {"keys": keys})
    book.grant("b", "10", expires_at=NOON, rollover={"percent": "50", "times": 1, "expires": "P1M"})
    book.invoice({"amount": "10", "sells": [{"block": "b"}]})
    use(book, "u1", "4", AGO)
    book.sweep(NOON)
    retract(book, "u1", at=NOW)
    use(book, "u2", "9", LATER)
    book.pay("10", at=LATER)
    assert ("4", "5", "1") == (
        book.block("b~2")["drawn"],
        book.block("b~1")["drawn"],
        book.block()["expired"],
    )
    assert {"1000": 1000, "4000": -900, "4050": -100} == book.accounts
    sound(book)
