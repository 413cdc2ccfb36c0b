"""Lines over a period against arithmetic: any span, rule, payments, notes and ends."""

from __future__ import annotations

import calendar
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from core.book import Book
from properties.invariants import check_all
from properties.records import Records

FIRST = datetime(2026, 1, 1, tzinfo=UTC)
RULES = st.sampled_from(["on_issue", "on_due", "on_payment"])
BASES = st.sampled_from(["days", "months"])
HOURS = st.integers(1, 24 * 200)


def text(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def months(at: datetime) -> Fraction:
    """Months of the calendar up to an instant."""
    length = calendar.monthrange(at.year, at.month)[1]
    into = at - datetime(at.year, at.month, 1, tzinfo=UTC)
    return at.year * 12 + at.month + Fraction(into // timedelta(hours=1), length * 24)


def gone(basis: str, begin: datetime, end: datetime, at: datetime) -> Fraction:
    at = min(max(at, begin), end)
    if basis == "months":
        return (months(at) - months(begin)) / (months(end) - months(begin))
    return Fraction((at - begin) // timedelta(hours=1), (end - begin) // timedelta(hours=1))


def marks(begin: datetime, end: datetime) -> list[datetime]:
    """The ends of the months, and of the period."""
    found = [datetime(2026 + n // 12, n % 12 + 1, 1, tzinfo=UTC) for n in range(24)]
    return [at for at in found if begin < at < end] + [end]


def opened(basis: str) -> Book:
    book = Book()
    data: dict[str, Any] = {
        "version": 1,
        "effective_from": text(FIRST),
        "author": "a",
        "reason": "r",
    }
    book.published("policy.published", data | {"keys": {"ratable.basis": basis}})
    return book


def money(minor: int) -> str:
    return f"{minor // 100}.{minor % 100:02d}"


@given(
    begin=HOURS, lasts=HOURS, issued=HOURS, basis=BASES, rule=RULES,
    amount=st.integers(1, 100_000), tax=st.integers(0, 20_000),
    pays=st.lists(st.tuples(HOURS, st.integers(1, 100)), max_size=3),
)  # fmt: skip
def test_each_month_earns_its_share_whatever_is_billed_and_paid_when(
    begin: int, lasts: int, issued: int, basis: str, rule: str, amount: int, tax: int,
    pays: list[tuple[int, int]],
):  # fmt: skip
    """By the day, what is earned is the share of the period, as if all had been known before."""
    start = FIRST + timedelta(hours=begin)
    end = start + timedelta(hours=lasts)
    book = opened(basis)
    line = {"amount": money(amount), "tax": money(tax)}
    due = {"due_at": text(FIRST + timedelta(hours=issued + 200))} if rule == "on_due" else {}
    at = FIRST + timedelta(hours=issued)
    span = {"period": {"from": text(start), "to": text(end)}}
    book.invoice(line | span, recognition=rule, at=text(at), **due)
    left = amount + tax
    for wait, percent in pays:
        at += timedelta(hours=wait)
        part = min(left, (amount + tax) * percent // 100)
        if part:
            left -= part
            book.pay(money(part), text(at))
    book.sweep(text(max(at, end) + timedelta(days=400)))
    earned: dict[str, int] = {}
    for posting in book.postings:
        if posting["credit"] == "4030":
            day = posting["effective_date"]
            earned[day] = earned.get(day, 0) + posting["amount"]
    ends = marks(start, end)
    rounded = [round(amount * gone(basis, start, end, mark)) for mark in (start, *ends)]
    expected = {
        text(mark - timedelta(microseconds=1))[:10]: more
        for mark, (less, all_) in zip(ends, pairwise(rounded), strict=True)
        if (more := all_ - less)
    }
    assert expected == earned
    found = book.accounts
    assert 0 == found.get("2020", 0)
    if rule == "on_payment" and left:
        assert found.get("1150", 0) == amount - sum(
            p["amount"]
            for p in book.postings
            if p["rule"] == "R-PAY-FUNDS" and p["credit"] != "2200"
        )
    else:
        assert 0 == found.get("1150", 0)
    check_all(Records([*book.records, *book.simulation.snapshots(book.at)]))


STEPS = st.lists(
    st.tuples(
        st.integers(1, 24 * 20),
        st.sampled_from(["pay", "note", "refund", "balance", "cash", "end", "void"]),
        st.integers(1, 60),
    ),
    max_size=6,
)


@given(
    amount=st.integers(10, 100_000), tax=st.integers(0, 2_000), basis=BASES, rule=RULES,
    credit=st.sampled_from([None, "paid", "promotional"]), steps=STEPS,
)  # fmt: skip
def test_what_is_given_back_is_never_earned_twice(
    amount: int, tax: int, basis: str, rule: str, credit: str | None,
    steps: list[tuple[int, str, int]],
):  # fmt: skip
    """Once the period is over, all that customers owe or have paid is income or tax, no more."""
    book = opened(basis)
    book.applied("subscription.started", {"subscription": "s", "plan": "p", "period": "month"})
    if credit is not None:
        size = money(max(1, (amount + tax) // 3))
        book.grant("b", size, kind=credit, draws_on="invoice")
        if credit == "paid":
            book.invoice({"amount": size, "sells": [{"block": "b"}]}, invoice="first")
    span = {"period": {"from": "2026-01-10T00:00:00Z", "to": "2026-05-05T00:00:00Z"}}
    line = {"amount": money(amount), "tax": money(tax)} | span
    due = {"due_at": "2026-02-20T00:00:00Z"} if rule == "on_due" else {}
    book.invoice(line, subscription="s", recognition=rule, **due)
    at = datetime(2026, 1, 8, tzinfo=UTC)
    for number, (wait, what, percent) in enumerate(steps):
        at += timedelta(hours=wait)
        part = money(max(1, (amount + tax) * percent // 100))
        fact: dict[str, Any] = {"invoice": "i", "amount": part}
        kind = {"pay": "invoice.paid", "cash": "payment.refunded"}.get(what)
        if what in ("note", "refund", "balance"):
            kind, to = "credit_note.issued", {"note": "invoice"}.get(what, what)
            fact = {"invoice": "i", "credit_note": f"n{number}", "to": to}
            fact["lines"] = [{"line": "1", "amount": part}]
        elif what == "void":
            kind, fact = "invoice.voided", {"invoice": "i"}
        elif what == "end":
            kind, fact = "subscription.cancelled", {"subscription": "s"}
        assert kind is not None
        book.feed(kind, fact, text(at))  # what is too much is refused
    book.sweep("2027-01-01T00:00:00Z")
    found = book.accounts
    assert 0 == found.get("2020", 0)
    assert 0 <= found.get("1150", 0)
    unpaid = found.get("1100", 0) + found.get("1150", 0)
    owed = sum(found.get(code, 0) for code in ("2000", "2110", "2150", "2200"))
    income = sum(found.get(code, 0) for code in ("4030", "4050", "4920"))
    assert -income == unpaid + found.get("1000", 0) + owed
    assert found.get("4030", 0) <= max(0, tax - amount)  # an income, but for tax that credit paid
    check_all(Records([*book.records, *book.simulation.snapshots(book.at)]))
