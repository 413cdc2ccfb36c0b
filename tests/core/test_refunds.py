"""Refunds: unused credit and its tax go back, in two steps or in one; used credit is conceded."""

from __future__ import annotations

import pytest

from core.book import Book, moves
from core.test_changes import WHY, sound

SELLS = [{"block": "b"}]


def paid(*, used: str | None = None, tax: str = "0") -> Book:
    """A block of 100 that is sold, billed and paid."""
    book = Book()
    book.grant("b", "100")
    book.invoice({"amount": "100", "tax": tax, "sells": SELLS})
    book.pay(str(100 + int(tax)))
    if used is not None:
        book.use(used)
    return book


def refunded(book: Book, quantity: str | None = None, block: str = "b") -> dict[str, object]:
    data = {"block": block} | WHY | ({} if quantity is None else {"quantity": quantity})
    return book.applied("credit.refunded", data)


def paid_out(book: Book, amount: str, **more: object) -> dict[str, object]:
    return book.applied("payment.refunded", {"invoice": "i", "amount": amount} | more)


def test_what_is_unused_is_owed_with_its_tax_and_then_paid():
    book = paid(used="40", tax="20")
    outcome = refunded(book)
    assert [("b", "available", "refunded", "60")] == moves(outcome)
    assert [("R-REFUND", "2000", "2110", 6000), ("R-REFUND", "2200", "2110", 1200)] == book.lines
    paid_out(book, "72")
    assert [("R-REFUND-PAID", "2110", "1000", 7200)] == book.lines
    assert {"1000": 4800, "2200": -800, "4000": -4000} == book.accounts
    sound(book)


def test_a_part_refund_leaves_a_block_that_ties_out():
    book = paid(tax="7")
    book.use("66.666", meter="gb")
    refunded(book, "33.333")
    book.use("66.668", meter="gb")
    assert "0" == book.block()["carrying"]
    assert {"1000": 10700, "2110": -3567, "2200": -467, "4000": -6666} == book.accounts
    sound(book)


def test_what_is_not_paid_is_not_refunded():
    book = Book()
    book.grant("b", "100")
    book.grant("free", "5", kind="promotional")
    book.invoice({"amount": "100", "sells": SELLS})
    assert "not_paid" == book.refused("credit.refunded", {"block": "b"} | WHY)
    book.pay("40")
    assert "not_paid" == book.refused("credit.refunded", {"block": "b", "quantity": "41"} | WHY)
    refunded(book, "40")
    assert "not_paid" == book.refused("credit.refunded", {"block": "b", "quantity": "1"} | WHY)
    assert "not_paid" == book.refused("credit.refunded", {"block": "free"} | WHY)
    assert {"1100": 6000, "2000": -6000, "2110": -4000, "1000": 4000} == book.accounts
    assert "paid_too_much" == book.refused("invoice.paid", {"invoice": "i", "amount": "60.01"})
    book.pay("60")
    sound(book)


def test_the_instalment_billed_last_goes_back_first():
    book = Book()
    book.grant("b", "100")
    book.invoice({"amount": "60", "sells": SELLS})
    book.invoice({"amount": "40", "tax": "4", "sells": SELLS}, invoice="second")
    book.pay("60")
    book.pay("44", invoice="second")
    refunded(book, "50")
    owed = [(p["invoice"], p["debit"], p["amount"]) for p in book.postings[-3:]]
    assert [("second", "2000", 4000), ("second", "2200", 400), ("i", "2000", 1000)] == owed
    assert "not_paid" == book.refused("payment.refunded", {"invoice": "i", "amount": "60.01"})
    paid_out(book, "10")
    assert [("R-REFUND-PAID", "2110", "1000", 1000)] == book.lines
    sound(book)


def test_cash_that_goes_back_by_itself_is_approved_and_paid_at_once():
    book = paid(used="40", tax="20")
    outcome = paid_out(book, "60")
    assert [("b", "available", "refunded", "50")] == moves(outcome)
    assert [
        ("R-REFUND", "2000", "2110", 5000),
        ("R-REFUND", "2200", "2110", 1000),
        ("R-REFUND-PAID", "2110", "1000", 6000),
    ] == book.lines
    assert "10" == book.block()["available"]
    sound(book)


def test_cash_for_credit_that_was_used_is_a_concession():
    book = paid(used="90")
    paid_out(book, "30")
    assert [
        ("R-REFUND", "2000", "2110", 1000),
        ("R-CONCEDE", "4920", "2110", 2000),
        ("R-REFUND-PAID", "2110", "1000", 3000),
    ] == book.lines
    assert "90" == book.block()["drawn"]
    assert "not_paid" == book.refused("payment.refunded", {"invoice": "i", "amount": "70.01"})
    paid_out(book, "70")
    assert {"4000": -9000, "4920": 9000} == book.accounts
    sound(book)


def test_cash_for_chosen_blocks_comes_from_the_lines_that_sold_them():
    book = Book()
    book.grant("a", "10")
    book.grant("b", "20")
    book.invoice(
        {"amount": "10", "sells": [{"block": "a"}]},
        {"amount": "20", "sells": [{"block": "b"}]},
        {"amount": "5"},
    )
    book.pay("35")
    data = {"invoice": "i", "amount": "20.01", "blocks": ["b"]}
    assert "not_paid" == book.refused("payment.refunded", data)
    outcome = paid_out(book, "20", blocks=["b"])
    assert [("b", "available", "refunded", "20")] == moves(outcome)
    paid_out(book, "15")
    assert {"4030": -500, "4920": 500} == book.accounts
    sound(book)


def test_a_line_that_is_paid_in_part_is_refunded_and_paid_on():
    book = Book()
    book.grant("b", "9")
    book.invoice({"amount": "9", "tax": "1", "sells": SELLS}, recognition="on_payment")
    book.pay("3.33")
    paid_out(book, "1.11")
    assert "paid_too_much" == book.refused("invoice.paid", {"invoice": "i", "amount": "6.68"})
    book.pay("6.67")
    assert {"1000": 889, "2000": -800, "2200": -89} == book.accounts
    sound(book)


def test_what_a_write_off_conceded_was_not_paid_and_is_not_refunded():
    book = Book()
    book.grant("b", "100")
    book.invoice({"amount": "100", "tax": "7", "sells": SELLS})
    book.use("40")
    book.applied("invoice.written_off", {"invoice": "i"})
    book.applied("credit.adjusted", {"block": "b", "quantity": "10"} | WHY)
    assert "not_paid" == book.refused("credit.refunded", {"block": "b", "quantity": "5"} | WHY)
    sound(book)


@pytest.mark.parametrize("what", ["payment.refunded", "payment.disputed"])
def test_what_was_paid_for_transferred_units_is_with_them(what):
    """10 paid of 100, and 10 units go elsewhere with it: the rest is unpaid."""
    book = Book()
    book.applied("customer.created", {"currency": "USD"}, customer="d")
    book.grant("b", "100")
    book.invoice({"amount": "100", "sells": SELLS}, recognition="on_payment")
    book.pay("10")
    data = {"transfer": "t", "block": "b", "quantity": "9", "to": "d"}
    book.applied("credit.transferred", data)
    assert "not_paid" == book.refused("credit.refunded", {"block": "b", "quantity": "2"} | WHY)
    back = book.applied(what, {"invoice": "i", "amount": "3"})
    assert [("b", "available", "refunded", "1")] == moves(back)
    assert 200 == sum(n for _, debit, _, n in book.lines if debit in ("4920", "6500"))
    sound(book)
