"""Commitments: a minimum per term, what counts towards it, and the true-up at its end."""

from __future__ import annotations

from typing import Any

import pytest

from core.book import Book
from properties.events import Event, notices, outcomes

START = "2026-01-10T00:00:00Z"
END = "2027-01-10T00:00:00Z"
YEAR = {"unit": "USD", "quantity": "12000", "term": "year"}
SOLD = {"kind": "paid", "unit": "USD"}


def committed(commitment: Event | None = None, *, keys: Event | None = None, **more: Any) -> Book:
    """A subscription from 10 January on that commits to 12,000 US dollars a year."""
    book = Book()
    policy = {"version": 1, "effective_from": "2026-01-01T00:00:00Z", "author": "a", "reason": "r"}
    book.published("policy.published", policy | {"keys": keys or {}})
    book.published("policy.published", policy | {"version": 2, "keys": {"late.window": "P45D"}})
    start = {"subscription": "s", "plan": "pro", "period": "month"} | more
    book.applied("subscription.started", start | {"commitment": YEAR | (commitment or {})}, START)
    return book


def term(book: Book, n: int = 1, at: str | None = None) -> Event:
    """A term as the snapshot tells it."""
    found = [c for c in book.snapshot(at)["commitments"] if c["shortfall"].endswith(f":{n}")]
    return found[0]


def stated(found: list[Event]) -> list[tuple[str, str, str, str]]:
    """(id, counted, missing, amount) of each shortfall in the outcomes."""
    return [
        (each["id"], each["counted"], each["quantity"], each["amount"])
        for outcome in found
        for each in outcome.get("shortfalls", [])
    ]


def test_what_is_missing_at_the_terms_end_is_owed_and_earned():
    """12,000 - 9,500; dated in the moment before the end, and the next term begins."""
    book = committed()
    book.use("4000", at="2026-06-30T00:00:00Z")
    book.use("5500", at="2026-12-31T00:00:00Z")
    found = book.sweep(END)
    assert [("s:shortfall:1", "9500", "2500", "2500")] == stated(found)
    assert [("R-SHORTFALL", "1150", "4020", 250_000)] == book.lines
    assert ("2027-01-09", "s") == (
        book.postings[-1]["effective_date"],
        book.postings[-1]["contract"],
    )
    assert ("2027-01-10T00:00:00Z", "2028-01-10T00:00:00Z", "0", False) == tuple(
        term(book, 2)[key] for key in ("begins_at", "ends_at", "counted", "ended")
    )


def test_a_commitment_that_is_met_leaves_nothing_to_earn():
    """More than the minimum counts, and the outcome says so without a notice."""
    book = committed()
    book.use("13000", at="2026-06-30T00:00:00Z")
    assert [("s:shortfall:1", "13000", "0", "0")] == stated(book.sweep(END))
    assert ([], []) == (book.lines, notices(book.out))
    assert "0" == term(book)["to_bill"]


def test_expected_shortfall_is_earned_as_usage_is():
    """HE(12000 * u / 10000) - u while up to 10,000 are used, then 12,000 - u; moved at the end."""
    book = committed({"expected": "10000"}, keys={"shortfall.method": "proportional"})
    book.use("4000", at="2026-06-30T00:00:00Z")
    assert ("R-SHORTFALL-PROP", "1160", "4020", 80_000) == book.lines[-1]
    book.use("5500", at="2026-12-31T00:00:00Z")
    assert ("R-SHORTFALL-PROP", "1160", "4020", 110_000) == book.lines[-1]
    book.use("1500", at="2027-01-01T00:00:00Z")
    assert ("R-SHORTFALL-PROP", "4020", "1160", 90_000) == book.lines[-1]
    book.sweep(END)
    assert [("R-SHORTFALL", "1150", "1160", 100_000)] == book.lines
    assert {"1150": 1_200_000, "4010": -1_100_000, "4020": -100_000} == book.accounts


@pytest.mark.parametrize(
    "commitment",
    [{}, {"expected": "10000", "shortfall": "at_period_end"}],
)
def test_nothing_is_earned_before_the_end_unless_it_is_expected_and_agreed(commitment):
    """Without an estimate there is nothing to spread, and the commitment goes before the policy."""
    book = committed(commitment, keys={"shortfall.method": "proportional"})
    book.use("4000", at="2026-06-30T00:00:00Z")
    assert ["R-OVERAGE"] == [line[0] for line in book.lines]


def test_the_method_is_that_of_the_policy_when_the_term_begins():
    """A policy published later is for the next term."""
    book = committed({"expected": "10000"})
    policy = {"version": 3, "effective_from": "2026-03-01T00:00:00Z", "author": "a", "reason": "r"}
    keys = {"shortfall.method": "proportional"}
    book.published("policy.published", policy | {"keys": keys}, "2026-03-01T00:00:00Z")
    book.use("4000", at="2026-06-30T00:00:00Z")
    assert ["R-OVERAGE"] == [line[0] for line in book.lines]
    book.use("4000", at="2027-06-30T00:00:00Z")
    assert "R-SHORTFALL-PROP" == book.lines[-1][0]


def test_a_unit_that_is_no_currency_has_a_rate():
    """1,000 credits of which 300 are missing, at 0.015: 4.50."""
    unit = {"unit": "credits", "quantity": "1000", "rate": "0.015"}
    book = committed(unit)
    book.grant("b", "500", unit="credits", value={"amount": "7.50", "currency": "USD"})
    book.use("350", at="2026-06-30T00:00:00Z")
    assert ("700", "4.5") == (
        term(book)["counted"],
        stated(book.sweep(END))[0][3],
    )


def test_bought_credit_counts_as_it_is_drawn_and_given_credit_does_not():
    """Of 100 used, 30 come from a promotion and 20 are nobody's debt."""
    book = committed(keys={"overage.default": "block"})
    book.grant("free", "30", kind="promotional")
    book.grant("paid", "50")
    book.use("100", at="2026-06-30T00:00:00Z")
    assert "50" == term(book)["counted"]


def test_what_other_units_pay_counts_in_proportion():
    """A call costs 2 credits or 3 coins: 60 coins of the 75 that 25 calls cost are 40 credits."""
    book = committed({"unit": "credits", "quantity": "100", "rate": "1"})
    book.grant("coins", "60", unit="coins", value={"amount": "6", "currency": "USD"})
    book.use("25", at="2026-06-30T00:00:00Z")
    assert "50" == term(book)["counted"], "40 by coins, 10 owed in US dollars"


def test_usage_without_a_price_in_the_unit_does_not_count():
    """Tokens have a price in US dollars only."""
    book = committed({"unit": "credits", "quantity": "100", "rate": "1"})
    book.use("25", "tokens", at="2026-06-30T00:00:00Z")
    assert "0" == term(book)["counted"]


def test_usage_that_names_another_subscription_does_not_count():
    """What names none, or this one, does."""
    book = committed()
    other = {"subscription": "t", "plan": "pro", "period": "month"}
    book.applied("subscription.started", other)
    for quantity, named in (("1", {}), ("2", {"subscription": "s"}), ("4", {"subscription": "t"})):
        book.use(quantity, at="2026-06-30T00:00:00Z", **named)
    assert "3" == term(book)["counted"]


def test_a_hold_counts_when_it_is_settled():
    """What is set aside has not been used."""
    book = committed()
    book.grant("paid", "50")
    hold = {"hold": "h", "unit": "USD", "quantity": "20", "expires_at": "2026-03-01T00:00:00Z"}
    book.applied("hold.placed", hold, "2026-02-01T00:00:00Z")
    assert "0" == term(book)["counted"]
    settled = {"hold": "h", "quantity": "5", "meter": "calls"}
    book.applied("hold.settled", settled, "2026-02-02T00:00:00Z")
    assert "5" == term(book)["counted"]


def test_bought_credit_that_lapses_is_not_paid_for_twice():
    """8,000 bought and paid, 5,000 used: 3,000 are breakage, and 4,000 were never bought."""
    book = committed()
    book.grant("b", "8000", expires_at=END)
    book.invoice({"amount": "8000", "sells": [{"block": "b"}]})
    book.use("5000", at="2026-06-30T00:00:00Z")
    found = book.sweep(END)
    assert ["expiry", "commitment"] == [o["cause"]["due"].split()[0] for o in found]
    assert [("s:shortfall:1", "8000", "4000", "4000")] == stated(found)
    assert {"4000": -500_000, "4050": -300_000, "4020": -400_000} == {
        account: amount for account, amount in book.accounts.items() if account[0] == "4"
    }


def test_credit_that_nobody_paid_for_does_not_count_when_it_lapses():
    """Until the bill comes: then it is breakage, and no shortfall any more."""
    book = committed()
    book.grant("b", "8000", expires_at="2026-12-31T00:00:00Z")
    book.use("5000", at="2026-06-30T00:00:00Z")
    assert [("s:shortfall:1", "5000", "7000", "7000")] == stated(book.sweep(END))
    outcome = book.invoice({"amount": "8000", "sells": [{"block": "b"}]})
    assert [("s:shortfall:1", "8000", "4000", "4000")] == stated([outcome])
    assert ("R-CORRECT", "4020", "1150", 300_000) in book.lines


def test_credit_that_is_paid_for_long_after_it_lapsed_counts_in_its_term():
    """The bill of a block that lapsed in the first term is paid in the third month of the next."""
    book = committed()
    book.grant("b", "8000", expires_at="2026-12-31T00:00:00Z")
    line = {"amount": "8000", "sells": [{"block": "b"}]}
    book.invoice(line, recognition="on_payment")
    book.sweep(END)
    assert "12000" == term(book)["to_bill"]
    book.pay("8000", "2027-04-01T00:00:00Z")
    assert ("4000", "8000") == (term(book)["to_bill"], term(book)["counted"])
    assert ("R-CORRECT", "4020", "1150", 800_000) in [
        (p["rule"], p["debit"], p["credit"], p["amount"]) for p in book.postings
    ]


def test_late_usage_after_the_true_up_takes_shortfall_back():
    """Within the window, dated as the shortfall was; people are told the new figure."""
    book = committed()
    book.use("9500", at="2026-06-30T00:00:00Z")
    book.sweep(END)
    late = book.use("500", at="2027-01-09T00:00:00Z", recorded="2027-01-12T00:00:00Z")
    assert [("s:shortfall:1", "10000", "2000", "2000")] == stated([late])
    assert ("R-CORRECT", "4020", "1150", 50_000) == book.lines[-1]
    assert "2027-01-09" == book.postings[-1]["effective_date"]
    (told,) = notices(book.out)
    assert ("shortfall", "2000", "2000", "USD") == tuple(
        told[key] for key in ("what", "quantity", "amount", "currency")
    )


def test_a_correction_after_the_true_up_moves_the_shortfall_both_ways():
    """Less usage leaves more missing, a retraction all of it."""
    book = committed()
    book.use("9500", at="2027-01-01T00:00:00Z")
    used = book.facts[-1]["id"]
    book.sweep(END)
    ref = {"usage": {"source": "/tests", "id": used}}
    lower = book.applied("usage.corrected", ref | {"quantity": "9000"}, "2027-01-11T00:00:00Z")
    assert [("s:shortfall:1", "9000", "3000", "3000")] == stated([lower])
    assert ("R-SHORTFALL", "1150", "4020", 50_000) == book.lines[-1]
    higher = book.applied("usage.corrected", ref | {"quantity": "12500"}, "2027-01-12T00:00:00Z")
    assert [("s:shortfall:1", "12500", "0", "0")] == stated([higher])
    gone = book.applied("usage.retracted", ref, "2027-01-13T00:00:00Z")
    assert [("s:shortfall:1", "0", "12000", "12000")] == stated([gone])
    assert -1_200_000 == book.accounts["4020"]


def test_an_invoice_bills_a_shortfall_once_and_is_the_legal_amount():
    """What it does not bill is off revenue; what is billed is asked for no more."""
    book = committed()
    book.use("9500", at="2026-06-30T00:00:00Z")
    book.sweep(END)
    assert "2500" == term(book)["to_bill"]
    line = {"amount": "2499.99", "arrears_for": ["s:shortfall:1"]}
    book.invoice(line, at="2027-01-11T00:00:00Z")
    assert [
        ("R-BILL-ARREARS", "1100", "1150", 249_999),
        ("R-BILL-ARREARS", "4020", "1150", 1),
    ] == book.lines
    again = {"invoice": "j", "currency": "USD", "lines": [{"line": "1"} | line]}
    assert "unknown_overage" == book.refused("invoice.issued", again)
    assert "0" == term(book)["to_bill"]


def test_what_is_billed_above_a_shortfall_is_shortfall_revenue_too():
    """And what usage takes back after the bill waits for the next one, or a credit note."""
    book = committed()
    book.use("9500", at="2026-06-30T00:00:00Z")
    book.sweep(END)
    book.invoice({"amount": "2500.01", "arrears_for": ["s:shortfall:1"]})
    assert ("R-BILL-ARREARS", "1100", "4020", 1) == book.lines[-1]
    book.use("500", at="2027-01-09T00:00:00Z", recorded="2027-01-12T00:00:00Z")
    assert "-500" == term(book)["to_bill"]
    free = {"amount": "0", "arrears_for": ["s:shortfall:1"]}
    book.invoice(free, invoice="j", at="2027-01-13T00:00:00Z")
    assert [("R-BILL-ARREARS", "1150", "4020", 50_000)] == book.lines
    assert "0" == term(book)["to_bill"]


def test_a_shortfall_of_another_currency_or_of_a_term_that_runs_is_not_billed():
    """The invoice would be in the wrong currency, or before anything is owed."""
    book = committed()
    line = {"line": "1", "amount": "1", "arrears_for": ["s:shortfall:1"]}
    invoice = {"invoice": "j", "currency": "EUR", "lines": [line]}
    assert "unknown_overage" == book.refused("invoice.issued", invoice)
    book.sweep(END)
    assert "currency_differs" == book.refused("invoice.issued", invoice)


def test_progress_is_told_once_per_percent_by_usage_or_by_time():
    """Half is used early; at four fifths of the term it is behind, and the forecast says so."""
    book = committed(keys={"notice.commitment_progress": [50, 80, 100]})
    book.use("6000", at="2026-02-15T12:00:00Z")
    (told,) = [n for n in notices(book.out) if n["what"] == "commitment_progress"]
    assert ("50", "6000", "0") == tuple(told[key] for key in ("percent", "quantity", "forecast"))
    book.sweep("2026-12-01T00:00:00Z")
    (told,) = notices(book.out)
    assert ("80", "4500", "2026-10-29T00:00:00Z") == tuple(
        told[key] for key in ("percent", "forecast", "effective_at")
    )
    book.use("6000", at="2026-12-02T00:00:00Z")
    assert ["100"] == [n["percent"] for n in notices(book.out) if "percent" in n]
    ref = {"usage": {"source": "/tests", "id": book.facts[-1]["id"]}}
    book.applied("usage.retracted", ref, "2026-12-03T00:00:00Z")
    book.use("6000", at="2026-12-04T00:00:00Z")
    assert [] == [n for n in notices(book.out) if n["what"] == "commitment_progress"]


def test_one_usage_may_pass_several_percents():
    """Each is told, in their order."""
    book = committed(keys={"notice.commitment_progress": [80, 50]})
    book.use("12000", at="2026-02-15T00:00:00Z")
    assert ["50", "80"] == [n["percent"] for n in notices(book.out) if "percent" in n]
    assert [] == [o for o in book.sweep("2027-01-09T00:00:00Z") if "clock" in o["cause"]]


def test_two_subscriptions_cannot_commit_to_one_unit_at_once():
    """The same usage would count twice; after the other's term it may."""
    book = committed()
    other = {"subscription": "t", "plan": "pro", "period": "month", "commitment": YEAR}
    at = "2026-02-01T00:00:00Z"
    assert "commitment_exists" == book.refused("subscription.started", other, at)
    book.applied("subscription.cancelled", {"subscription": "s"}, "2026-03-01T00:00:00Z")
    assert "commitment_exists" == book.refused("subscription.started", other, at)
    book.applied("subscription.started", other, END)
    book.use("5", at="2027-01-11T00:00:00Z")
    found = {c["shortfall"]: c["counted"] for c in book.snapshot()["commitments"]}
    assert {"s:shortfall:1": "0", "t:shortfall:1": "5"} == found
    renewed = {"subscription": "s"}
    assert "commitment_exists" == book.refused("subscription.renewed", renewed)


def test_when_the_clock_sweeps_changes_nothing():
    """One sweep or many: the same outcomes, to the last hash."""
    ways = []
    for sweeps in ((), ("2026-07-01T00:00:00Z", END, "2027-06-01T00:00:00Z")):
        book = committed(keys={"notice.commitment_progress": [50]})
        book.use("100", at="2026-02-01T00:00:00Z")
        for at in (*sweeps, "2028-06-01T00:00:00Z"):
            book.sweep(at)
        ways.append([o["hash"] for o in outcomes(book.records) if "hash" in o])
    assert ways[0] == ways[1]
