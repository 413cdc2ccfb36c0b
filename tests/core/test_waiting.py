"""Credit that may not be used before it is paid."""

from __future__ import annotations

from typing import Any

import pytest

from core.book import Book, moves
from core.test_changes import sound
from core.test_top_ups import asked, notices
from properties.events import Event, outcomes, postings

SELLS = [{"block": "b"}]


def at(day: int, hour: int = 0) -> str:
    return f"2026-01-{day:02d}T{hour:02d}:00:00Z"


def waiting(recognition: str = "on_payment", *, billed: bool = True, **more: Any) -> Book:
    """100 US dollars of credit for 100 US dollars, granted on the 1st and not paid."""
    book = Book()
    book.grant("b", usable="when_funded", **more)
    if billed:
        due = {"due_at": at(5)} if recognition == "on_due" else {}
        book.invoice({"amount": "100", "sells": SELLS}, recognition=recognition, **due)
    return book


def left(book: Book) -> tuple[str, str, str]:
    """What is issued, what is available, and what of the block may be used from when on."""
    block = book.block("b")
    return block["issued"], block["available"], block["effective_at"]


def test_nothing_may_use_it_before_it_is_paid():
    """Usage is overage, a hold is not covered, and what is usable is nothing."""
    book = waiting()
    out = book.use("8", at=at(2))
    assert [] == moves(out)
    assert "8" == out["overage"][0]["amount"]
    hold = {"hold": "h", "unit": "USD", "quantity": "1", "expires_at": at(9)}
    assert "not_enough" == book.refused("hold.placed", hold)
    snapshot = book.snapshot()
    assert {} == snapshot["usable"]
    assert {"USD": "100"} == snapshot["unpaid"]
    assert [{"invoice": "i", "line": "1"}] == book.block("b")["waits_for"]
    assert ("100", "0", at(1)) == left(book)
    sound(book)


def test_it_may_be_used_from_the_payment_on():
    """The payment's outcome moves it, and what was used before stays overage."""
    book = waiting()
    book.use("8", at=at(2))
    out = book.pay("100", at(5))
    assert [("b", "issued", "available", "100")] == moves(out)
    assert ("0", "100", at(5)) == left(book)
    assert "waits_for" not in book.block("b")
    assert {} == book.snapshot()["unpaid"]
    book.use("30", at=at(6))
    assert "30" == book.block("b")["drawn"]
    sound(book)


@pytest.mark.parametrize(
    ("recognition", "begins"), [("on_issue", at(1)), ("on_due", at(5)), ("on_payment", at(7))]
)
def test_funded_is_what_the_invoice_recognises(recognition: str, begins: str):
    """Billed without condition, due, or paid."""
    book = waiting(recognition)
    book.sweep(at(6))
    book.pay("100", at(7))
    assert ("0", "100", begins) == left(book)
    sound(book)


def test_all_of_its_price_has_to_be_paid():
    """Half of an invoice, or one of two instalments, lets it wait."""
    book = waiting()
    book.pay("99.99", at(2))
    assert ("100", "0", at(1)) == left(book)
    book.pay("0.01", at(3))
    assert ("0", "100", at(3)) == left(book)
    parts = waiting(billed=False)
    for number, day in ((1, 2), (2, 4)):
        line = {"amount": "50", "sells": SELLS}
        parts.invoice(line, invoice=f"i{number}", recognition="on_payment", at=at(day))
        assert "100" == parts.block("b")["issued"]
        parts.pay("50", at(day + 1), f"i{number}")
    assert ("0", "100", at(5)) == left(parts)


def test_what_is_paid_before_the_grant_comes_may_be_used_at_once():
    """The line has sold it, and nothing is waited for."""
    book = Book()
    book.invoice({"amount": "100", "sells": SELLS}, recognition="on_payment")
    book.pay("100", at(2))
    book.grant("b", usable="when_funded", at=at(3))
    assert ("0", "100", at(3)) == left(book)
    other = Book()
    funding = {"invoice": "i", "line": "1"}
    other.grant("b", usable="when_funded", funding=funding, at=at(1))
    other.invoice({"amount": "100"}, at=at(2))
    assert ("0", "100", at(2)) == left(other)


def test_what_is_paid_early_begins_when_it_was_granted_for():
    """Its interval does not move forward."""
    book = waiting(effective_at=at(9))
    book.pay("100", at(2))
    assert ("100", "0", at(9)) == left(book)
    assert "waits_for" not in book.block("b")
    book.sweep(at(9))
    assert ("0", "100", at(9)) == left(book)


def test_what_is_due_early_begins_when_it_was_granted_for_however_late_the_clock_is():
    """It falls due on the 5th and begins on the 8th, and the log is swept on the 9th only."""
    book = Book()
    book.applied("customer.updated", {"overage": {"default": "carry"}})
    book.grant("b", usable="when_funded", effective_at=at(8))
    book.invoice({"amount": "100", "sells": SELLS}, recognition="on_due", due_at=at(5))
    book.use("8", at=at(2))
    book.sweep(at(9))
    assert [
        (at(8), ("b", "issued", "available", "100")),
        (at(8), ("b", "available", "drawn", "8")),
    ] == [(o["effective_at"], move) for o in outcomes(book.out) for move in moves(o)]
    sound(book)


def test_a_payment_ahead_of_the_log_counts_from_now_on():
    """Hosts' clocks differ by minutes."""
    book = waiting()
    pay = {"invoice": "i", "amount": "100"}
    book.applied("invoice.paid", pay, "2026-01-02T00:04:00Z", recorded=at(2))
    assert ("0", "100", at(2)) == left(book)


def test_late_usage_has_it_from_the_payment_on_and_not_before():
    """As it would have in order; usage that was ahead of the payment's record has it too."""
    book = waiting()
    book.pay("100", at(5))
    book.use("1", at=at(4, 23), recorded=at(6))
    book.use("2", at=at(5), recorded=at(6))
    book.use("4", at=at(5, 1), recorded=at(6))
    assert "6" == book.block("b")["drawn"]
    assert {"USD": "1"} == book.snapshot()["overage"]
    ahead = waiting()
    ahead.use("8", at="2026-01-05T00:04:00Z", recorded=at(5))
    assert {"USD": "8"} == ahead.snapshot()["overage"]
    pay = {"invoice": "i", "amount": "100"}
    ahead.applied("invoice.paid", pay, "2026-01-05T00:01:00Z", recorded="2026-01-05T00:01:00Z")
    assert "8" == ahead.block("b")["drawn"]
    sound(book)
    sound(ahead)


def test_usage_before_the_payment_is_folded_again_without_it():
    """Other credit was spent by then; late usage takes from that, and later usage from this."""
    book = waiting()
    book.grant("a", "10", at=at(2))
    book.use("6", at=at(3))
    book.pay("100", at(4))
    book.use("4", at=at(5))
    assert ("10", "0") == (book.block("a")["drawn"], book.block("b")["drawn"])
    book.use("7", at=at(3, 1), recorded=at(5, 1))
    assert ("10", "4") == (book.block("a")["drawn"], book.block("b")["drawn"])
    assert {"USD": "3"} == book.snapshot()["overage"]
    sound(book)


def test_carried_overage_is_repaid_when_it_is_paid():
    """And by nothing before."""
    book = waiting()
    book.applied("customer.updated", {"overage": {"default": "carry"}})
    book.use("8", at=at(2))
    book.sweep(at(3))
    assert {"USD": "8"} == book.snapshot()["overage"]
    book.pay("100", at(4))
    book.sweep(at(4))
    assert "8" == book.block("b")["drawn"]
    assert "0" == book.snapshot()["overage"].get("USD", "0")
    sound(book)


def test_what_expires_unpaid_is_gone_and_paying_for_it_later_is_breakage():
    """Nobody could use it; that is for whoever sends the invoice to see to."""
    book = waiting(expires_at=at(4))
    out = book.sweep(at(4))
    assert [[("b", "issued", "expired", "100")]] == [moves(o) for o in out]
    assert {} == book.snapshot()["unpaid"]
    assert [] == postings(book.out)
    book.pay("100", at(5))
    assert "100" == book.block("b")["expired"]
    assert {("1000", "2000"), ("2000", "4050")} == {
        (line["debit"], line["credit"]) for line in postings(book.out)
    }
    book.use("8", at=at(3), recorded=at(5))
    assert "0" == book.block("b")["drawn"]
    sound(book)


def test_what_expires_unpaid_behind_usage_that_is_ahead_was_never_available():
    """The fold goes back behind that usage, and the block goes from issued to expired."""
    book = waiting(expires_at=at(4))
    book.grant("a", "1", at=at(2), expires_at="2026-01-04T00:02:00Z")
    book.use("8", at="2026-01-04T00:01:00Z", recorded="2026-01-03T23:58:00Z")
    out = book.sweep("2026-01-04T00:03:00Z")
    found = [move for o in out for move in moves(o) if move[0] == "b"]
    assert [("b", "issued", "expired", "100")] == found
    sound(book)


def test_nothing_of_it_rolls_over_before_it_is_paid():
    """Not even the least that the terms ask for."""
    terms = {"expires_at": at(4), "rollover": {"min_quantity": "5", "expires": "P1M"}}
    book = waiting(**terms)
    book.sweep(at(4))
    assert "100" == book.block("b")["expired"]
    paid = waiting(**terms | {"rollover": {"quantity": "40"}})
    paid.pay("100", at(3))
    paid.sweep(at(4))
    assert ("40", at(7)) == (paid.block("b~1")["available"], paid.block("b~1")["expires_at"])
    assert at(4) == paid.block("b~1")["effective_at"]
    sound(paid)


def test_it_may_be_voided_and_adjusted_and_end_another_time_while_it_waits():
    """What is left of it waits on."""
    book = waiting()
    book.applied("credit.adjusted", {"block": "b", "quantity": "20", "reason": "r"}, at(2))
    assert ("120", "0", at(1)) == left(book)
    book.applied("credit.expiry_changed", {"block": "b", "expires_at": at(9)})
    book.applied("credit.voided", {"block": "b", "quantity": "60", "reason": "r"})
    assert ("60", "0", at(1)) == left(book)
    assert {"USD": "60"} == book.snapshot()["unpaid"]
    book.pay("50", at(3))
    assert ("0", "60", at(3)) == left(book)
    sound(book)


def test_it_is_not_transferred_or_refunded_before_it_is_paid():
    """Part of it is paid, and none of it may be used."""
    book = waiting()
    book.pay("40", at(2))
    sent = {"transfer": "t", "block": "b", "quantity": "10", "to": "d"}
    assert "not_paid" == book.refused("credit.transferred", sent)
    refund = {"block": "b", "quantity": "50", "reason": "r"}
    assert "not_paid" == book.refused("credit.refunded", refund)
    book.applied("credit.refunded", refund | {"quantity": "10"})
    assert ("90", "0", at(1)) == left(book)


def test_a_credit_note_for_what_is_not_paid_leaves_what_is():
    """60 units go with the line's 60, and 40 are paid: they wait for nothing."""
    book = waiting()
    book.pay("40", at(2))
    note = {"credit_note": "n", "invoice": "i", "lines": [{"line": "1", "amount": "60"}]}
    book.applied("credit_note.issued", note | {"to": "invoice"}, at(3))
    assert ("0", "40", at(3)) == left(book)
    assert "60" == book.block("b")["voided"]
    sound(book)


def test_a_voided_invoice_takes_it_away_and_money_that_goes_back_does_too():
    """What was paid and used stays used."""
    book = waiting()
    book.applied("invoice.voided", {"invoice": "i"}, at(2))
    assert ("0", "0", "100") == (*left(book)[:2], book.block("b")["voided"])
    paid = waiting()
    paid.pay("100", at(2))
    paid.use("30", at=at(3))
    paid.applied("payment.disputed", {"invoice": "i", "amount": "100"}, at(4))
    assert ("30", "70") == (paid.block("b")["drawn"], paid.block("b")["refunded"])
    sound(book)
    sound(paid)


def test_credit_for_invoices_waits_too():
    """It pays no line before it is paid, and is in nothing that usage may have."""
    book = waiting(draws_on="invoice")
    assert {} == book.snapshot()["unpaid"]
    for number, (day, drawn) in enumerate(((3, "0"), (5, "30"))):
        if day == 5:
            book.pay("100", at(4))
        book.invoice({"amount": "30", "product": "api"}, invoice=f"x{number}", at=at(day))
        assert drawn == book.block("b")["applied"]


def test_a_top_up_that_is_granted_and_not_paid_is_not_asked_for_again():
    """It is pending until it is paid; once it is void, the gap is open again."""
    book = Book()
    book.grant("a", "5")
    book.applied("customer.updated", {"top_ups": {"USD": {"threshold": "50", "add": "100"}}})
    (notice,) = notices(book)
    book.grant("b", usable="when_funded", tops_up=notice, at=at(2))
    book.use("1", at=at(3))
    assert [notice] == notices(book)
    book.applied("credit.voided", {"block": "b", "reason": "not paid"}, at(4))
    assert [(at(4), "100")] == asked(book.out)


def test_it_is_granted_when_it_is_and_the_balance_recovers_when_it_is_paid():
    """Two notices, each at its instant."""
    book = Book()
    keys = {"notice.thresholds": [{"unit": "USD", "amount": "10"}]}
    policy: Event = {"version": 1, "effective_from": at(1), "author": "a", "reason": "r"}
    book.published("policy.published", policy | {"keys": keys})
    book.grant("a", "5")
    book.grant("b", usable="when_funded", at=at(2))
    told = [r["type"].split(".")[2] for r in book.out if ".notice." in r["type"]]
    assert ["granted"] == told
    book.invoice({"amount": "100", "sells": SELLS}, at=at(3))
    told = [r["type"].split(".")[2] for r in book.out if ".notice." in r["type"]]
    assert ["balance_recovered"] == told


GRANT = {"kind": "included", "unit": "USD", "quantity": "100", "expires": "period_end"}
MONTHLY = {"grant": GRANT | {"usable": "when_funded"}, "every": "month", "anchor": "calendar"}
FUNDS = {"program": "p", "from": at(1), "to": "2026-04-01T00:00:00Z"}


def attached(**terms: Any) -> Book:
    """A program whose months wait for the line that funds them."""
    book = Book()
    book.applied("program.attached", {"program": "p", "definition": MONTHLY | terms})
    book.sweep(at(1))
    return book


def test_a_programs_blocks_wait_for_the_line_that_funds_them():
    """None yet, then unpaid, then paid: later months begin at once."""
    book = attached()
    assert [] == book.block("p:c:1")["waits_for"]
    book.invoice({"amount": "90", "funds": FUNDS}, recognition="on_payment")
    assert [{"invoice": "i", "line": "1"}] == book.block("p:c:1")["waits_for"]
    book.pay("30", at(9))
    assert ("100", at(9)) == (book.block("p:c:1")["available"], book.block("p:c:1")["effective_at"])
    book.sweep("2026-02-01T00:00:00Z")
    assert "100" == book.block("p:c:2")["issued"]
    book.pay("60", "2026-02-03T00:00:00Z")
    assert "100" == book.block("p:c:2")["available"]
    book.sweep("2026-03-01T00:00:00Z")
    assert "100" == book.block("p:c:3")["available"]
    sound(book)


def test_what_was_never_paid_ends_with_a_reset_and_with_its_share():
    """A program that resets leaves nothing behind, and a cancelled month is cut."""
    book = attached(grant=MONTHLY["grant"] | {"expires": "never"}, reset={"overage": "keep"})
    book.sweep("2026-02-01T00:00:00Z")
    assert ("100", "100") == (book.block("p:c:1")["expired"], book.block("p:c:2")["issued"])
    cut = attached(proration={"last": "by_second"})
    cut.applied("program.detached", {"program": "p"}, "2026-01-16T12:00:00Z")
    assert ("50", "50") == (cut.block("p:c:1")["issued"], cut.block("p:c:1")["voided"])
    sound(book)


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "promotional"},
        {"kind": "goodwill", "value": {"amount": "1", "currency": "USD"}},
        {"kind": "sla", "value": {"amount": "1", "currency": "USD"}},
        {"kind": "paid", "value": {"amount": "0", "currency": "USD"}},
        {"kind": "included"},
    ],
)
def test_what_nobody_pays_for_cannot_wait_for_that(wrong: Event):
    """It would wait for ever."""
    data = {"block": "b", "unit": "USD", "quantity": "1", "usable": "when_funded"} | wrong
    assert "invalid_value" == Book().refused("credit.granted", data)


def test_a_program_without_a_price_may_wait_and_one_that_is_free_may_not():
    """A line may fund included credit, and nobody pays for promotional credit."""
    book = Book()
    free = {"kind": "promotional", "usable": "when_funded"}
    terms = {"grant": GRANT | free, "every": "month"}
    assert "invalid_value" == book.refused(
        "program.attached", {"program": "p", "definition": terms}
    )
    assert "100" == attached().block("p:c:1")["issued"]
