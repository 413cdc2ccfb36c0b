"""Arrears: overage accrues as it is used, and the invoice that bills it is the legal amount."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.book import Book
from properties.events import Event

RANGE = {"meter": "gb", "from": "2026-01-01T00:00:00Z", "to": "2026-02-01T00:00:00Z"}


def bill(book: Book, amount: str, *refs: object, **more: object) -> Event:
    line = {"line": "1", "amount": amount, "arrears_for": list(refs)} | more
    return book.feed(
        "invoice.issued", {"invoice": f"i{len(book.facts)}", "currency": "USD", "lines": [line]}
    )


@given(st.lists(st.integers(1, 3_000), min_size=1, max_size=12))
def test_overage_accrues_by_running_total_so_that_no_fraction_is_lost(thousandths):
    book = Book()
    for n in thousandths:
        book.use(f"{n // 1000}.{n % 1000:03}", "gb")
    exact = Fraction(sum(thousandths), 1000) / 2
    posted = round(exact * 100)
    assert posted == book.accounts.get("1150", 0) == -book.accounts.get("4010", 0)
    assert exact == Fraction(book.snapshot()["overage"]["USD"])


@pytest.mark.parametrize(
    ("amount", "lines"),
    [
        ("74.07", [("1100", "1150", 7407)]),
        ("74", [("1100", "1150", 7400), ("4010", "1150", 7)]),
        ("75", [("1100", "1150", 7407), ("1100", "4010", 93)]),
        ("0", [("4010", "1150", 7407)]),
    ],
)
def test_the_invoice_is_the_legal_amount_and_the_difference_is_revenue(amount, lines):
    book = Book()
    used = book.use("148.14", "gb")
    bill(book, amount, used["overage"][0]["id"])
    assert lines == [(debit, credit, n) for _, debit, credit, n in book.lines]
    assert "1150" not in book.accounts
    assert {} == book.snapshot()["overage"]


def test_tax_of_arrears_passes_through_and_payment_changes_no_revenue():
    book = Book()
    used = book.use("2", "gb")
    bill(book, "1", used["overage"][0]["id"], tax="0.2")
    assert [("1100", "1150", 100), ("1100", "2200", 20)] == [(d, c, n) for _, d, c, n in book.lines]
    book.pay("1.2", invoice=book.facts[-1]["data"]["invoice"])
    assert [("R-PAY", "1000", "1100", 120)] == book.lines


@pytest.mark.parametrize("recognition", ["on_issue", "on_due", "on_payment"])
def test_arrears_are_booked_on_issue_whatever_the_recognition(recognition):
    book = Book()
    used = book.use("2", "gb")
    line = {"line": "1", "amount": "1", "arrears_for": [used["overage"][0]["id"]]}
    book.applied(
        "invoice.issued",
        {
            "invoice": "i",
            "currency": "USD",
            "lines": [line],
            "recognition": recognition,
            "due_at": "2026-02-01T00:00:00Z",
        },
    )
    assert [("R-BILL-ARREARS", "1100", "1150", 100)] == book.lines
    book.sweep("2026-02-01T00:00:00Z")
    assert [] == book.lines


def test_a_range_bills_usage_from_its_first_instant_to_the_one_before_its_last():
    book = Book(begin="2025-12-01T00:00:00Z")
    for at in (
        "2025-12-31T23:59:59.999999Z",
        "2026-01-01T00:00:00Z",
        "2026-01-31T23:59:59.999999Z",
        "2026-02-01T00:00:00Z",
    ):
        book.use("2", "gb", at=at)
    book.use("5", "calls")
    bill(book, "2", RANGE)
    assert [("1100", "1150", 200)] == [(d, c, n) for _, d, c, n in book.lines]
    assert {"USD": "7"} == book.snapshot()["overage"]
    bill(book, "0", RANGE)
    assert [] == book.lines


def test_overage_is_billed_once_though_two_lines_and_two_invoices_name_it():
    book = Book()
    ref = book.use("2", "gb")["overage"][0]["id"]
    lines = [{"line": n, "amount": "1", "arrears_for": [RANGE]} for n in "12"]
    book.applied("invoice.issued", {"invoice": "i", "currency": "USD", "lines": lines})
    assert [("1100", "1150", 100), ("1100", "4010", 100)] == [
        (d, c, n) for _, d, c, n in book.lines
    ]
    assert "unknown_overage" == bill(book, "1", ref)["code"]
    book.use("2", "gb")
    assert "unknown_overage" == bill(book, "1", ref)["code"]


def test_one_line_may_name_an_overage_and_the_range_that_holds_it():
    book = Book()
    ref = book.use("2", "gb")["overage"][0]["id"]
    bill(book, "1", ref, RANGE, ref)
    assert [("1100", "1150", 100)] == [(d, c, n) for _, d, c, n in book.lines]


def test_a_line_over_several_products_settles_them_in_their_order():
    book = Book()
    refs = [
        book.use(n, meter)["overage"][0]["id"]
        for n, meter in (("4", "gb"), ("3", "calls"), ("5", "tokens"))
    ]
    bill(book, "7.50", *refs)
    assert [
        ("api", "1100", 300),
        ("disk", "1100", 200),
        ("llm", "1100", 250),
        ("llm", "4010", 250),
    ] == [(p["product"], p["debit"], p["amount"]) for p in book.postings[-4:]]
    assert "1150" not in book.accounts


def test_unpriced_overage_is_billed_as_revenue_when_an_invoice_prices_it():
    book = Book()
    ref = book.use("7", "pings")["overage"][0]["id"]
    bill(book, "3.50", ref)
    assert [("1100", "4010", 350)] == [(d, c, n) for _, d, c, n in book.lines]
    assert {} == book.snapshot()["overage"]


def test_overage_of_another_currency_stays_open():
    book = Book()
    ref = book.use("2", "gb")["overage"][0]["id"]
    line = {"line": "1", "amount": "1"}
    issued = {"invoice": "i", "currency": "EUR", "lines": [line | {"arrears_for": [ref]}]}
    assert "currency_differs" == book.refused("invoice.issued", issued)
    issued["lines"] = [line | {"arrears_for": [RANGE]}]
    book.applied("invoice.issued", issued)
    assert [("1100", "4010", 100)] == [(d, c, n) for _, d, c, n in book.lines]
    assert {"USD": "1"} == book.snapshot()["overage"]


def test_overage_below_a_minor_unit_is_posted_with_the_next_and_billed_with_its_own():
    book = Book()
    first = book.use("0.008", "gb")["overage"][0]  # 0.4 cents: nothing to post yet
    assert [] == book.lines
    second = book.use("0.008", "gb")["overage"][0]  # 0.8 cents: one is posted
    assert [("R-OVERAGE", "1150", "4010", 1)] == book.lines
    bill(book, "0.01", first["id"])
    assert [("1100", "4010", 1)] == [(d, c, n) for _, d, c, n in book.lines]
    bill(book, "0.01", second["id"])
    assert [("1100", "1150", 1)] == [(d, c, n) for _, d, c, n in book.lines]
