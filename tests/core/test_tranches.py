"""Lines that fund a program: equal parts, one for each block, whenever each of them comes."""

from __future__ import annotations

from typing import Any

import pytest

from core.book import Book, moves
from core.test_changes import WHY, sound
from properties.events import Event

YEAR = {"from": "2026-01-01T00:00:00Z", "to": "2027-01-01T00:00:00Z"}
SPRING = {"from": "2026-01-01T00:00:00Z", "to": "2026-04-01T00:00:00Z"}


def monthly(**grant: Any) -> Book:
    """A program that gives the customer 100 credits on the first of each month."""
    book = Book()
    template = {"kind": "included", "unit": "credits", "quantity": "100", "expires": "period_end"}
    terms = {"grant": template | grant, "every": "month", "anchor": "calendar"}
    book.applied("program.attached", {"program": "p", "definition": terms})
    return book


def billed(book: Book, amount: str = "1000", span: Event = YEAR, **more: Any) -> Event:
    tax = {"tax": more.pop("tax")} if "tax" in more else {}
    return book.invoice({"amount": amount, "funds": {"program": "p"} | span} | tax, **more)


def tranches(book: Book) -> list[int]:
    """What each grant has had, in the order of the grants."""
    return [p["amount"] for p in book.postings if p["rule"] == "R-TRANCHE"]


def values(book: Book) -> list[str]:
    found = book.snapshot()["blocks"]
    return [b["value_now"] for b in sorted(found, key=lambda each: each["effective_at"])]


def test_a_year_is_twelve_parts_by_running_total():
    book = monthly()
    book.sweep("2026-01-01T00:00:00Z")
    billed(book, tax="200")
    first = [("R-BILL", "1100", "2000", 8333), ("R-BILL", "1100", "2020", 91667)]
    assert [*first, ("R-BILL", "1100", "2200", 20000)] == book.lines
    book.sweep("2026-12-31T00:00:00Z")
    parts = [8334, 8333, 8333, 8334, 8333, 8333, 8334, 8333, 8333, 8334, 8333]
    assert parts == tranches(book)
    book.sweep("2027-01-01T00:00:00Z")
    assert {"1100": 120000, "2200": -20000, "4050": -100000} == book.accounts
    sound(book)


def test_what_is_used_of_a_tranche_is_usage_and_the_rest_ends_with_its_month():
    book = monthly()
    billed(book)
    book.use("30")  # 60 of 100 credits
    assert [("R-DRAW", "2000", "4000", 5000)] == book.lines
    book.sweep("2026-02-01T00:00:00Z")
    assert [
        ("R-RESET", "2000", "4050", 3333),
        ("R-TRANCHE", "2020", "2000", 8334),
    ] == book.lines
    assert {"1100": 100000, "2000": -8334, "2020": -83333, "4000": -5000, "4050": -3333} == (
        book.accounts
    )
    sound(book)


@pytest.mark.parametrize("rule", ["on_payment", "on_due"])
def test_parts_are_funded_as_the_line_becomes_unconditional(rule: str):
    book = monthly()
    due = {"due_at": "2026-02-15T00:00:00Z"} if rule == "on_due" else {}
    billed(book, "300", SPRING, recognition=rule, **due)
    assert [] == book.lines
    book.use("25")
    assert [("R-DRAW-UNFUNDED", "1150", "4000", 5000)] == book.lines
    if rule == "on_due":
        book.sweep("2026-02-15T00:00:00Z")
        assert ("R-BILL", "1100", "1150", 5000) in book.lines
    else:
        book.pay("150", at="2026-02-01T00:00:00Z")
        paid = [
            (debit, credit, amount) for rule, debit, credit, amount in book.lines if "P" in rule
        ]
        assert [("1000", "1150", 5000), ("1000", "2000", 5000), ("1000", "2000", 5000)] == paid[:3]
    book.pay("300" if rule == "on_due" else "150")
    book.sweep("2026-04-01T00:00:00Z")
    assert {"1000": 30000, "4000": -5000, "4050": -25000} == book.accounts
    sound(book)


def test_a_line_that_comes_after_a_grant_prices_what_was_used():
    book = monthly()
    book.use("50")
    assert [] == book.lines
    billed(book, "300", SPRING)
    assert [
        ("R-TRANCHE", "1150", "4000", 10000),
        ("R-BILL", "1100", "1150", 10000),
        ("R-BILL", "1100", "2020", 20000),
    ] == book.lines
    assert ["100"] == values(book)


def test_a_line_that_comes_after_its_time_is_breakage_but_for_what_was_used():
    book = monthly()
    book.sweep("2026-04-02T00:00:00Z")
    billed(book, "300", SPRING)
    book.sweep("2026-04-03T00:00:00Z")
    assert {"1100": 30000, "4050": -30000} == book.accounts


def test_what_no_block_has_had_by_the_end_is_earned():
    book = monthly()
    billed(book, "300", SPRING)
    book.applied("program.detached", {"program": "p"}, "2026-01-15T00:00:00Z")
    book.sweep("2026-04-01T00:00:00Z")
    assert [("R-EXPIRE", "2020", "4050", 20000)] == book.lines[-1:]
    assert "2026-03-31" == book.postings[-1]["effective_date"]
    assert {"1100": 30000, "4050": -30000} == book.accounts
    sound(book)


def test_a_subscription_is_funded_by_its_own_line():
    book = Book()
    template = {"kind": "included", "unit": "credits", "quantity": "10", "expires": "period_end"}
    terms = {"grant": template, "every": "month", "anchor": "subscription"}
    book.applied("program.attached", {"program": "p", "definition": terms})
    for name in ("s1", "s2"):
        plan = {"subscription": name, "plan": "pro", "period": "month"}
        book.applied("subscription.started", plan)
    book.invoice({"amount": "30", "funds": {"program": "p", "subscription": "s1"} | SPRING})
    found = {b["block"]: b["value_now"] for b in book.snapshot()["blocks"]}
    assert {"p:s1:1": "10", "p:s2:1": "0"} == found
    sound(book)


def test_credit_that_a_line_pays_for_is_not_free():
    """Included in a price: free credit of the same end goes first, whenever the line comes."""
    book = monthly()
    ends = {"expires_at": "2026-02-01T00:00:00Z", "effective_at": "2026-01-01T00:00:00Z"}
    book.grant("z", "100", kind="promotional", unit="credits", **ends)
    book.use("1")
    assert ["p:c:1"] == [e["block"] for e in book.use("1")["entries"]]
    billed(book, "300", SPRING)
    assert ["z"] == [e["block"] for e in book.use("1")["entries"]]
    assert ("0", "100") == (book.block("p:c:1")["value"], book.block("p:c:1")["value_now"])


def test_what_a_line_pays_for_counts_towards_a_commitment_as_bought():
    """Also what was drawn before the line came, and what is corrected of it after."""
    book = monthly(unit="USD")
    terms = {"unit": "USD", "quantity": "1000", "term": "year"}
    start = {"subscription": "s", "plan": "pro", "period": "month", "commitment": terms}
    book.applied("subscription.started", start)

    def counted() -> str:
        return str(book.snapshot()["commitments"][0]["counted"])

    book.applied("usage.recorded", {"meter": "calls", "quantity": "30"}, id="u")
    assert "0" == counted()
    billed(book, "300", SPRING)
    assert "30" == counted()
    book.use("5", at="2026-01-02T00:00:00Z")
    assert "35" == counted()
    about = {"usage": {"source": "/tests", "id": "u"}}
    book.applied("usage.retracted", about, "2026-01-03T00:00:00Z")
    assert "5" == counted()


def test_two_lines_add_up():
    book = monthly()
    billed(book, "300", SPRING)
    billed(book, "30", SPRING, invoice="more")
    assert ["110"] == values(book)
    sound(book)


def test_a_void_takes_what_is_unused_and_what_is_to_come():
    book = monthly()
    billed(book, "300", SPRING, tax="30")
    book.use("10")
    outcome = book.applied("invoice.voided", {"invoice": "i"})
    assert [("p:c:1", "available", "voided", "80")] == moves(outcome)
    assert {"1100": 2200, "2200": -200, "4000": -2000} == book.accounts
    book.sweep("2026-03-01T00:00:00Z")
    assert [] == tranches(book)
    sound(book)


def test_a_credit_note_takes_what_is_to_come_first_and_spreads_the_rest():
    book = monthly()
    billed(book, "300", SPRING)
    book.pay("300")
    note = {"credit_note": "n", "invoice": "i", "to": "refund"}
    line = {"line": "1", "amount": "50"}
    assert [] == moves(book.applied("credit_note.issued", note | {"lines": [line]}))
    assert [("R-CREDIT-NOTE", "2020", "2110", 5000)] == book.lines
    book.sweep("2026-03-31T00:00:00Z")
    assert [7500, 7500] == tranches(book)
    whole = {"line": "1", "amount": "75"}
    outcome = book.applied("credit_note.issued", note | {"credit_note": "m", "lines": [whole]})
    assert [("p:c:3", "available", "voided", "100")] == moves(outcome)
    sound(book)


def test_a_dispute_takes_what_is_to_come_and_what_is_unused():
    book = monthly()
    billed(book, "300", SPRING)
    book.pay("300")
    book.use("25")
    outcome = book.applied("payment.disputed", {"invoice": "i", "amount": "300"})
    assert [("p:c:1", "available", "refunded", "50")] == moves(outcome)
    assert {"4000": -5000, "6500": 5000} == book.accounts
    sound(book)


def test_a_refund_of_a_block_takes_its_own_part():
    book = monthly()
    billed(book, "300", SPRING)
    book.pay("300")
    book.applied("credit.refunded", WHY | {"block": "p:c:1"})
    assert [("R-REFUND", "2000", "2110", 10000)] == book.lines
    book.sweep("2026-02-01T00:00:00Z")
    assert [10000] == tranches(book)
    sound(book)


def test_a_write_off_loses_what_was_used_and_cancels_the_rest():
    book = monthly()
    billed(book, "300", SPRING)
    book.use("25")
    book.applied("invoice.written_off", {"invoice": "i"})
    assert {"4000": -5000, "6500": 5000} == book.accounts
    sound(book)


def test_a_small_amount_reaches_every_third_month():
    book = monthly()
    billed(book, "0.04")
    book.sweep("2026-12-31T00:00:00Z")
    assert ["0", "0.01", "0", "0", "0.01", "0", "0", "0.01", "0", "0", "0.01", "0"] == values(book)
    sound(book)


def test_credit_that_pays_invoices_pays_no_such_line():
    book = monthly()
    book.grant("gift", "50", kind="promotional", draws_on="invoice")
    assert [] == moves(billed(book))


@pytest.mark.parametrize(
    ("grant", "line", "code"),
    [
        ({}, {"funds": {"program": "none"} | YEAR}, "unknown_program"),
        ({}, {"funds": {"program": "p", "subscription": "s"} | YEAR}, "unknown_subscription"),
        ({"kind": "promotional"}, {}, "value_not_free"),
        ({"value": {"amount": "1", "currency": "EUR"}}, {}, "currency_differs"),
        ({"value": {"amount": "1", "currency": "USD"}}, {}, "line_ambiguous"),
        ({}, {"sells": [{"block": "b"}]}, "line_ambiguous"),
        (
            {},
            {"funds": {"program": "p", "from": YEAR["from"], "to": "2026-01-01T00:00:00.5Z"}},
            "applied",
        ),
        (
            {},
            {
                "funds": {
                    "program": "p",
                    "from": "2026-01-02T00:00:00Z",
                    "to": "2026-01-31T00:00:00Z",
                }
            },
            "funds_nothing",
        ),
        ({}, {"funds": {"program": "p", "from": YEAR["to"], "to": YEAR["to"]}}, "invalid_value"),
        (
            {},
            {"funds": {"program": "p", "from": YEAR["from"], "to": "9999-01-01T00:00:00Z"}},
            "quantity_out_of_range",
        ),
    ],
)
def test_what_cannot_be_funded_is_refused(grant: Event, line: Event, code: str):
    book = monthly(**grant)
    row = {"line": "1", "amount": "10", "funds": {"program": "p"} | YEAR} | line
    data = {"invoice": "i", "currency": "USD", "lines": [row]}
    if code == "applied":
        book.applied("invoice.issued", data)
    else:
        assert code == book.refused("invoice.issued", data)
