"""Voids, write-offs, credit notes and chargebacks: unused credit goes, used credit is paid for."""

from __future__ import annotations

import pytest

from core.book import Book, moves
from core.test_changes import sound

SELLS = [{"block": "b"}]


def billed(*, used: str | None = None, tax: str = "0", rule: str = "on_issue") -> Book:
    """A block of 100 that is sold by invoice i."""
    book = Book()
    book.grant("b", "100")
    due = {"due_at": "2026-02-01T00:00:00Z"} if rule == "on_due" else {}
    book.invoice({"amount": "100", "tax": tax, "sells": SELLS}, recognition=rule, **due)
    if used is not None:
        book.use(used)
    return book


def voided(book: Book, used: str | None = None) -> dict[str, object]:
    more = {} if used is None else {"used_portion": used}
    return book.applied("invoice.voided", {"invoice": "i"} | more)


def credited(book: Book, amount: str, to: str = "invoice", **more: object) -> dict[str, object]:
    note = {"credit_note": f"n{len(book.facts)}", "invoice": "i", "to": to}
    return book.applied(
        "credit_note.issued", note | {"lines": [{"line": "1", "amount": amount} | more]}
    )


def test_a_void_mirrors_what_was_billed():
    book = billed(tax="20")
    outcome = voided(book)
    assert [("b", "available", "voided", "100")] == moves(outcome)
    assert [("R-VOID", "2000", "1100", 10000), ("R-VOID", "2200", "1100", 2000)] == book.lines
    assert {} == book.accounts
    assert "paid_too_much" == book.refused("invoice.paid", {"invoice": "i", "amount": "1"})
    assert "invoice_closed" == book.refused("invoice.voided", {"invoice": "i"})
    sound(book)


def test_a_void_keeps_what_was_used_as_a_receivable():
    book = billed(used="30", tax="20")
    voided(book)
    assert [("R-VOID", "2000", "1100", 7000), ("R-VOID", "2200", "1100", 1400)] == book.lines
    book.pay("36")
    assert {"1000": 3600, "2200": -600, "4000": -3000} == book.accounts
    sound(book)


def test_a_void_concedes_what_was_used_where_told():
    book = billed(used="30", tax="20")
    voided(book, "concede")
    assert [
        ("R-VOID", "2000", "1100", 7000),
        ("R-VOID", "4920", "1100", 3000),
        ("R-VOID", "2200", "1100", 2000),
    ] == book.lines
    assert {"4000": -3000, "4920": 3000} == book.accounts
    sound(book)


def test_the_policy_decides_what_the_fact_leaves_open():
    book = Book()
    keys = {"keys": {"void.used_portion": "concede"}}
    by = {"version": 1, "effective_from": "2026-01-01T00:00:00Z", "author": "a", "reason": "r"}
    book.published("policy.published", by | keys)
    book.grant("b", "100")
    book.invoice({"amount": "100", "sells": SELLS})
    book.use("30")
    voided(book)
    assert 3000 == book.accounts["4920"]
    sound(book)


@pytest.mark.parametrize("rule", ["on_payment", "on_due"])
def test_a_void_of_what_is_not_booked_posts_for_used_credit_alone(rule):
    book = billed(used="30", tax="20", rule=rule)
    voided(book)
    assert [] == book.lines
    book.sweep("2026-02-02T00:00:00Z")
    book.pay("36")
    assert {"1000": 3600, "2200": -600, "4000": -3000} == book.accounts
    sound(book)
    book = billed(used="30", tax="20", rule=rule)
    voided(book, "concede")
    assert [("R-VOID", "4920", "1150", 3000)] == book.lines
    assert [] == book.sweep("2026-02-02T00:00:00Z")
    sound(book)


def test_a_void_undoes_plain_lines_and_keeps_arrears():
    book = Book()
    book.use("4", at="2026-01-02T00:00:00Z")
    span = {"meter": "calls", "from": "2026-01-01T00:00:00Z", "to": "2026-02-01T00:00:00Z"}
    book.invoice({"amount": "9", "tax": "1"}, {"amount": "4", "arrears_for": [span]})
    voided(book)
    assert [("R-VOID", "4030", "1100", 900), ("R-VOID", "2200", "1100", 100)] == book.lines
    assert {"1100": 400, "4010": -400} == book.accounts
    sound(book)


def test_a_paid_invoice_is_not_voided():
    book = billed()
    book.pay("1")
    assert "invoice_paid" == book.refused("invoice.voided", {"invoice": "i"})
    assert "unknown_invoice" == book.refused("invoice.voided", {"invoice": "none"})


def test_a_block_that_was_only_sold_is_voided_before_its_grant():
    book = Book()
    book.invoice({"amount": "100", "sells": SELLS})
    voided(book)
    assert {} == book.accounts
    book.grant("b", "100")
    book.use("10")
    assert {"1150": 1000, "4000": -1000} == book.accounts
    sound(book)


def test_what_was_used_and_kept_is_written_off_later():
    book = billed(used="30", tax="20")
    voided(book)
    book.applied("invoice.written_off", {"invoice": "i"})
    assert [("R-WRITEOFF", "6500", "1100", 3600)] == book.lines
    assert "invoice_closed" == book.refused("invoice.written_off", {"invoice": "i"})
    sound(book)


def test_a_write_off_cancels_what_is_unused_and_loses_the_rest():
    book = billed(used="30", tax="20")
    book.pay("12")
    outcome = book.applied("invoice.written_off", {"invoice": "i"})
    assert [("b", "available", "voided", "70")] == moves(outcome)
    assert [
        ("R-VOID", "2000", "1100", 7000),
        ("R-VOID", "2200", "1100", 1400),
        ("R-WRITEOFF", "6500", "1100", 2400),
    ] == book.lines
    sound(book)


def test_a_write_off_may_be_a_concession():
    book = billed(used="30")
    book.applied("invoice.written_off", {"invoice": "i", "used_portion": "concede"})
    assert {"4000": -3000, "4920": 3000} == book.accounts
    sound(book)


def test_a_write_off_of_what_is_not_booked_loses_what_was_used():
    book = billed(used="30", rule="on_payment")
    book.applied("invoice.written_off", {"invoice": "i"})
    assert [("R-WRITEOFF", "6500", "1150", 3000)] == book.lines
    assert {"4000": -3000, "6500": 3000} == book.accounts
    sound(book)


def test_a_credit_note_before_payment_is_a_discount():
    book = billed(tax="20")
    outcome = credited(book, "30", tax="6")
    assert [("b", "available", "voided", "30")] == moves(outcome)
    assert [
        ("R-CREDIT-NOTE", "2000", "1100", 3000),
        ("R-CREDIT-NOTE", "2200", "1100", 600),
    ] == book.lines
    book.pay("84")
    sound(book)


def test_a_credit_note_off_what_is_not_booked_posts_nothing():
    book = billed(tax="20", rule="on_payment", used="80")
    credited(book, "20", tax="4")
    assert [] == book.lines
    credited(book, "10", tax="0")
    assert [("R-CREDIT-NOTE", "4920", "1150", 1000)] == book.lines
    book.pay("86")
    assert {"1000": 8600, "2200": -1600, "4000": -8000, "4920": 1000} == book.accounts
    sound(book)


def test_a_credit_note_after_payment_goes_to_the_balance_and_pays_the_next_invoice():
    book = billed(used="90")
    book.pay("100")
    credited(book, "25", "balance")
    assert [
        ("R-CREDIT-NOTE", "2000", "2150", 1000),
        ("R-CREDIT-NOTE", "4920", "2150", 1500),
    ] == book.lines
    book.grant("c", "40")
    line = {"line": "1", "amount": "40", "sells": [{"block": "c"}]}
    next_ = {"invoice": "next", "currency": "USD", "lines": [line]}
    refused = next_ | {"balance_applied": "25.01"}
    assert "balance_too_small" == book.refused("invoice.issued", refused)
    book.applied("invoice.issued", next_ | {"balance_applied": "25"})
    assert [("R-BILL", "1100", "2000", 4000), ("R-APPLY-BAL", "2150", "1100", 2500)] == book.lines
    book.pay("15", invoice="next")
    third = {"invoice": "third", "currency": "USD", "lines": [{"line": "1", "amount": "5"}]}
    assert "balance_too_small" == book.refused("invoice.issued", third | {"balance_applied": "1"})
    sound(book)


def test_a_balance_pays_what_is_not_booked_and_never_more_than_the_invoice():
    book = billed()
    book.pay("100")
    credited(book, "50", "balance")
    lines = [{"line": "1", "amount": "40"}]
    next_ = {"invoice": "next", "currency": "USD", "lines": lines, "recognition": "on_payment"}
    assert "paid_too_much" == book.refused("invoice.issued", next_ | {"balance_applied": "40.01"})
    book.applied("invoice.issued", next_ | {"balance_applied": "30"})
    assert [("R-APPLY-BAL", "2150", "4030", 3000)] == book.lines
    sound(book)


def test_a_credit_note_in_cash_is_owed_until_it_is_paid():
    book = billed(tax="20")
    book.pay("120")
    credited(book, "30", "refund", tax="6")
    assert {"1000": 12000, "2000": -7000, "2110": -3600, "2200": -1400} == book.accounts
    book.applied("payment.refunded", {"invoice": "i", "amount": "36"})
    assert [("R-REFUND-PAID", "2110", "1000", 3600)] == book.lines
    sound(book)


def test_a_credit_note_takes_the_units_that_it_names():
    book = billed(used="10")
    book.pay("100")
    outcome = credited(book, "30", "balance", blocks=[{"block": "b", "quantity": "20"}])
    assert [("b", "available", "voided", "20")] == moves(outcome)
    assert [
        ("R-CREDIT-NOTE", "2000", "2150", 2000),
        ("R-CREDIT-NOTE", "4920", "2150", 1000),
    ] == book.lines
    outcome = credited(book, "10", "balance", blocks=[{"block": "b", "quantity": "40"}])
    assert [("b", "available", "voided", "40")] == moves(outcome)
    sound(book)


def test_tax_alone_that_was_given_back_is_no_longer_owed():
    book = Book()
    book.invoice({"amount": "0", "tax": "1"})
    credited(book, "0", tax="1")
    assert {} == book.accounts
    assert "paid_too_much" == book.refused("invoice.paid", {"invoice": "i", "amount": "1"})
    sound(book)


def test_a_credit_note_goes_no_further_than_its_line():
    book = billed(tax="20")
    book.pay("60")
    note = {"credit_note": "n", "invoice": "i", "to": "invoice"}
    for to, line, code in (
        ("invoice", {"line": "1", "amount": "50.01"}, "credited_too_much"),
        ("balance", {"line": "1", "amount": "50", "tax": "10.01"}, "credited_too_much"),
        ("refund", {"line": "1", "amount": "0"}, "quantity_not_positive"),
        ("invoice", {"line": "2", "amount": "1"}, "unknown_line"),
        ("invoice", {"line": "1", "amount": "1", "blocks": [{"block": "x"}]}, "unknown_block"),
    ):
        data = note | {"to": to, "lines": [line]}
        assert code == book.refused("credit_note.issued", data), (to, line)
    book.grant("other", "1")
    unsold = {"line": "1", "amount": "1", "blocks": [{"block": "other"}]}
    assert "unknown_line" == book.refused("credit_note.issued", note | {"lines": [unsold]})
    whole = {"line": "1", "amount": "1"}
    book.applied("credit_note.issued", note | {"lines": [whole, whole]})
    assert "credit_note_exists" == book.refused("credit_note.issued", note | {"lines": [whole]})
    sound(book)


def test_a_lost_chargeback_takes_the_unused_credit_and_loses_the_used():
    book = billed(used="40", tax="20")
    book.pay("120")
    outcome = book.applied("payment.disputed", {"invoice": "i", "amount": "120"})
    assert [("b", "available", "refunded", "60")] == moves(outcome)
    assert [
        ("R-CHARGEBACK", "2000", "1000", 6000),
        ("R-CHARGEBACK", "6500", "1000", 4000),
        ("R-CHARGEBACK", "2200", "1000", 2000),
    ] == book.lines
    assert "not_paid" == book.refused("payment.disputed", {"invoice": "i", "amount": "0.01"})
    sound(book)


def test_a_lost_chargeback_is_a_concession_by_policy():
    book = Book()
    keys = {"keys": {"chargeback.treatment": "concession"}}
    by = {"version": 1, "effective_from": "2026-01-01T00:00:00Z", "author": "a", "reason": "r"}
    book.published("policy.published", by | keys)
    book.grant("b", "100")
    book.invoice({"amount": "100", "sells": SELLS})
    book.use("40")
    book.pay("100")
    book.applied("payment.disputed", {"invoice": "i", "amount": "100", "blocks": ["b"]})
    assert {"4000": -4000, "4920": 4000} == book.accounts
    sound(book)
