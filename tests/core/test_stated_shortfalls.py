"""Statements list what is owed of commitments, and an invoice bills what they list."""

from __future__ import annotations

import pytest

from core.book import Book
from core.test_changes import sound
from core.test_statements import POLICY, lines, statements
from properties.events import Event

LEAST = {"unit": "USD", "quantity": "100", "term": "month"}
FEBRUARY, MARCH, APRIL = (f"2026-0{month}-01T00:00:00Z" for month in (2, 3, 4))


def book(every: str = "P1M", **more: str) -> Book:
    """A customer that commits to 100 US dollars a month, and whose usage is stated."""
    found = Book()
    found.published("policy.published", POLICY | {"keys": {"statement.every": every}})
    plan = {"subscription": "s", "plan": "pro", "period": "month", "commitment": LEAST | more}
    found.applied("subscription.started", plan)
    return found


def owed(found: Book) -> list[list[Event]]:
    """What each statement lists of shortfalls."""
    return [notice["statement"].get("shortfalls", []) for notice in statements(found)]


def short(amount: str, term: int = 1, **more: object) -> Event:
    id_ = f"s:shortfall:{term}"
    return {"id": id_, "subscription": "s", "currency": "USD", "amount": amount} | more


def bill(found: Book, amount: str, ref: str, invoice: str) -> list[tuple[str, str, str, int]]:
    found.invoice({"amount": amount, "arrears_for": [ref]}, invoice=invoice)
    return found.lines


def test_a_shortfall_stands_in_the_statement_of_the_period_that_its_term_ends_with():
    found = book()
    found.use("30", at="2026-01-10T00:00:00Z")
    done = found.sweep(FEBRUARY)
    assert ["commitment", "statement"] == [o["cause"]["due"].split()[0] for o in done]
    assert [[short("70")]] == owed(found)
    assert 1 == len(lines(found))


def test_a_period_without_usage_is_stated_for_its_shortfall():
    found = book()
    found.sweep(MARCH)
    assert [[short("100")], [short("100", 2)]] == owed(found)
    assert [[], []] == [lines(found, 0), lines(found, 1)]
    period = statements(found)[0]["statement"]
    assert ("2026-01-01T00:00:00Z", FEBRUARY) == (period["from"], period["to"])


def test_a_term_that_ends_within_a_period_stands_in_its_statement():
    found = book("P1M", term="P10D")
    found.sweep(FEBRUARY)
    assert [[short("100", n) for n in (1, 2, 3)]] == owed(found)


def test_what_late_usage_changes_of_a_shortfall_stands_in_the_next_statement():
    found = book()
    found.sweep(FEBRUARY)
    found.use("30", at="2026-01-31T12:00:00Z", recorded="2026-02-01T12:00:00Z")
    found.sweep(MARCH)
    assert [[short("100")], [short("-30", earlier=True), short("100", 2)]] == owed(found)


def test_an_invoice_bills_what_a_statement_lists_and_no_more():
    found = book()
    found.use("130", "tokens", at="2026-01-10T00:00:00Z")
    found.sweep(MARCH)
    assert [[], [short("100", 2)]] == owed(found)
    assert ("R-BILL-ARREARS", "1100", "1150", 13000) in bill(found, "130", "c:statement:1", "i1")
    assert [("R-BILL-ARREARS", "1100", "1150", 10000)] == bill(found, "100", "c:statement:2", "i2")
    again = {"invoice": "i3", "currency": "USD"}
    again["lines"] = [{"line": "1", "amount": "1", "arrears_for": ["c:statement:2"]}]  # type: ignore[assignment]  # of any type
    assert "unknown_overage" == found.refused("invoice.issued", again)
    assert {"1100": 23000, "4010": -13000, "4020": -10000} == {
        account: left for account, left in found.accounts.items() if left
    }
    sound(found)


def test_a_statement_bills_a_shortfall_as_it_was_when_it_went_out():
    found = book()
    found.sweep(FEBRUARY)
    found.use("30", at="2026-01-31T12:00:00Z", recorded="2026-02-01T12:00:00Z")
    lines_ = [("R-BILL-ARREARS", "1100", "1150", 10000)]
    assert lines_ == bill(found, "100", "c:statement:1", "i1")
    found.sweep(MARCH)
    # -30 of January's shortfall, 30 of its late usage, and 100 of February.
    found.invoice({"amount": "100", "arrears_for": ["c:statement:2"]}, invoice="i2")
    assert {"1100": 20000, "4010": -3000, "4020": -17000} == {
        account: left for account, left in found.accounts.items() if left
    }
    sound(found)


def test_a_shortfall_that_was_billed_by_its_id_is_billed_by_no_statement():
    found = book()
    found.sweep(FEBRUARY)
    bill(found, "100", "s:shortfall:1", "i1")
    data = {"invoice": "i2", "currency": "USD"}
    data["lines"] = [{"line": "1", "amount": "1", "arrears_for": ["c:statement:1"]}]  # type: ignore[assignment]  # of any type
    assert "unknown_overage" == found.refused("invoice.issued", data)
    sound(found)


@pytest.mark.parametrize("method", ["at_period_end", "proportional"])
def test_what_is_earned_before_the_end_is_stated_with_the_end(method: str):
    found = book(expected="80", shortfall=method)
    found.use("40", at="2026-01-10T00:00:00Z")
    found.sweep(FEBRUARY)
    assert [[short("60")]] == owed(found)
    assert [("R-BILL-ARREARS", "1100", "1150", 6000)] == bill(found, "60", "s:shortfall:1", "i")


def test_without_statements_nothing_is_stated():
    found = Book()
    plan = {"subscription": "s", "plan": "pro", "period": "month", "commitment": LEAST}
    found.applied("subscription.started", plan)
    found.sweep(APRIL)
    assert [] == statements(found)


def test_what_changes_at_the_instant_of_a_statement_stands_in_the_next():
    """The invoice falls due as January ends: that credit was paid for, and had lapsed by then."""
    found = book()
    found.grant("b", "30", expires_at="2026-01-20T00:00:00Z")
    line = {"amount": "30", "sells": [{"block": "b"}]}
    found.invoice(line, recognition="on_due", due_at=FEBRUARY)
    found.sweep(MARCH)
    assert [[short("100")], [short("-30", earlier=True), short("100", 2)]] == owed(found)
    periods = [(n["statement"]["from"], n["statement"]["to"]) for n in statements(found)]
    assert [("2026-01-01T00:00:00Z", FEBRUARY), (FEBRUARY, MARCH)] == periods
