"""Lines over a period: earned as time goes by, whatever becomes of the invoice meanwhile."""

from __future__ import annotations

from typing import Any

import pytest

from core.book import Book
from core.test_changes import sound
from core.test_tranches import monthly
from properties.events import Event

BEGIN = "2026-01-15T00:00:00Z"
MONTH = {"from": BEGIN, "to": "2026-02-15T00:00:00Z"}
YEAR = {"from": "2026-01-01T00:00:00Z", "to": "2027-01-01T00:00:00Z"}
HALF = "2026-01-30T12:00:00Z"
END = "2026-03-01T00:00:00Z"
PLAN = {"subscription": "s", "plan": "pro", "period": "month"}


def book(*, begin: str = BEGIN, **keys: Any) -> Book:
    made = Book(begin=begin)
    if keys:
        choices = {name.replace("_", "."): value for name, value in keys.items()}
        data = {"version": 1, "effective_from": begin, "keys": choices}
        made.published("policy.published", data | {"author": "a", "reason": "r"})
    return made


def billed(made: Book, amount: str = "31", span: Event = MONTH, **more: Any) -> Book:
    tax = {"tax": more.pop("tax")} if "tax" in more else {}
    made.invoice({"amount": amount, "period": span} | tax, **more)
    return made


def earned(made: Book) -> list[tuple[str, int]]:
    """(day, amount) of what was earned over time, less what was taken back of it."""
    return [
        (p["effective_date"], p["amount"] if p["credit"] == "4030" else -p["amount"])
        for p in made.postings
        if "4030" in (p["credit"], p["debit"])
    ]


def note(made: Book, amount: str, to: str = "invoice", at: str | None = None, **more: str) -> None:
    line = {"line": "1", "amount": amount} | more
    made.applied(
        "credit_note.issued",
        {"credit_note": f"n{made.at}", "invoice": "i", "to": to, "lines": [line]},
        at,
    )


def nothing_is_left(made: Book) -> None:
    """Once the period is over, nothing is deferred, and nothing unbilled."""
    made.sweep(END)
    assert not {"2020", "1150"} & {account for account, left in made.accounts.items() if left}
    sound(made)


def test_a_month_is_earned_by_its_days():
    made = billed(book(), tax="6.20")
    assert [("R-BILL", "1100", "2020", 3100), ("R-BILL", "1100", "2200", 620)] == made.lines
    made.sweep("2026-02-01T00:00:00Z")
    assert [("R-RATABLE", "2020", "4030", 1700)] == made.lines
    nothing_is_left(made)
    assert [("2026-01-31", 1700), ("2026-02-14", 1400)] == earned(made)


def test_the_hours_of_a_day_count():
    made = billed(book(), "120", {"from": "2026-06-15T12:00:00Z", "to": "2026-10-13T12:00:00Z"})
    made.sweep("2026-11-01T00:00:00Z")
    assert [1550, 3100, 3100, 3000, 1250] == [amount for _, amount in earned(made)]
    sound(made)


def test_a_year_by_days_and_by_months():
    by_days = billed(book(begin=YEAR["from"]), "365", YEAR)
    by_days.sweep(YEAR["to"])
    days = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    assert [100 * count for count in days] == [amount for _, amount in earned(by_days)]
    by_months = billed(book(begin=YEAR["from"], ratable_basis="months"), "1000", YEAR)
    by_months.sweep(YEAR["to"])
    parts = [8333, 8334, 8333] * 4
    assert parts == [amount for _, amount in earned(by_months)]
    assert [f"2026-{month:02}" for month in range(1, 13)] == [
        day[:7] for day, _ in earned(by_months)
    ]


def test_by_months_the_first_and_the_last_have_their_days():
    span = {"from": "2026-01-15T00:00:00Z", "to": "2026-04-15T00:00:00Z"}
    made = billed(book(ratable_basis="months"), "90", span)  # 17/31 + 1 + 1 + 14/30 months
    made.sweep("2026-05-01T00:00:00Z")
    assert [1637, 2985, 2985, 1393] == [amount for _, amount in earned(made)]


def test_what_is_earned_before_it_is_booked_is_unbilled():
    made = billed(book(), recognition="on_payment")
    assert [] == made.lines
    made.sweep("2026-02-01T00:00:00Z")
    assert [("R-RATABLE-UNFUNDED", "1150", "4030", 1700)] == made.lines
    made.pay("10")
    assert [("R-PAY-FUNDS", "1000", "1150", 1000)] == made.lines
    made.pay("10")
    assert [
        ("R-PAY-FUNDS", "1000", "1150", 700),
        ("R-PAY-FUNDS", "1000", "2020", 300),
    ] == made.lines
    made.sweep("2026-02-15T00:00:00Z")
    lines = [("R-RATABLE-UNFUNDED", "1150", "4030", 1100), ("R-RATABLE", "2020", "4030", 300)]
    assert lines == made.lines
    made.pay("11")
    assert [("R-PAY-FUNDS", "1000", "1150", 1100)] == made.lines
    nothing_is_left(made)


def test_what_falls_due_at_a_months_end_was_unbilled_before():
    made = billed(book(), recognition="on_due", due_at="2026-02-01T00:00:00Z")
    made.sweep("2026-02-01T00:00:00Z")
    lines = [("R-RATABLE-UNFUNDED", "1150", "4030", 1700), ("R-BILL", "1100", "1150", 1700)]
    assert [*lines, ("R-BILL", "1100", "2020", 1400)] == made.lines
    nothing_is_left(made)


def test_an_invoice_behind_its_period_gives_each_month_its_part():
    made = book()
    made.at = "2026-03-05T00:00:00Z"
    billed(made, "59", {"from": "2026-01-15T00:00:00Z", "to": "2026-03-15T00:00:00Z"})
    parts = [("R-RATABLE-UNFUNDED", "1150", "4030", n) for n in (1700, 2800)]
    bill = [("R-BILL", "1100", "1150", 4500), ("R-BILL", "1100", "2020", 1400)]
    assert [*parts, *bill] == made.lines
    made.sweep("2026-04-01T00:00:00Z")
    assert [("2026-01-31", 1700), ("2026-02-28", 2800), ("2026-03-14", 1400)] == earned(made)
    sound(made)


def test_e08_a_note_before_payment_is_a_discount():
    made = billed(book(begin=YEAR["from"], ratable_basis="months"), "120", YEAR)
    note(made, "30", at="2026-01-10T00:00:00Z")
    assert ("R-CREDIT-NOTE", "2020", "1100", 3000) == made.lines[-1]
    made.pay("90")
    made.sweep(YEAR["to"])
    assert 9000 == sum(amount for _, amount in earned(made))
    by_month = dict.fromkeys(range(1, 13), 0)
    for day, amount in earned(made):
        by_month[int(day[5:7])] += amount
    assert {750} == set(by_month.values())
    sound(made)


def test_a_late_discount_waits_for_time_and_takes_no_revenue_back():
    made = billed(book(begin=YEAR["from"], ratable_basis="months"), "120", YEAR)
    note(made, "30", at="2026-04-01T00:00:00Z")  # 30.00 are earned, and 22.50 would have been
    made.sweep("2026-06-01T00:00:00Z")
    assert [1000, 1000, 1000, 750] == [amount for _, amount in earned(made)]
    sound(made)


def test_a_note_takes_what_is_to_come_first_and_concedes_the_rest():
    made = billed(book(), tax="6.20")
    made.pay("37.20")
    note(made, "20", "balance", HALF, tax="4")
    lines = [
        ("R-RATABLE", "2020", "4030", 1550),
        ("R-CREDIT-NOTE", "2020", "2150", 1550),
        ("R-CREDIT-NOTE", "4920", "2150", 450),
        ("R-CREDIT-NOTE", "2200", "2150", 400),
    ]
    assert lines == made.lines
    assert [] == made.sweep(END)
    nothing_is_left(made)


def test_a_void_keeps_or_concedes_what_was_delivered():
    for portion, left, conceded in (("keep_receivable", 1550, 0), ("concede", 0, 1550)):
        made = billed(book())
        data = {"invoice": "i", "used_portion": portion}
        made.applied("invoice.voided", data, HALF)
        found = {account: made.accounts.get(account, 0) for account in ("1100", "4030", "4920")}
        assert {"1100": left, "4030": -1550, "4920": conceded} == found
        assert [] == made.sweep(END)
        nothing_is_left(made)


def test_a_void_of_what_is_not_booked_leaves_what_is_unbilled_or_concedes_it():
    made = billed(book(), recognition="on_payment")
    made.applied("invoice.voided", {"invoice": "i", "used_portion": "concede"}, HALF)
    lines = [("R-RATABLE-UNFUNDED", "1150", "4030", 1550), ("R-VOID", "4920", "1150", 1550)]
    assert lines == made.lines
    nothing_is_left(made)
    made = billed(book(), recognition="on_payment")
    made.applied("invoice.voided", {"invoice": "i"}, HALF)
    made.pay("15.50")
    assert [("R-PAY-FUNDS", "1000", "1150", 1550)] == made.lines
    nothing_is_left(made)


def test_a_loss_is_what_was_delivered_and_the_rest_is_cancelled():
    made = billed(book())
    made.applied("invoice.written_off", {"invoice": "i"}, HALF)
    lines = [
        ("R-RATABLE", "2020", "4030", 1550),
        ("R-VOID", "2020", "1100", 1550),
        ("R-WRITEOFF", "6500", "1100", 1550),
    ]
    assert lines == made.lines
    nothing_is_left(made)


@pytest.mark.parametrize(
    ("kind", "rules", "used"),
    [
        ("payment.refunded", ("R-REFUND", "R-CONCEDE"), "4920"),
        ("payment.disputed", ("R-CHARGEBACK", "R-CHARGEBACK"), "6500"),
    ],
)
def test_cash_that_goes_back_takes_what_is_to_come_first(kind: str, rules: Any, used: str):
    made = billed(book())
    made.pay("31")
    made.applied(kind, {"invoice": "i", "amount": "31"}, HALF)
    credit = "2110" if kind == "payment.refunded" else "1000"
    lines = [(rules[0], "2020", credit, 1550), (rules[1], used, credit, 1550)]
    assert lines == made.lines[1:3]
    nothing_is_left(made)


def subscribed(recognition: str = "on_issue") -> Book:
    made = book()
    made.applied("subscription.started", PLAN)
    return billed(made, subscription="s", recognition=recognition)


def test_the_end_of_the_subscription_earns_the_rest():
    made = subscribed()
    made.applied("subscription.cancelled", {"subscription": "s"}, HALF)
    assert [("R-RATABLE", "2020", "4030", 1550)] * 2 == made.lines
    assert {"s"} == {line["contract"] for line in made.postings[-2:]}
    assert [] == made.sweep(END)
    sound(made)


def test_the_end_of_another_subscription_earns_nothing():
    made = subscribed()
    made.applied("subscription.started", PLAN | {"subscription": "t"})
    made.applied("subscription.cancelled", {"subscription": "t"}, HALF)
    assert [] == [each for each in made.lines if each[2] == "4030" and each[3] != 1550]
    made.sweep(END)
    assert 3100 == sum(amount for _, amount in earned(made))


def test_a_note_after_the_end_takes_back_what_was_for_the_time_to_come():
    made = subscribed()
    made.pay("31")
    made.applied("subscription.cancelled", {"subscription": "s"}, HALF)
    note(made, "20", "refund")
    lines = [("R-CREDIT-NOTE", "4030", "2110", 1550), ("R-CREDIT-NOTE", "4920", "2110", 450)]
    assert lines == made.lines
    nothing_is_left(made)


def test_a_note_before_the_end_leaves_nothing_to_earn():
    made = subscribed()
    note(made, "15.50", at=HALF)
    made.applied("subscription.cancelled", {"subscription": "s"})
    assert [] == made.lines
    assert 1550 == sum(amount for _, amount in earned(made))
    nothing_is_left(made)


def test_what_ended_before_it_was_booked_is_unbilled_until_it_is_paid_or_credited():
    made = subscribed("on_payment")
    made.applied("subscription.cancelled", {"subscription": "s"}, HALF)
    assert [("R-RATABLE-UNFUNDED", "1150", "4030", 1550)] * 2 == made.lines
    note(made, "20")
    assert [("R-CREDIT-NOTE", "4030", "1150", 1550), ("R-CREDIT-NOTE", "4920", "1150", 450)] == (
        made.lines
    )
    made.pay("11")
    nothing_is_left(made)


def test_a_subscription_put_off_to_end_with_the_period_changes_nothing():
    made = subscribed()
    made.applied("subscription.cancelled", {"subscription": "s", "at_period_end": True}, HALF)
    made.sweep(END)
    assert [("2026-01-31", 1700), ("2026-02-14", 1400)] == earned(made)
    sound(made)


def credited(kind: str, quantity: str, **more: Any) -> Book:
    """Credit for invoices, paid or free, and a line over a month that it pays in part."""
    made = book()
    made.grant("b", quantity, kind=kind, draws_on="invoice")
    if kind == "paid":
        made.invoice({"amount": quantity, "sells": [{"block": "b"}]}, invoice="first")
    return billed(made, **more)


def test_credit_that_was_paid_for_is_earned_over_the_period():
    made = credited("paid", "10")
    assert [
        ("R-APPLY-CREDIT", "2000", "2020", 1000),
        ("R-BILL", "1100", "2020", 2100),
    ] == made.lines
    made.sweep("2026-02-01T00:00:00Z")
    assert [("R-RATABLE", "2020", "4030", 1700)] == made.lines
    nothing_is_left(made)


def test_credit_that_was_free_lowers_the_price():
    made = credited("promotional", "10")
    made.sweep("2026-02-01T00:00:00Z")
    assert [("R-RATABLE", "2020", "4030", 1152)] == made.lines  # 21.00 * 17/31
    nothing_is_left(made)


def test_free_credit_that_pays_tax_costs_income_over_the_period():
    made = credited("promotional", "37.20", tax="6.20", recognition="on_payment")
    cost = [("R-APPLY-CREDIT", "2020", "2200", 620), ("R-APPLY-CREDIT", "1150", "2020", 620)]
    assert cost == made.lines
    made.sweep("2026-02-01T00:00:00Z")
    assert [("R-RATABLE-UNFUNDED", "4030", "1150", 340)] == made.lines
    nothing_is_left(made)
    assert 620 == made.accounts["4030"]


@pytest.mark.parametrize("portion", ["keep_receivable", "concede"])
@pytest.mark.parametrize(("kind", "back"), [("paid", "5"), ("promotional", "10")])
def test_a_void_gives_credit_back_for_the_time_to_come(portion: str, kind: str, back: str):
    made = credited(kind, "10", amount="10" if kind == "paid" else "31")
    data = {"invoice": "i", "used_portion": portion}
    made.applied("invoice.voided", data, HALF)
    whole = portion == "concede"
    assert ("10" if whole else back) == made.block()["available"]
    nothing_is_left(made)


def test_a_void_gives_several_blocks_back_that_paid_tax_of_one_line():
    """Each is judged by what is left of the line once the one before it went back."""
    made = book()
    for name in ("b1", "b2", "b3"):
        made.grant(name, "9", kind="promotional", draws_on="invoice", effective_at=BEGIN)
    billed(made, tax="6.20")
    made.sweep(HALF)
    made.applied("invoice.voided", {"invoice": "i"}, HALF)
    nothing_is_left(made)


def test_a_note_gives_credit_back_once_no_money_is_left():
    made = credited("paid", "31")
    note(made, "20", at=HALF)
    lines = [("R-CREDIT-NOTE", "2020", "2000", 1550), ("R-CREDIT-NOTE", "4920", "2000", 450)]
    assert lines == made.lines[1:]
    assert "20" == made.block()["available"]
    nothing_is_left(made)


INCLUDED = {"funds": {"program": "p"} | YEAR}


def ratable_program(basis: str = "months", kind: str = "included") -> Book:
    made = monthly(kind=kind)
    keys = {"included.treatment": "ratable", "ratable.basis": basis}
    data = {"version": 1, "effective_from": made.at, "keys": keys, "author": "a", "reason": "r"}
    made.published("policy.published", data)
    return made


def test_included_credit_may_be_access_that_is_earned_over_its_range():
    made = ratable_program()
    made.sweep("2026-01-01T00:00:00Z")
    made.invoice({"amount": "1000"} | INCLUDED)
    assert [("R-BILL", "1100", "2020", 100000)] == made.lines
    made.use("30")
    assert [] == made.lines  # its units cost nothing
    made.sweep("2027-01-01T00:00:00Z")
    assert [8333, 8334, 8333] * 4 == [amount for _, amount in earned(made)]
    assert {"1100": 100000, "4030": -100000} == made.accounts
    sound(made)


def test_credit_of_another_kind_is_units_whatever_the_treatment():
    made = ratable_program(kind="paid")
    made.invoice({"amount": "1000"} | INCLUDED)
    assert [("R-BILL", "1100", "2000", 8333), ("R-BILL", "1100", "2020", 91667)] == made.lines


def test_a_line_of_a_program_that_has_granted_all_of_it_is_access_too():
    made = ratable_program("days")
    made.sweep("2026-01-20T00:00:00Z")
    span = {"from": "2026-01-01T00:00:00Z", "to": "2026-01-10T00:00:00Z"}
    made.invoice({"amount": "9", "funds": {"program": "p"} | span})
    assert [
        ("R-RATABLE-UNFUNDED", "1150", "4030", 900),
        ("R-BILL", "1100", "1150", 900),
    ] == made.lines
    sound(made)


def refusal(made: Book, line: Event, **more: Any) -> str:
    lines = [{"line": "1", "amount": "31"} | line]
    return made.refused(
        "invoice.issued", {"invoice": "i", "currency": "USD", "lines": lines} | more
    )


def test_a_line_with_a_period_does_nothing_else():
    made = book()
    made.grant("b", "31")
    for other in (
        {"sells": [{"block": "b"}]},
        {"arrears_for": ["x"]},
    ):
        assert "line_ambiguous" == refusal(made, {"period": MONTH} | other)
    made.grant("w", "31", funding={"invoice": "i", "line": "1"})
    assert "funding_disagrees" == refusal(made, {"period": MONTH})
    late = billed(book())
    grant = {"block": "b", "kind": "paid", "unit": "USD", "quantity": "31"}
    sold = {"value": {"amount": "31", "currency": "USD"}, "funding": {"invoice": "i", "line": "1"}}
    assert "funding_disagrees" == late.refused("credit.granted", grant | sold)


def test_a_period_lasts_and_ends_within_a_hundred_years():
    made = book()
    backward = {"from": MONTH["to"], "to": MONTH["from"]}
    assert "invalid_value" == refusal(made, {"period": backward})
    for year, code in (("2126", "applied"), ("2127", "rejected")):
        span = {"from": BEGIN, "to": f"{year}-01-15T00:00:00Z"}
        lines = [{"line": "1", "amount": "31", "period": span}]
        data = {"invoice": year, "currency": "USD", "lines": lines}
        assert code == made.feed("invoice.issued", data)["status"]


def test_an_invoice_names_a_subscription_that_is_known():
    assert "unknown_subscription" == refusal(book(), {"period": MONTH}, subscription="s")
