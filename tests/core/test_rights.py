"""Material rights: earned by what is expected to be drawn, all of it as usage."""

from __future__ import annotations

from typing import Any

import pytest

from core.book import Book
from core.test_changes import ALLOW, WHY, sound

WHEN = "2026-01-01T00:00:00Z"


def estimate(book: Book, rate: str, at: str = WHEN, version: int = 1, **keys: Any) -> None:
    data = {"version": version, "effective_from": at, "author": "a", "reason": "redemptions"}
    data |= {"evidence": "memo 3", "approver": "b"}
    keys = {"breakage.rate": {"material_right": rate}} | keys
    book.published("policy.published", data | {"keys": keys}, at)


def right(price: str = "90", rate: str | None = "0.1", **more: Any) -> Book:
    """100 points that were sold with something else for `price`; the customer has paid."""
    book = Book()
    if rate is not None:
        estimate(book, rate, **{"revoke.forfeit": "allow"})
    value = {"amount": price, "currency": "USD"}
    book.grant("b", "100", kind="material_right", unit="USD", value=value, **more)
    book.invoice({"amount": price, "sells": [{"block": "b"}]})
    assert [("R-BILL", "1100", "2010", int(price) * 100)] == book.lines
    return book


def test_a_right_is_earned_by_what_is_expected_to_be_drawn():
    book = right()
    book.use("45")  # half of the 90 that are expected
    assert [("R-DRAW-PROP", "2010", "4000", 4500)] == book.lines
    book.use("45")
    assert [("R-DRAW-PROP", "2010", "4000", 4500)] == book.lines
    book.use("5")  # more than was expected: all is earned already
    assert [] == book.lines
    sound(book)


def test_without_an_estimate_all_of_it_is_expected():
    book = right(rate=None)
    book.use("45")
    assert [("R-DRAW-PROP", "2010", "4000", 4050)] == book.lines
    sound(book)


def test_a_new_estimate_counts_from_the_next_draw():
    book = right()
    book.use("45")
    estimate(book, "0.5", "2026-02-01T00:00:00Z", 2)
    assert [] == book.lines
    book.use("1")
    assert [("R-DRAW-PROP", "2010", "4000", 3780)] == book.lines  # 90 * 46/50 - 45
    estimate(book, "0", "2026-03-01T00:00:00Z", 3)
    book.use("1")
    assert [("R-REESTIMATE", "4000", "2010", 4050)] == book.lines  # 90 * 47/100 - 82.80
    sound(book)


def test_what_lapses_of_a_right_is_usage_too():
    book = right(expires_at="2026-02-01T00:00:00Z")
    book.use("45")
    book.sweep("2026-02-01T00:00:00Z")
    assert [("R-EXPIRE", "2010", "4000", 4500)] == book.lines
    assert {"1100": 9000, "4000": -9000} == book.accounts
    book.use("9", at="2026-02-01T12:00:00Z")
    sound(book)


def test_late_usage_reopens_what_lapsed_of_a_right():
    book = right(expires_at="2026-02-01T00:00:00Z")
    book.use("45")
    book.use("9", at="2026-01-31T00:00:00Z", recorded="2026-02-02T00:00:00Z")
    assert {"1100": 9000, "4000": -9000} == book.accounts
    assert "54" == book.block()["drawn"]
    sound(book)


def test_a_right_that_is_not_paid_is_unbilled_as_it_is_earned():
    book = Book()
    estimate(book, "0.1")
    value = {"amount": "90", "currency": "USD"}
    book.grant("b", "100", kind="material_right", value=value)
    book.invoice({"amount": "90", "sells": [{"block": "b"}]}, recognition="on_payment")
    book.use("45")
    assert [("R-DRAW-UNFUNDED", "1150", "4000", 4500)] == book.lines
    book.pay("90")
    assert [("R-PAY-FUNDS", "1000", "1150", 4500), ("R-PAY-FUNDS", "1000", "2010", 4500)] == (
        book.lines
    )
    sound(book)


def test_a_line_that_sells_before_the_grant_is_allotted_when_it_comes():
    book = Book()
    book.invoice({"amount": "90", "sells": [{"block": "b"}]})
    assert [("R-BILL", "1100", "2000", 9000)] == book.lines
    book.grant("b", "100", kind="material_right", value={"amount": "90", "currency": "USD"})
    assert [("R-ALLOC", "2000", "2010", 9000)] == book.lines
    sound(book)


def test_a_correction_takes_back_what_was_earned_of_it():
    book = right()
    book.feed("usage.recorded", {"meter": "calls", "quantity": "45"}, id="u")
    usage = {"usage": {"source": "/tests", "id": "u"}}
    book.applied("usage.corrected", usage | {"quantity": "18"})
    assert [("R-CORRECT", "4000", "2010", 2700)] == book.lines
    book.applied("usage.retracted", usage)
    assert [("R-CORRECT", "4000", "2010", 1800)] == book.lines
    sound(book)


def test_products_share_a_right():
    book = right()
    book.use("10")
    book.use("20", "tokens")
    book.use("7")
    shares = dict.fromkeys(("api", "llm"), 0)
    for line in book.postings:
        if line["credit"] == "4000":
            shares[line["product"]] += line["amount"]
    assert {"api": 1700, "llm": 2000} == shares
    sound(book)


@pytest.mark.parametrize(
    ("kind", "data", "earned"),
    [
        ("credit.voided", {"block": "b"} | WHY, 9000),  # forfeited, which is its lapse
        ("credit.refunded", {"block": "b"} | WHY, 4050),
        ("invoice.voided", {"invoice": "i"}, 4050),
        ("credit_note.issued", {"credit_note": "n", "invoice": "i", "to": "invoice",
                                "lines": [{"line": "1", "amount": "90"}]}, 4050),
    ],
)  # fmt: skip
def test_what_leaves_of_a_right_leaves_with_its_share_of_the_price(
    kind: str, data: dict[str, Any], earned: int
):
    """What was earned for units that nobody was to draw goes back with them."""
    book = right()
    if kind == "credit.refunded":
        book.pay("90")
    book.use("45")
    book.applied(kind, data)
    book.use("1")  # nothing is left of it
    assert -earned == book.accounts["4000"]
    assert "45" == book.block()["drawn"]
    sound(book)


def test_a_part_of_a_right_goes_to_another_customer():
    book = right()
    book.applied("customer.created", {"currency": "USD"}, customer="d")
    book.use("45")
    away = {"transfer": "t", "block": "b", "quantity": "55", "to": "d"}
    book.applied("credit.transferred", away)
    assert "55" == book.block()["transferred_out"]
    assert -4050 == book.accounts["4000"]
    sound(book)


def test_a_right_rolls_over_as_a_right():
    book = right(expires_at="2026-02-01T00:00:00Z", rollover={"expires": "P1M"})
    book.use("45")
    book.sweep("2026-02-01T00:00:00Z")
    found = book.block("b~1")
    assert ("material_right", "55", "49.5") == (found["kind"], found["available"], found["value"])
    assert {"1100": 9000, "2010": -4950, "4000": -4050} == {
        account: left for account, left in book.accounts.items() if left
    }
    sound(book)
    book.sweep("2026-04-01T00:00:00Z")
    assert -9000 == book.accounts["4000"]
    sound(book)


def test_more_points_for_the_same_price_slow_a_right():
    book = right()
    book.use("45")
    book.applied("credit.adjusted", {"block": "b", "quantity": "25"} | WHY)
    assert [("R-ADJUST", "4000", "2010", 900)] == book.lines  # 90 * 45/112.5
    sound(book)


def test_points_are_no_use_of_a_minimum():
    book = right()
    least = {"unit": "USD", "quantity": "100", "term": "P1M"}
    plan = {"subscription": "s", "plan": "pro", "period": "month", "commitment": least}
    book.applied("subscription.started", plan)
    book.use("45")
    book.sweep("2026-02-01T00:00:00Z")
    assert ("R-SHORTFALL", "1150", "4020", 10000) in book.lines


@pytest.mark.parametrize(
    ("rate", "more"),
    [("1", {}), ("-0.1", {}), ("0.1", {"approver": None}), ("0.1", {"evidence": None})],
)
def test_an_estimate_leaves_some_and_has_an_approver_and_evidence(rate: str, more: dict[str, Any]):
    book = Book()
    data = ALLOW | {"keys": {"breakage.rate": {"material_right": rate}}}
    data |= {"approver": "b", "evidence": "memo 3"} | more
    assert "invalid_value" == book.refused("policy.published", data, customer=None)


def test_an_estimate_is_for_a_kind_that_is_earned_by_it():
    keys = {"breakage.rate": {"paid": "0.1"}}
    assert "unknown_field" == Book().refused(
        "policy.published", ALLOW | {"keys": keys}, customer=None
    )


def test_a_right_of_which_late_usage_leaves_nothing_to_roll_over_is_earned_where_it_was():
    """What had been drawn after it rolled over is owed: nothing of it is left to be expected."""
    book = right(expires_at="2026-01-10T00:00:00Z", rollover={"quantity": "50"})
    book.use("20", at="2026-01-11T00:00:00Z")
    assert "20" == book.block("b~1")["drawn"]
    book.use("100", at="2026-01-09T00:00:00Z", recorded="2026-01-11T01:00:00Z")
    assert ("100", "0") == (book.block("b")["drawn"], book.block("b~1")["quantity"])
    assert {"USD": "20"} == book.snapshot()["overage"]
    sound(book)
