"""Credit that draws on invoices: what it pays, what it leaves, and when it comes back."""

from __future__ import annotations

from typing import Any

import pytest

from core.book import Book, moves
from core.test_changes import WHY, sound
from core.test_transfers import THERE, sent
from properties.events import Event, snapshots

BEFORE_TAX = {
    "version": 1,
    "effective_from": "2026-01-01T00:00:00Z",
    "keys": {"invoice.credit_before_tax": True},
    "author": "a",
    "reason": "r",
}
CALLS = {"meter": "calls", "from": "2026-01-01T00:00:00Z", "to": "2027-01-01T00:00:00Z"}


def stocked(*, free: str | None = None, paid: str | None = None, **more: Any) -> Book:
    """Free credit, and credit that was sold for what it says, both for invoices."""
    book = Book()
    if paid is not None:
        book.grant("paid", paid, draws_on="invoice", **more)
        book.invoice({"amount": paid, "sells": [{"block": "paid"}]}, invoice="sale")
        book.pay(paid, invoice="sale")
    if free is not None:
        book.grant("free", free, kind="promotional", draws_on="invoice", **more)
    return book


def before_tax(book: Book) -> Book:
    book.published("policy.published", BEFORE_TAX)
    return book


def noted(book: Book, amount: str, to: str = "invoice", **more: str) -> Event:
    note = {"credit_note": f"n{len(book.facts)}", "invoice": "i", "to": to}
    return book.applied(
        "credit_note.issued", note | {"lines": [{"line": "1", "amount": amount} | more]}
    )


def over(book: Book, amount: str, to: str = "invoice", **more: str) -> str:
    note = {"credit_note": "over", "invoice": "i", "to": to}
    line = {"line": "1", "amount": amount} | more
    return book.refused("credit_note.issued", note | {"lines": [line]})


def test_usage_and_holds_have_none_of_it():
    book = stocked(free="50", paid="50")
    assert {} == {u: n for u, n in book.snapshot()["usable"].items() if n != "0"}
    assert {"USD": "100"} == book.snapshot()["for_invoices"]
    outcome = book.use("5")
    assert [] == moves(outcome)
    assert "5" == outcome["overage"][0]["amount"]
    hold = {"hold": "h", "unit": "USD", "quantity": "1", "expires_at": "2026-02-01T00:00:00Z"}
    assert "not_enough" == book.refused("hold.placed", hold)
    sound(book)


def test_it_repays_no_carried_overage():
    book = Book()
    book.applied("customer.updated", {"overage": {"default": "carry"}})
    book.use("5")
    book.grant("free", "50", kind="promotional", draws_on="invoice")
    assert [] == book.sweep("2026-01-02T00:00:00Z")
    sound(book)


def test_free_credit_lowers_the_price_and_the_tax_stays():
    book = stocked(free="30")
    outcome = book.invoice({"amount": "100", "tax": "20", "product": "api"})
    assert [("free", "available", "applied", "30")] == moves(outcome)
    assert {"i", "1"} == {outcome["entries"][0]["invoice"], outcome["entries"][0]["line"]}
    assert [
        ("R-APPLY-CREDIT", "4030", "2200", 500),
        ("R-BILL", "1100", "4030", 7500),
        ("R-BILL", "1100", "2200", 1500),
    ] == book.lines
    assert {"1100": 9000, "2200": -2000, "4030": -7000} == book.accounts
    assert "paid_too_much" == book.refused("invoice.paid", {"invoice": "i", "amount": "90.01"})
    book.pay("90")
    assert {"1000": 9000, "2200": -2000, "4030": -7000} == book.accounts
    sound(book)


def test_credit_that_was_paid_for_is_the_lines_revenue():
    book = stocked(paid="30")
    outcome = book.invoice({"amount": "100", "tax": "20"})
    assert "30" == outcome["entries"][0]["value"]
    assert [
        ("R-APPLY-CREDIT", "2000", "2200", 500),
        ("R-APPLY-CREDIT", "2000", "4030", 2500),
        ("R-BILL", "1100", "4030", 7500),
        ("R-BILL", "1100", "2200", 1500),
    ] == book.lines
    book.pay("90")
    assert {"1000": 12000, "2200": -2000, "4030": -10000} == book.accounts
    sound(book)


def test_before_tax_the_tax_falls_with_the_price():
    book = before_tax(stocked(paid="30"))
    book.invoice({"amount": "100", "tax": "20"})
    assert [
        ("R-APPLY-CREDIT", "2000", "4030", 3000),
        ("R-BILL", "1100", "4030", 7000),
        ("R-BILL", "1100", "2200", 1400),
    ] == book.lines
    book.pay("84")
    assert {"1000": 11400, "2200": -1400, "4030": -10000} == book.accounts
    sound(book)


@pytest.mark.parametrize(("early", "left", "taxed"), [(True, "100", 0), (False, "80", 2000)])
def test_credit_that_is_larger_pays_the_whole_line_and_keeps_the_rest(
    early: bool, left: str, taxed: int
):
    book = stocked(paid="200")
    book = before_tax(book) if early else book
    book.invoice({"amount": "100", "tax": "20"})
    assert (0, taxed) == (book.accounts.get("1100", 0), -book.accounts.get("2200", 0))
    assert left == book.block("paid")["available"]
    assert -10000 == book.accounts["4030"]
    assert "paid_too_much" == book.refused("invoice.paid", {"invoice": "i", "amount": "0.01"})
    sound(book)


def test_several_blocks_pay_in_the_burn_order_line_by_line():
    book = stocked(free="10", paid="50")
    outcome = book.invoice({"amount": "30"}, {"amount": "40"})
    assert [("free", "10", "1"), ("paid", "20", "1"), ("paid", "30", "2")] == [
        (e["block"], e["quantity"], e["line"]) for e in outcome["entries"]
    ]
    assert {"1100": 1000, "1000": 5000, "4030": -6000} == book.accounts
    sound(book)


def test_it_pays_lines_within_its_scope_of_products_and_meters():
    book = stocked(free="10", scope={"include": {"products": ["api"]}})
    assert [] == moves(book.invoice({"amount": "5"}, invoice="none"))
    assert [] == moves(book.invoice({"amount": "5", "product": "llm"}, invoice="other"))
    by_meter = book.invoice({"amount": "5", "meter": "calls"}, invoice="meter")
    assert [("free", "available", "applied", "5")] == moves(by_meter)
    assert [("free", "available", "applied", "5")] == moves(
        book.invoice({"amount": "9", "product": "api"}, invoice="product")
    )
    sound(book)


def test_credit_of_another_currency_pays_nothing():
    book = Book()
    book.grant("euro", "50", kind="promotional", unit="EUR", draws_on="invoice")
    priced = {"value": {"amount": "40", "currency": "EUR"}}
    book.grant("priced", "50", draws_on="invoice", **priced)
    sale = {"invoice": "sale", "currency": "EUR"}
    line = {"line": "1", "amount": "40", "sells": [{"block": "priced"}]}
    book.applied("invoice.issued", sale | {"lines": [line]})
    assert [] == moves(book.invoice({"amount": "5"}))
    sound(book)


def test_credit_pays_for_no_credit():
    book = stocked(free="50")
    book.grant("b", "10")
    assert [] == moves(book.invoice({"amount": "10", "sells": [{"block": "b"}]}))
    book.grant("c", "10", funding={"invoice": "next", "line": "1"})
    assert [] == moves(book.invoice({"amount": "10"}, invoice="next"))
    book.invoice({"amount": "10"}, invoice="plain")
    named = {"block": "d", "kind": "paid", "unit": "USD", "quantity": "10"}
    worth = {"value": {"amount": "10", "currency": "USD"}}
    funding = {"funding": {"invoice": "plain", "line": "1"}}
    assert "funding_disagrees" == book.refused("credit.granted", named | worth | funding)
    sound(book)


def test_it_pays_only_as_far_as_it_is_billed_or_paid():
    book = Book()
    book.grant("b", "100", draws_on="invoice")
    assert [] == moves(book.invoice({"amount": "10"}, invoice="early"))
    sale = {"amount": "50", "sells": [{"block": "b"}]}
    book.invoice(sale, invoice="first", recognition="on_payment")
    book.pay("20", invoice="first")
    assert [("b", "available", "applied", "20")] == moves(book.invoice({"amount": "60"}))
    book.pay("30", invoice="first")
    assert [("b", "available", "applied", "30")] == moves(
        book.invoice({"amount": "60"}, invoice="later")
    )
    sound(book)


def test_parts_of_a_minor_unit_stay_in_the_block():
    book = stocked(free="1.005")
    assert [("free", "available", "applied", "1")] == moves(book.invoice({"amount": "5"}))
    assert "0.005" == book.block("free")["available"]
    sound(book)


def test_credit_that_was_sold_below_its_face_is_earned_as_paid():
    book = Book()
    book.grant("b", "50", draws_on="invoice", value={"amount": "40", "currency": "USD"})
    book.invoice({"amount": "40", "sells": [{"block": "b"}]}, invoice="sale")
    book.invoice({"amount": "30"})
    assert [("R-APPLY-CREDIT", "2000", "4030", 2400)] == book.lines
    assert {"1100": 4000, "2000": -1600, "4030": -2400} == book.accounts
    sound(book)


def test_an_accrued_concession_pays_out_of_2030_and_its_rest_lapses():
    book = Book()
    worth = {"value": {"amount": "50", "currency": "USD"}}
    book.grant(
        "sla", "50", kind="sla", draws_on="invoice", expires_at="2026-02-01T00:00:00Z", **worth
    )
    book.invoice({"amount": "30"})
    assert [("R-APPLY-CREDIT", "2030", "4030", 3000)] == book.lines
    book.sweep("2026-02-01T00:00:00Z")
    assert [("R-EXPIRE-SLA", "2030", "4910", 2000)] == book.lines
    assert {"4030": -3000, "4910": 3000} == book.accounts
    sound(book)


def test_it_pays_by_the_invoices_own_time():
    dates = {"effective_at": "2026-01-10T00:00:00Z", "expires_at": "2026-01-20T00:00:00Z"}
    book = Book()
    book.grant("free", "30", kind="promotional", draws_on="invoice", **dates)
    for invoice, at, paid in (
        ("early", "2026-01-09T23:59:59Z", []),
        ("first", "2026-01-10T00:00:00Z", ["10"]),
        ("last", "2026-01-19T23:59:59.999999Z", ["10"]),
        ("late", "2026-01-20T00:00:00Z", []),
    ):
        outcome = book.invoice({"amount": "10"}, invoice=invoice, at=at)
        assert paid == [quantity for *_, quantity in moves(outcome)], invoice
    sound(book)


def test_what_is_in_arrears_is_billed_for_the_rest():
    book = stocked(free="10", paid="20")
    book.use("100")
    assert [("R-OVERAGE", "1150", "4010", 10000)] == book.lines
    book.invoice({"amount": "100", "tax": "20", "arrears_for": [CALLS]})
    assert {
        "1000": 2000,
        "1100": 9000,
        "2200": -2000,
        "4010": -9000,
    } == book.accounts
    sound(book)


@pytest.mark.parametrize("rule", ["on_payment", "on_due"])
def test_what_credit_pays_is_booked_at_once_and_the_rest_by_the_rule(rule: str):
    book = stocked(paid="30")
    due = {"due_at": "2026-03-01T00:00:00Z"} if rule == "on_due" else {}
    book.invoice({"amount": "100", "tax": "20"}, recognition=rule, **due)
    assert {"1000": 3000, "2200": -500, "4030": -2500} == book.accounts
    if rule == "on_due":
        book.sweep("2026-03-01T00:00:00Z")
        assert {"1000": 3000, "1100": 9000, "2200": -2000, "4030": -10000} == book.accounts
    book.pay("90")
    assert {"1000": 12000, "2200": -2000, "4030": -10000} == book.accounts
    sound(book)


@pytest.mark.parametrize("early", [True, False])
def test_the_balance_that_an_invoice_applies_goes_first(early: bool):
    book = stocked(free="500")
    book = before_tax(book) if early else book
    book.invoice({"amount": "60"}, invoice="old", recognition="on_payment")
    book.grant("b", "60")
    book.invoice({"amount": "60", "sells": [{"block": "b"}]}, invoice="sold")
    book.pay("60", invoice="sold")
    note = {"credit_note": "n", "invoice": "sold", "to": "balance"}
    book.applied("credit_note.issued", note | {"lines": [{"line": "1", "amount": "60"}]})
    book.invoice({"amount": "100", "tax": "20"}, balance_applied="60")
    assert 0 == book.accounts.get("1100", 0) == book.accounts.get("2150", 0)
    applied = book.block("free")["applied"]
    assert ("110" if early else "120") == applied  # 60 of them paid the old invoice
    sound(book)


# It comes back


def test_a_void_gives_it_back_to_the_same_block():
    book = stocked(free="10", paid="20")
    book.invoice({"amount": "100", "tax": "20"})
    outcome = book.applied("invoice.voided", {"invoice": "i"})
    assert [
        ("paid", "applied", "available", "20"),
        ("free", "applied", "available", "10"),
    ] == moves(outcome)
    assert {("i", "1")} == {(e["invoice"], e["line"]) for e in outcome["entries"]}
    assert {"1000": 2000, "2000": -2000} == book.accounts
    assert "20" == book.block("paid")["carrying"]
    sound(book)
    again = book.invoice({"amount": "100"}, invoice="again")
    assert [("free", "10"), ("paid", "20")] == [
        (e["block"], e["quantity"]) for e in again["entries"]
    ]
    sound(book)


@pytest.mark.parametrize("rule", ["on_payment", "on_due"])
def test_a_void_of_what_is_not_booked_gives_it_back(rule: str):
    book = stocked(paid="20")
    due = {"due_at": "2026-03-01T00:00:00Z"} if rule == "on_due" else {}
    book.invoice({"amount": "100", "tax": "20"}, recognition=rule, **due)
    book.applied("invoice.voided", {"invoice": "i"})
    assert {"1000": 2000, "2000": -2000} == book.accounts
    sound(book)


def test_what_has_expired_meanwhile_expires_when_it_comes_back():
    book = stocked(paid="20", expires_at="2026-02-01T00:00:00Z")
    book.invoice({"amount": "100"})
    book.sweep("2026-02-02T00:00:00Z")
    outcome = book.applied("invoice.voided", {"invoice": "i"}, "2026-02-03T00:00:00Z")
    assert [("paid", "applied", "expired", "20")] == moves(outcome)
    assert {"1000": 2000, "4050": -2000} == book.accounts
    sound(book)


def test_arrears_that_stay_owed_stay_paid_and_conceded_ones_give_it_back():
    for used, kept in (("keep_receivable", True), ("concede", False)):
        book = stocked(paid="20")
        book.use("100")
        book.invoice({"amount": "100", "tax": "20", "arrears_for": [CALLS]})
        outcome = book.applied("invoice.voided", {"invoice": "i", "used_portion": used})
        assert ([] if kept else [("paid", "applied", "available", "20")]) == moves(outcome)
        if kept:
            owed = {"1000": 2000, "1100": 10000, "2200": -2000, "4010": -10000}
            assert owed == book.accounts
        else:
            let_off = {"1000": 2000, "2000": -2000, "4010": -10000, "4920": 10000}
            assert let_off == book.accounts
        sound(book)


def test_a_credit_note_takes_money_first_and_then_gives_credit_back():
    book = stocked(free="10", paid="20")
    book.invoice({"amount": "100", "tax": "20"})
    assert [] == moves(noted(book, "70", tax="14"))
    # 5.00 and 1.00 of tax are open, 25.00 and 5.00 were paid by credit.
    outcome = noted(book, "15", tax="3")
    assert [("paid", "applied", "available", "12")] == moves(outcome)
    assert [
        ("R-CREDIT-NOTE", "4920", "1100", 500),
        ("R-CREDIT-NOTE", "2200", "1100", 100),
        ("R-CREDIT-NOTE", "2200", "2000", 200),
        ("R-CREDIT-NOTE", "4920", "2000", 1000),
    ] == book.lines
    assert "credited_too_much" == over(book, "15.01")
    assert "credited_too_much" == over(book, "15", tax="3.01")
    outcome = noted(book, "15", tax="3")
    assert [("paid", "applied", "available", "8"), ("free", "applied", "available", "10")] == moves(
        outcome
    )
    assert 0 == book.accounts.get("1100", 0) == book.accounts.get("2200", 0)
    assert {"4030": -9000, "4920": 9000} == {a: n for a, n in book.accounts.items() if a[0] == "4"}
    sound(book)


def test_no_credit_comes_back_while_there_is_money_to_give():
    book = stocked(paid="20")
    book.invoice({"amount": "100"})
    assert "credited_too_much" == over(book, "10", to="refund")
    book.pay("30")
    assert "credited_too_much" == over(book, "60")
    noted(book, "50")
    assert "credited_too_much" == over(book, "1")
    noted(book, "30", to="balance")
    outcome = noted(book, "20", to="refund")
    assert [("paid", "applied", "available", "20")] == moves(outcome)
    assert {
        "1000": 5000,
        "2000": -2000,
        "2150": -3000,
        "4030": -10000,
        "4920": 10000,
    } == book.accounts
    sound(book)


def test_a_credit_note_on_a_line_that_credit_paid_whole():
    book = stocked(paid="100")
    book.invoice({"amount": "80"})
    outcome = noted(book, "30")
    assert [("paid", "applied", "available", "30")] == moves(outcome)
    assert [("R-CREDIT-NOTE", "4920", "2000", 3000)] == book.lines
    sound(book)


def test_what_is_written_off_or_comes_back_in_cash_leaves_credit_where_it_is():
    book = stocked(paid="20")
    book.invoice({"amount": "100"})
    book.pay("50")
    assert "not_paid" == book.refused("payment.refunded", {"invoice": "i", "amount": "50.01"})
    assert [] == moves(book.applied("payment.refunded", {"invoice": "i", "amount": "30"}))
    assert [] == moves(book.applied("payment.disputed", {"invoice": "i", "amount": "20"}))
    assert [] == moves(book.applied("invoice.written_off", {"invoice": "i"}))
    assert "20" == book.block("paid")["applied"]
    sound(book)


def test_an_invoice_that_credit_paid_whole_has_nothing_to_write_off_and_may_be_voided():
    book = stocked(paid="100")
    book.invoice({"amount": "80"})
    assert "invoice_closed" == book.refused("invoice.written_off", {"invoice": "i"})
    outcome = book.applied("invoice.voided", {"invoice": "i"})
    assert [("paid", "applied", "available", "80")] == moves(outcome)
    sound(book)


# The block itself


def test_a_void_of_the_sale_takes_what_has_paid_no_invoice():
    book = Book()
    book.grant("b", "100", draws_on="invoice")
    book.invoice({"amount": "100", "sells": [{"block": "b"}]}, invoice="sale")
    book.invoice({"amount": "60"})
    outcome = book.applied("invoice.voided", {"invoice": "sale"})
    assert [("b", "available", "voided", "40")] == moves(outcome)
    book.pay("60", invoice="sale")
    assert {"1000": 6000, "4030": -6000} == book.accounts
    sound(book)


@pytest.mark.parametrize("how", ["applied", "transferred"])
def test_an_instalment_gives_back_no_more_than_stands_of_it(how: str):
    book = Book()
    book.applied("customer.created", {"currency": "USD"}, customer=THERE)
    more = {"draws_on": "invoice"} if how == "applied" else {}
    book.grant("b", "100", **more)
    half = {"amount": "50", "sells": [{"block": "b"}]}
    book.invoice(half, invoice="first")
    if how == "applied":
        book.invoice({"amount": "50"})
    else:
        sent(book, "50")
    assert "not_paid" == book.refused("credit.refunded", WHY | {"block": "b"})
    outcome = book.applied("invoice.voided", {"invoice": "first"})
    assert [] == moves(outcome)
    book.pay("50", invoice="first")
    assert "50" == book.block("b")["available"]
    sound(book)


def test_unused_credit_for_invoices_is_voided_adjusted_refunded_and_moved_like_any_other():
    book = stocked(paid="100")
    book.invoice({"amount": "40"})
    book.applied("credit.refunded", WHY | {"block": "paid", "quantity": "10"})
    assert [("R-REFUND", "2000", "2110", 1000)] == book.lines
    book.applied("credit.adjusted", WHY | {"block": "paid", "quantity": "5"})
    book.applied("customer.created", {"currency": "USD"}, customer=THERE)
    move = {"transfer": "t", "block": "paid", "quantity": "20", "to": THERE}
    book.applied("credit.transferred", move)
    there = snapshots(book.simulation.snapshots(book.at))[THERE]
    assert {"USD": "20"} == there["for_invoices"]
    assert "invoice" == there["blocks"][0]["draws_on"]
    assert {"available": "35", "applied": "40"}.items() <= book.block("paid").items()
    sound(book)


def test_a_program_grants_it_and_it_rolls_over():
    book = Book()
    grant = {"kind": "included", "unit": "USD", "quantity": "10", "draws_on": "invoice"}
    terms = {"grant": grant | {"expires": "period_end"}, "every": "month", "rollover": {"times": 1}}
    book.applied("program.attached", {"program": "p", "definition": terms})
    book.sweep("2026-02-01T00:00:00Z")
    assert {"USD": "20"} == book.snapshot()["for_invoices"]
    outcome = book.invoice({"amount": "15"}, at="2026-02-02T00:00:00Z")
    assert {"p:c:1~1", "p:c:2"} == {block for block, *_ in moves(outcome)}
    sound(book)


def test_late_usage_beside_it_leaves_what_was_paid():
    book = stocked(free="30")
    book.grant("b", "10", kind="promotional", expires_at="2026-01-02T00:00:00Z")
    book.invoice({"amount": "20"}, at="2026-01-01T12:00:00Z")
    book.sweep("2026-01-02T00:00:00Z")
    book.use("4", at="2026-01-01T06:00:00Z", recorded="2026-01-02T06:00:00Z")
    assert {"available": "10", "applied": "20"}.items() <= book.block("free").items()
    sound(book)


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"unit": "credits"}, "unknown_currency"),
        ({"kind": "buffer"}, "invalid_value"),
        ({"scope": {"include": {"where": {"field": "x", "eq": 1}}}}, "invalid_value"),
        ({"tops_up": "n1"}, "invalid_value"),
        ({"draws_on": "usages"}, "invalid_value"),
    ],
)
def test_what_could_pay_no_invoice_is_refused(more: Event, code: str):
    grant = {
        "block": "b",
        "kind": "included",
        "unit": "USD",
        "quantity": "1",
        "draws_on": "invoice",
    }
    assert code == Book().refused("credit.granted", grant | more)
