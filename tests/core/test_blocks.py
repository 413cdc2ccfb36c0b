"""Blocks: places, activation, expiry and breakage, late usage that reopens, usage ahead of time."""

from __future__ import annotations

import pytest

from core.book import Book, moves

EXPIRY = "2026-02-01T00:00:00Z"
SELLS = [{"block": "b"}]


def sold(**more: object) -> Book:
    """A block of 10 that is billed, and expires on 1 February."""
    book = Book()
    book.grant("b", "10", **({"expires_at": EXPIRY} | more))
    book.invoice({"amount": "10", "sells": SELLS})
    return book


def test_a_block_is_available_at_once_or_from_its_first_instant():
    book = Book()
    at_once = book.grant("a", "1")
    assert [("a", "origin", "issued", "1"), ("a", "issued", "available", "1")] == moves(at_once)
    later = book.grant("b", "1", effective_at="2026-01-10T00:00:00Z")
    assert [("b", "origin", "issued", "1")] == moves(later)
    assert {"USD": "1"} == later["balances"]
    (outcome,) = book.sweep("2026-01-10T00:00:00Z")
    assert [("b", "issued", "available", "1")] == moves(outcome)
    assert {"USD": "2"} == outcome["balances"]


def test_expiry_is_breakage_dated_in_the_moment_before():
    book = sold()
    book.use("4")
    (outcome,) = book.sweep("2026-02-03T00:00:00Z")
    assert [("b", "available", "expired", "6")] == moves(outcome)
    assert [("R-EXPIRE", "2000", "4050", 600)] == book.lines
    assert ("2026-01-31", "2026-01") == (
        book.postings[-1]["effective_date"],
        book.postings[-1]["period"],
    )
    assert (EXPIRY, "expiry b") == (outcome["cause"]["clock"], outcome["cause"]["due"])
    assert {"USD": "0"} == outcome["balances"]


def test_free_credit_expires_without_a_posting():
    book = Book()
    book.grant("b", "10", kind="promotional", expires_at=EXPIRY)
    book.use("4")
    (outcome,) = book.sweep(EXPIRY)
    assert ([("b", "available", "expired", "6")], []) == (moves(outcome), book.postings)


def test_what_falls_due_does_so_before_the_next_fact_of_its_customer():
    book = sold()
    used = book.use("1", at=EXPIRY)
    assert [("b", "available", "expired", "10")] == [
        move for r in book.out for move in moves(r["data"])
    ]
    assert 1 == len(used["overage"])


def test_usage_in_the_window_reopens_an_expired_block_for_just_what_it_draws():
    """F03: 4050 5; 2000 5 and 2000 5; 4000 5, with the effective date of the usage."""
    book = sold()
    book.sweep("2026-02-02T00:00:00Z")
    late = book.use("5", at="2026-01-31T12:00:00Z", recorded="2026-02-02T12:00:00Z")
    assert [("b", "expired", "available", "5"), ("b", "available", "drawn", "5")] == moves(late)
    assert [("R-REOPEN", "4050", "2000", 500), ("R-DRAW", "2000", "4000", 500)] == book.lines
    assert {"2026-01-31"} == {p["effective_date"] for p in book.postings[-2:]}
    more = book.use("6", at="2026-01-31T13:00:00Z", recorded="2026-02-02T12:00:00Z")
    assert [("R-REOPEN", 500), ("R-DRAW", 500), ("R-OVERAGE", 100)] == [
        (rule, n) for rule, _, _, n in book.lines
    ]
    assert ["1"] == [o["amount"] for o in more["overage"]]
    assert ("0", "10", "0") == tuple(book.block()[p] for p in ("available", "drawn", "expired"))


def test_late_usage_of_an_unfunded_block_has_no_breakage_to_take_back():
    book = Book()
    book.grant("b", "10", expires_at=EXPIRY)
    book.sweep("2026-02-02T00:00:00Z")
    book.use("5", at="2026-01-31T12:00:00Z", recorded="2026-02-02T12:00:00Z")
    assert [("R-DRAW-UNFUNDED", "1150", "4000", 500)] == book.lines


def test_late_usage_of_a_part_funded_block_takes_back_only_the_breakage_there_was():
    book = Book()
    book.grant("b", "10", expires_at=EXPIRY)
    book.invoice({"amount": "3", "sells": SELLS})
    book.sweep("2026-02-02T00:00:00Z")
    assert [("R-EXPIRE", "2000", "4050", 300)] == book.lines
    book.use("5", at="2026-01-31T12:00:00Z", recorded="2026-02-02T12:00:00Z")
    assert [
        ("R-REOPEN", "4050", "2000", 300),
        ("R-DRAW", "2000", "4000", 300),
        ("R-DRAW-UNFUNDED", "1150", "4000", 200),
    ] == book.lines


def test_reopening_too_little_to_earn_a_cent_posts_nothing():
    book = sold(unit="USD")
    book.sweep("2026-02-02T00:00:00Z")
    book.use("0.004", "gb", at="2026-01-31T12:00:00Z", recorded="2026-02-02T12:00:00Z")
    assert [] == book.lines


@pytest.mark.parametrize(("ahead", "code"), [("05:00", None), ("05:00.000001", "time_in_future")])
def test_usage_may_be_five_minutes_ahead_of_the_log(ahead, code):
    book = sold()
    outcome = book.feed(
        "usage.recorded",
        {"meter": "calls", "quantity": "1"},
        f"2026-01-02T00:{ahead}Z",
        recorded="2026-01-02T00:00:00Z",
    )
    assert code == outcome.get("code")


def test_usage_ahead_of_the_log_activates_the_block_that_will_be_valid_then():
    book = Book()
    book.grant("b", "10", effective_at="2026-01-02T00:03:00Z")
    ahead = book.use("4", at="2026-01-02T00:04:00Z", recorded="2026-01-02T00:00:00Z")
    assert ("b", "available", "drawn", "4") == moves(ahead)[-1]
    due = [move for outcome in book.sweep("2026-01-02T00:03:00Z") for move in moves(outcome)]
    activated = [n for _, place, _, n in moves(ahead) + due if place == "issued"]
    assert 10 == sum(map(int, activated)), "every unit is activated once"
    assert ("0", "6", "4") == tuple(book.block()[p] for p in ("issued", "available", "drawn"))


def test_a_block_that_is_used_up_ahead_of_the_log_has_nothing_left_to_fall_due():
    book = Book()
    book.grant("b", "4", effective_at="2026-01-02T00:03:00Z", expires_at=EXPIRY)
    book.use("4", at="2026-01-02T00:04:00Z", recorded="2026-01-02T00:00:00Z")
    assert [] == book.sweep("2026-03-01T00:00:00Z")


def test_usage_ahead_of_the_log_does_not_draw_what_will_have_expired_by_then():
    book = Book()
    book.grant("b", "10", expires_at="2026-01-02T00:03:00Z")
    ahead = book.use("4", at="2026-01-02T00:04:00Z", recorded="2026-01-02T00:00:00Z")
    assert [] == moves(ahead)
    assert ["10"] == [quantity for *_, quantity in moves(book.sweep("2026-01-02T00:03:00Z")[0])]


def test_a_block_that_is_granted_after_its_interval_expires_at_once():
    book = Book()
    book.grant(
        "b", "10", at="2026-03-01T00:00:00Z", effective_at="2026-01-02T00:00:00Z", expires_at=EXPIRY
    )
    assert ("0", "10") == (book.block()["available"], book.block()["expired"])


def test_a_block_that_no_late_usage_can_reach_any_more_leaves_the_burn_order():
    book = Book()
    book.grant("old", "10", expires_at=EXPIRY)
    book.sweep("2026-03-25T00:00:00Z")
    book.grant("new", "10", at="2026-03-25T00:00:00Z")
    assert ["new"] == [block for block, *_ in moves(book.use("1"))]
    assert "10" == book.block("old")["expired"]


def test_at_one_instant_expiry_comes_before_activation_before_invoices_due():
    book = Book()
    book.invoice({"amount": "1"}, recognition="on_due", due_at=EXPIRY)
    book.grant("b", "1", effective_at=EXPIRY)
    book.grant("a", "1", expires_at=EXPIRY)
    due = [outcome["cause"]["due"] for outcome in book.sweep(EXPIRY)]
    assert ["expiry a", "activation b", "invoice_due i"] == due


def test_a_blocks_places_always_sum_to_its_quantity():
    book = sold(effective_at="2026-01-10T00:00:00Z")
    for at in ("2026-01-05T00:00:00Z", "2026-01-15T00:00:00Z", "2026-02-15T00:00:00Z"):
        book.sweep(at)
        block = book.block()
        places = [block[place] for place in ("issued", "available", "drawn", "expired")]
        assert sorted(["10", "0", "0", "0"]) == sorted(places)
    assert (None, "2026-02-01T00:00:00Z") == (block.get("reason"), block["expires_at"])


def test_customers_keep_their_currency_and_change_the_rest():
    book = Book()
    book.applied("customer.updated", {"time_zone": "Europe/Zurich", "attributes": {"a": "1"}})
    book.applied("customer.updated", {"attributes": {"a": None, "b": True}})
    book.applied("customer.updated", {})
    assert "customer_exists" == book.refused("customer.created", {"currency": "EUR"})
