"""Funding: grant and invoice in either order, before and after use, and funding that comes late."""

from __future__ import annotations

import pytest

from core.book import Book

FUNDING = {"invoice": "i", "line": "1"}
SELLS = [{"block": "b"}]


@pytest.mark.parametrize("sells", [True, False])
@pytest.mark.parametrize("funding", [True, False])
@pytest.mark.parametrize("first", ["grant", "invoice"])
def test_either_side_may_name_the_other_and_either_may_come_first(sells, funding, first):
    if not sells and not funding:
        return
    book = Book()
    steps = {
        "grant": lambda: book.grant("b", "10", **({"funding": FUNDING} if funding else {})),
        "invoice": lambda: book.invoice(
            {"amount": "10", "tax": "1"} | ({"sells": SELLS} if sells else {})
        ),
    }
    steps.pop(first)()
    for step in steps.values():
        step()
    expected = {"1100": 1100, "2000": -1000, "2200": -100}
    assert expected == {account: total for account, total in book.accounts.items() if total}
    assert "10" == book.block()["carrying"]
    book.use("4")
    assert [("R-DRAW", "2000", "4000", 400)] == book.lines


def test_a_grant_that_claims_a_booked_line_takes_it_back_from_income():
    book = Book()
    book.invoice({"amount": "10", "tax": "1"})
    assert ("R-BILL", "1100", "4030", 1000) in book.lines
    book.grant("b", "10", funding=FUNDING)
    assert [("R-BILL", "4030", "2000", 1000)] == book.lines


def test_a_grant_that_claims_a_part_paid_line_takes_back_the_part_without_its_tax():
    book = Book()
    book.invoice({"amount": "10", "tax": "2"}, recognition="on_payment")
    book.pay("6")
    book.grant("b", "10", funding=FUNDING)
    assert [("R-BILL", "4030", "2000", 500)] == book.lines
    book.pay("6")
    assert [
        ("R-PAY-FUNDS", "1000", "2000", 500),
        ("R-PAY-FUNDS", "1000", "2200", 100),
    ] == book.lines


def test_a_grant_that_claims_an_unbooked_line_posts_nothing_until_it_is_booked():
    book = Book()
    book.invoice({"amount": "10"}, recognition="on_payment")
    book.grant("b", "10", funding=FUNDING)
    assert [] == book.lines
    book.pay("10")
    assert [("R-PAY-FUNDS", "1000", "2000", 1000)] == book.lines


def test_a_line_sells_a_block_before_its_grant_and_the_money_waits_in_the_liability():
    book = Book()
    book.invoice({"amount": "10", "sells": SELLS})
    assert [("R-BILL", "1100", "2000", 1000)] == book.lines
    assert [] == book.snapshot()["blocks"]
    book.grant("b", "10")
    assert "10" == book.block()["carrying"]


def test_usage_before_the_money_stands_unbilled_and_the_money_settles_it_first():
    """B02: 300 used of an unfunded block, then 1,000 paid."""
    book = Book()
    book.grant("b", "10")
    book.use("3")
    assert [("R-DRAW-UNFUNDED", "1150", "4000", 300)] == book.lines
    book.invoice({"amount": "10", "sells": SELLS}, recognition="on_payment")
    book.pay("10")
    assert [
        ("R-PAY-FUNDS", "1000", "1150", 300),
        ("R-PAY-FUNDS", "1000", "2000", 700),
    ] == book.lines


def test_a_draw_over_the_funded_part_goes_against_both_accounts():
    book = Book()
    book.grant("b", "12000")
    book.invoice({"amount": "3000", "sells": SELLS})
    book.use("5000")
    assert [("R-DRAW", "2000", "4000", 300000), ("R-DRAW-UNFUNDED", "1150", "4000", 200000)] == (
        book.lines
    )
    book.invoice({"amount": "3000", "sells": SELLS}, invoice="j")
    assert [("R-BILL", "1100", "1150", 200000), ("R-BILL", "1100", "2000", 100000)] == book.lines


def test_what_funds_an_expired_block_is_breakage_at_once_beyond_what_was_used():
    book = Book()
    book.grant("b", "10", expires_at="2026-02-01T00:00:00Z")
    book.use("3")
    book.sweep("2026-02-01T00:00:00Z")
    assert [] == book.lines, "nobody's unpaid credit is breakage"
    book.invoice(
        {"amount": "10", "sells": SELLS}, recognition="on_payment", at="2026-02-02T00:00:00Z"
    )
    book.pay("2")
    assert [("R-PAY-FUNDS", "1000", "1150", 200)] == book.lines
    book.pay("8")
    assert [
        ("R-PAY-FUNDS", "1000", "1150", 100),
        ("R-PAY-FUNDS", "1000", "2000", 700),
        ("R-EXPIRE", "2000", "4050", 700),
    ] == book.lines
    assert ("10", "0") == (book.block()["recognised"], book.block()["carrying"])


def test_a_block_may_be_granted_for_more_than_its_lines_ask():
    book = Book()
    book.invoice({"amount": "6", "sells": SELLS})
    book.grant("b", "10")
    book.use("10")
    assert [("R-DRAW", 600), ("R-DRAW-UNFUNDED", 400)] == [(r, n) for r, _, _, n in book.lines]


def test_a_block_in_another_unit_spreads_its_price_over_its_units():
    """A10: 12,000 credits for 100.00; every draw is a difference of rounded cumulatives."""
    book = Book()
    book.grant("b", "12000", unit="credits", value={"amount": "100", "currency": "USD"})
    book.invoice({"amount": "100", "sells": SELLS})
    drawn = []
    for quantity in ("1", "1", "1", "5997"):
        book.use(quantity)
        drawn += [n for rule, _, _, n in book.lines if rule == "R-DRAW"]
    # cumulative: 1.67, 3.33, 5.00, 10,000.00 cents of 2, 4, 6, 12,000 credits
    assert [2, 1, 2, 9995] == drawn


def test_two_grants_never_share_a_line():
    book = Book()
    book.grant("a", "10", funding=FUNDING)
    data = {
        "block": "b",
        "kind": "paid",
        "unit": "USD",
        "quantity": "1",
        "funding": FUNDING,
        "value": {"amount": "1", "currency": "USD"},
    }
    assert "funding_disagrees" == book.refused("credit.granted", data)
    book.invoice({"amount": "10"})
    assert "funding_disagrees" == book.refused("credit.granted", data)


def test_a_waiting_grant_takes_one_line_of_several_and_leaves_the_others():
    book = Book()
    book.grant("b", "10", funding={"invoice": "i", "line": "2"})
    book.invoice({"amount": "1"}, {"amount": "10"}, {"amount": "3"})
    assert ["4030", "2000", "4030"] == [credit for _, _, credit, _ in book.lines]


def test_a_grant_may_claim_one_line_of_several_that_are_booked():
    book = Book()
    book.invoice({"amount": "1"}, {"amount": "10"}, {"amount": "3"}, recognition="on_payment")
    book.grant("b", "10", funding={"invoice": "i", "line": "2"})
    book.pay("14")
    assert ["4030", "2000", "4030"] == [credit for _, _, credit, _ in book.lines]


def test_a_grant_is_in_the_currency_of_the_line_that_it_claims():
    book = Book()
    book.invoice({"amount": "10"})
    data = {
        "block": "b",
        "kind": "paid",
        "unit": "USD",
        "quantity": "10",
        "funding": FUNDING,
        "value": {"amount": "10", "currency": "EUR"},
    }
    assert "currency_differs" == book.refused("credit.granted", data)
