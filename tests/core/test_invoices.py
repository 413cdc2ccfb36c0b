"""Invoices: what each recognition books when, part payments, tax, and several blocks on a line."""

from __future__ import annotations

import pytest

from core.book import Book

DUE = "2026-02-01T00:00:00Z"
SELLS = [{"block": "b"}]


def with_block(recognition: str, **more: object) -> Book:
    """A block worth 10.00 and the invoice of 10.00 and 2.00 tax that sells it."""
    book = Book()
    book.grant("b", "10", **more)
    book.invoice({"amount": "10", "tax": "2", "sells": SELLS}, recognition=recognition, due_at=DUE)
    return book


@pytest.mark.parametrize(
    ("recognition", "issued", "due", "paid"),
    [
        (
            "on_issue",
            [("R-BILL", "1100", "2000", 1000), ("R-BILL", "1100", "2200", 200)],
            [],
            [("R-PAY", "1000", "1100", 1200)],
        ),
        (
            "on_due",
            [],
            [("R-BILL", "1100", "2000", 1000), ("R-BILL", "1100", "2200", 200)],
            [("R-PAY", "1000", "1100", 1200)],
        ),
        (
            "on_payment",
            [],
            [],
            [("R-PAY-FUNDS", "1000", "2000", 1000), ("R-PAY-FUNDS", "1000", "2200", 200)],
        ),
    ],
)
def test_billing_is_booked_when_its_recognition_says(recognition, issued, due, paid):
    book = with_block(recognition)
    assert issued == book.lines
    book.sweep(DUE)
    assert due == book.lines
    book.pay("12")
    assert paid == book.lines
    assert {"1000": 1200, "2000": -1000, "2200": -200} == {
        account: total for account, total in book.accounts.items() if total
    }


@pytest.mark.parametrize("recognition", ["on_issue", "on_due", "on_payment"])
@pytest.mark.parametrize("when", ["before it is due", "after"])
@pytest.mark.parametrize(
    "parts", [["12"], ["5", "7"], ["0.01", "0.02", "11.97"], ["11.99", "0.01"]]
)
def test_the_books_end_the_same_however_and_whenever_it_is_paid(recognition, when, parts):
    book = with_block(recognition)
    book.use("4")
    if when == "after":
        book.sweep(DUE)
    for part in parts:
        book.pay(part)
    book.sweep("2026-03-01T00:00:00Z")
    assert {"1000": 1200, "2000": -600, "2200": -200, "4000": -400} == {
        account: total for account, total in book.accounts.items() if total
    }


def test_a_part_paid_before_it_is_due_is_booked_then_and_the_rest_at_its_date():
    book = with_block("on_due")
    book.pay("3")
    assert [("R-PAY-FUNDS", "1000", "2000", 250), ("R-PAY-FUNDS", "1000", "2200", 50)] == book.lines
    book.sweep(DUE)
    assert [("R-BILL", "1100", "2000", 750), ("R-BILL", "1100", "2200", 150)] == book.lines
    book.pay("9")
    assert [("R-PAY", "1000", "1100", 900)] == book.lines


def test_an_invoice_that_is_paid_whole_before_its_date_has_nothing_left_to_fall_due():
    book = with_block("on_due")
    book.pay("12")
    assert [] == book.sweep(DUE)


def test_what_falls_due_is_dated_at_its_date():
    book = with_block("on_due")
    (outcome,) = book.sweep("2026-02-05T00:00:00Z")
    assert (DUE, "invoice_due i") == (outcome["cause"]["clock"], outcome["cause"]["due"])
    assert {"2026-02-01"} == {p["effective_date"] for p in book.postings}


def test_a_payment_pays_the_lines_in_order():
    book = Book()
    book.invoice(
        {"amount": "1", "product": "p1"},
        {"amount": "2", "tax": "0.5", "product": "p2"},
        {"amount": "4", "product": "p3"},
        recognition="on_payment",
    )
    book.pay("2")
    assert [("4030", 100), ("4030", 80), ("2200", 20)] == [(c, n) for _, _, c, n in book.lines]
    book.pay("1.5")
    assert [("4030", 120), ("2200", 30)] == [(c, n) for _, _, c, n in book.lines]
    book.pay("4")
    assert [("4030", 400)] == [(c, n) for _, _, c, n in book.lines]
    assert ["p1", "p2", None, "p2", None, "p3"] == [p.get("product") for p in book.postings]


def test_tax_is_booked_by_running_total_so_that_no_part_loses_a_cent():
    book = Book()
    book.invoice({"amount": "0.05", "tax": "0.01"}, recognition="on_payment")
    for _ in range(6):
        book.pay("0.01")
    assert {"1000": 6, "4030": -5, "2200": -1} == book.accounts
    assert 6 == len(book.postings)


def test_one_line_funds_its_blocks_in_their_order():
    book = Book()
    book.grant("x", "6")
    book.grant("y", "4")
    sells = [{"block": "y", "amount": "4"}, {"block": "x", "amount": "6"}]
    book.invoice({"amount": "10", "sells": sells}, recognition="on_payment")
    book.pay("5")
    assert [("y", 400), ("x", 100)] == [(p["block"], p["amount"]) for p in book.postings]
    book.pay("5")
    assert [("x", 500)] == [(p["block"], p["amount"]) for p in book.postings[2:]]


@pytest.mark.parametrize(
    ("split", "sells"),
    [
        ({"x": 600, "y": 400}, [{"block": "x", "amount": "6"}, {"block": "y"}]),
        ({"x": 600, "y": 400}, [{"block": "x"}, {"block": "y", "amount": "4"}]),
        ({"x": 1000}, [{"block": "x"}, {"block": "y", "amount": "0"}]),
        ({"x": 1000}, [{"block": "x", "amount": "10"}, {"block": "y"}]),
    ],
)
def test_a_sale_without_an_amount_is_what_the_others_leave(split, sells):
    book = Book()
    book.grant("x", "10")
    book.grant("y", "10")
    book.invoice({"amount": "10", "sells": sells})
    assert split == {p["block"]: p["amount"] for p in book.postings}


def test_two_lines_may_sell_one_block_as_instalments_up_to_its_value():
    book = Book()
    book.grant("b", "10")
    book.invoice({"amount": "6", "sells": SELLS})
    book.use("8")
    assert [("R-DRAW", 600), ("R-DRAW-UNFUNDED", 200)] == [(r, n) for r, _, _, n in book.lines]
    book.invoice({"amount": "4", "sells": SELLS}, invoice="j")
    assert [("R-BILL", "1100", "1150", 200), ("R-BILL", "1100", "2000", 200)] == book.lines
    code = book.refused(
        "invoice.issued",
        {
            "invoice": "k",
            "currency": "USD",
            "lines": [{"line": "1", "amount": "0.01", "sells": SELLS}],
        },
    )
    assert "sold_above_value" == code


def test_a_line_names_its_product_or_takes_its_meters():
    book = Book()
    book.invoice(
        {"amount": "1", "meter": "gb"},
        {"amount": "2", "meter": "gb", "product": "p"},
        {"amount": "3"},
    )
    assert ["disk", "p", None] == [p.get("product") for p in book.postings]


def test_the_recognition_of_an_invoice_is_its_own_or_the_policys_of_its_time():
    book = Book()
    book.published(
        "policy.published",
        {
            "version": 1,
            "effective_from": "2026-01-10T00:00:00Z",
            "author": "a",
            "reason": "r",
            "keys": {"invoice.recognition": "on_payment"},
        },
    )
    book.invoice({"amount": "1"}, at="2026-01-09T00:00:00Z")
    assert 1 == len(book.lines)
    book.invoice({"amount": "1"}, invoice="j", at="2026-01-10T00:00:00Z")
    assert [] == book.lines
    book.invoice({"amount": "1"}, invoice="k", recognition="on_issue")
    assert 1 == len(book.lines)


def test_an_invoice_of_nothing_books_nothing_and_falls_due_quietly():
    book = Book()
    book.invoice({"amount": "0"}, {"amount": "0", "sells": SELLS}, recognition="on_due", due_at=DUE)
    (outcome,) = book.sweep(DUE)
    assert ("applied", []) == (outcome["status"], book.postings)


@pytest.mark.parametrize(("currency", "amount", "minor"), [("JPY", "7", 7), ("KWD", "0.007", 7)])
def test_money_counts_in_the_minor_units_of_its_currency(currency, amount, minor):
    book = Book(currency)
    book.applied(
        "invoice.issued",
        {"invoice": "i", "currency": currency, "lines": [{"line": "1", "amount": amount}]},
    )
    assert [(minor, currency)] == [(p["amount"], p["currency"]) for p in book.postings]
