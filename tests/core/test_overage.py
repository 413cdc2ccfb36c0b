"""Overage policies: billed, carried until credit repays it, or uncovered for good."""

from __future__ import annotations

import pytest

from core.book import Book, moves
from properties.events import Event, outcomes

JAN_2 = "2026-01-02T00:00:00Z"
JAN_3 = "2026-01-03T00:00:00Z"


def choose(book: Book, choice: str, unit: str = "default") -> None:
    book.applied("customer.updated", {"overage": {unit: choice}})


def repayments(book: Book) -> list[Event]:
    """The repayment outcomes among what the last fact caused, or what fell due after it."""
    out = book.out + book.simulation.sweep(book.at)
    return [o for o in outcomes(out) if o["cause"].get("due", "").startswith("repayment")]


def test_carried_overage_is_repaid_by_the_next_grant_at_the_price_of_the_credit():
    """C08: 500 accrued at 0.12 are 60; bought credit at 0.10 takes them over for 50."""
    book = Book()
    book.published(
        "rate_card.published",
        {
            "rate_card": "list",
            "version": 2,
            "effective_from": "2025-01-02T00:00:00Z",
            "rates": [
                {"meter": "calls", "unit": "credits", "per_unit": "1"},
                {"meter": "calls", "unit": "USD", "per_unit": "0.12"},
            ],
        },
    )
    choose(book, "carry")
    over = book.use("500")["overage"][0]
    assert ("carry", "60", "USD") == (over["policy"], over["amount"], over["unit"])
    assert [("R-OVERAGE", "1150", "4010", 6000)] == book.lines
    book.grant("b", "1000", unit="credits", value={"amount": "100", "currency": "USD"})
    (repaid,) = repayments(book)
    assert [("b", "available", "drawn", "500")] == moves(repaid)
    assert over["id"] == repaid["entries"][0]["repays"]
    assert [("-500", "-60", over["id"])] == [
        (back["quantity"], back["amount"], back["reverses"]) for back in repaid["overage"]
    ]
    assert [
        ("R-DRAW-UNFUNDED", "1150", "4000", 5000),
        ("R-BACKFILL", "4010", "1150", 6000),
    ] == book.lines
    assert {} == book.snapshot()["overage"]
    assert {"1150": 5000, "4000": -5000} == book.accounts


def test_the_oldest_is_repaid_first_and_in_parts():
    book = Book()
    choose(book, "carry")
    first = book.use("30", at=JAN_2)["overage"][0]["id"]
    second = book.use("30", at=JAN_3)["overage"][0]["id"]
    book.grant("b", "40")
    (repaid,) = repayments(book)
    assert [(first, "30"), (second, "10")] == [
        (entry["repays"], entry["quantity"]) for entry in repaid["entries"]
    ]
    assert {"USD": "20"} == book.snapshot()["overage"]
    book.grant("c", "40")
    (repaid,) = repayments(book)
    assert [(second, "20")] == [(e["repays"], e["quantity"]) for e in repaid["entries"]]


def test_only_what_could_pay_for_the_usage_repays_it():
    book = Book()
    choose(book, "carry")
    book.use("30", properties={"tier": "free"})
    book.grant("llm", "40", scope={"include": {"products": ["llm"]}})
    book.grant("paying", "40", scope={"exclude": {"where": {"field": "tier", "eq": "free"}}})
    assert [[]] == [moves(outcome) for outcome in repayments(book)]
    assert {"USD": "30"} == book.snapshot()["overage"]


def test_all_that_begins_at_an_instant_is_there_before_any_of_it_repays():
    """The block that the clock activates second goes first, since its priority is better."""
    book = Book()
    choose(book, "carry")
    book.use("30")
    book.grant("a", "40", effective_at=JAN_3, priority=2)
    book.grant("b", "40", effective_at=JAN_3, priority=1)
    assert [
        [("a", "issued", "available", "40")],
        [("b", "issued", "available", "40")],
        [("b", "available", "drawn", "30")],
    ] == [moves(outcome) for outcome in book.sweep(JAN_3)]


def test_a_released_hold_repays_too():
    book = Book()
    book.grant("b", "40")
    choose(book, "carry")
    book.applied("hold.placed", {"hold": "h", "unit": "USD", "quantity": "40", "expires_at": JAN_3})
    book.use("30")
    book.applied("hold.released", {"hold": "h"})
    assert [[("b", "available", "drawn", "30")]] == [moves(o) for o in repayments(book)]


def test_late_usage_from_before_the_credit_is_repaid_by_it_at_once():
    book = Book()
    choose(book, "carry")
    book.grant("b", "40", at=JAN_3)
    book.use("30", at=JAN_2, recorded=JAN_3)
    assert {"USD": "10"} == book.snapshot()["usable"]


def test_a_cost_in_several_units_is_repaid_in_the_units_that_come():
    """10 calls: 10 USD or 20 credits. 12 credits pay 6 of them, later 3 USD pay 3 more."""
    book = Book()
    book.grant("credits", "12", unit="credits", kind="promotional")
    choose(book, "carry")
    book.use("10")
    assert {"USD": "4"} == book.snapshot()["overage"]
    book.grant("money", "3")
    assert {"USD": "1"} == book.snapshot()["overage"]
    book.grant("more", "8", unit="credits", kind="promotional")
    snapshot = book.snapshot()
    assert ({}, "6") == (snapshot["overage"], snapshot["usable"]["credits"])
    assert "4010" not in book.accounts


def test_without_a_price_in_money_it_is_carried_in_its_meter_and_no_notice_goes_out():
    book = Book(currency="EUR")
    choose(book, "carry")
    book.use("10")
    assert {"meter:calls": "10"} == book.snapshot()["overage"]
    book.grant("b", "8", unit="credits", kind="promotional")
    assert {"meter:calls": "6"} == book.snapshot()["overage"]
    told = [r["data"]["what"] for r in book.records if "notice" in r["type"]]
    assert {"granted", "depleted"} >= set(told)


def test_an_invoice_may_still_bill_what_is_carried_and_credit_then_does_not_repay_it():
    book = Book()
    choose(book, "carry")
    over = book.use("30")["overage"][0]["id"]
    book.invoice({"amount": "30", "arrears_for": [over]})
    book.grant("b", "40")
    assert {"USD": "40"} == book.snapshot()["usable"]


def test_by_policy_credit_does_not_repay():
    book = Book()
    book.published(
        "policy.published",
        {
            "version": 1,
            "effective_from": "2026-01-01T00:00:00Z",
            "author": "a",
            "reason": "r",
            "keys": {"overage.default": "carry", "overdraft.cover": "none"},
        },
    )
    book.use("30", at=JAN_2)
    book.grant("b", "40", at=JAN_3)
    assert {"USD": "40"} == book.snapshot()["usable"]


@pytest.mark.parametrize("choice", ["block", "buffer"])
def test_what_nobody_owes_goes_out_with_a_notice_and_is_not_open(choice):
    book = Book()
    book.grant("b", "10")
    book.grant("net", "5", kind="buffer")
    book.applied("customer.updated", {"credit_limits": {"USD": "100"}})
    choose(book, choice)
    outcome = book.use("20")
    assert ["b", "net"] == [b for b, _, to, _ in moves(outcome) if to == "drawn"]
    (over,) = outcome["overage"]
    assert (choice, "5") == (over["policy"], over["quantity"])
    assert "unit" not in over
    told = [(r["data"]["what"], r["data"]["quantity"]) for r in book.out if "notice" in r["type"]]
    assert [("uncovered_usage", "5"), ("depleted", "0")] == told
    snapshot = book.snapshot()
    assert ({}, {"USD": "0"}) == (snapshot["overage"], snapshot["spendable"])
    assert "not_enough" == book.refused(
        "hold.placed", {"hold": "h", "unit": "USD", "quantity": "1", "expires_at": JAN_3}
    )


def test_the_unit_that_was_asked_decides_then_the_currency_then_the_default():
    book = Book()
    book.grant("c", "2", unit="credits", kind="promotional")
    choose(book, "block")
    choose(book, "carry", "credits")
    assert "carry" == book.use("2")["overage"][0]["policy"]
    choose(book, "bill", "USD")
    assert "policy" not in book.use("2", "tokens")["overage"][0]
    book.applied("customer.updated", {"overage": {"USD": None}})
    assert "block" == book.use("2", "tokens")["overage"][0]["policy"]


def test_a_unit_of_the_choice_has_to_be_known():
    data = {"overage": {"nothing": "carry"}}
    assert "unknown_unit" == Book().refused("customer.updated", data)


def test_two_repayments_at_one_instant_are_two_outcomes():
    book = Book()
    choose(book, "carry")
    book.use("10")
    ids = []
    for block in ("b", "c"):
        book.grant(block, "3")
        ids += [repaid["outcome"] for repaid in repayments(book)]
    assert 2 == len(ids) == len(set(ids))


def dropping(**more: object) -> Event:
    """A program of 10 USD a month whose reset drops what is carried; `more` is of its grant."""
    grant: Event = {"kind": "promotional", "unit": "USD", "quantity": "10", "expires": "period_end"}
    definition = {"grant": grant | more, "every": "month", "anchor": "calendar"}
    return {"program": "p", "definition": definition | {"reset": {"overage": "drop"}}}


def test_a_reset_drops_what_is_carried_and_it_is_uncovered_from_then_on():
    book = Book()
    book.applied("customer.updated", {"overage": {"default": "carry"}})
    book.applied("program.attached", dropping())
    used = book.use("14", at="2026-01-05T00:00:00Z")
    assert {"USD": "4"} == book.snapshot()["overage"]
    (reset,) = [o for o in book.sweep("2026-02-01T00:00:00Z") if o.get("overage")]
    line = {"meter": "calls", "product": "api"}
    assert [
        line
        | {
            "id": f"{reset['outcome']}.o1",
            "quantity": "-4",
            "unit": "USD",
            "amount": "-4",
            "rate": "1",
            "policy": "carry",
            "reverses": used["overage"][0]["id"],
            "usage": used["cause"]["id"],
        },
        line
        | {
            "id": f"{reset['outcome']}.o2",
            "quantity": "4",
            "policy": "block",
            "usage": used["cause"]["id"],
        },
    ] == reset["overage"]
    assert ("R-DROP", "4010", "1150", 400) in book.lines
    assert "2026-01-31" == next(p for p in book.postings if p["rule"] == "R-DROP")["effective_date"]
    assert {} == book.snapshot()["overage"]
    assert {"USD": "10"} == book.snapshot()["usable"]
    assert 0 == book.accounts.get("1150", 0)


def test_a_reset_drops_only_what_its_own_credit_could_have_repaid():
    book = Book()
    book.applied("customer.updated", {"overage": {"default": "carry"}})
    book.applied("program.attached", dropping(scope={"include": {"meters": ["calls"]}}))
    book.use("14", at="2026-01-05T00:00:00Z")
    book.use("3", meter="tokens")
    book.sweep("2026-02-01T00:00:00Z")
    assert {"USD": "3"} == book.snapshot()["overage"]


def test_the_first_grant_drops_nothing():
    book = Book()
    book.applied("customer.updated", {"overage": {"default": "carry"}})
    book.use("4", at="2026-01-05T00:00:00Z")
    book.applied("program.attached", dropping(), "2026-01-06T00:00:00Z")
    book.sweep("2026-01-07T00:00:00Z")
    assert {"USD": "6"} == book.snapshot()["usable"]


def test_a_reset_by_hand_drops_as_a_periods_end_does():
    book = Book()
    book.applied("customer.updated", {"overage": {"default": "carry"}})
    book.applied("program.attached", dropping())
    book.use("14", at="2026-01-05T00:00:00Z")
    book.applied("program.reset", {"program": "p"}, "2026-01-06T00:00:00Z")
    assert {} == book.snapshot()["overage"]
    assert {"USD": "10"} == book.snapshot()["usable"]


def test_usage_that_comes_late_is_dropped_by_the_reset_behind_it():
    def run(recorded: str) -> Book:
        book = Book()
        book.applied("customer.updated", {"overage": {"default": "carry"}})
        book.applied("program.attached", dropping())
        book.use("7", at="2026-01-31T10:00:00Z")
        book.use("8", at="2026-01-31T12:00:00Z", recorded=recorded)
        book.use("2", at="2026-02-02T00:00:00Z")
        return book

    late, in_order = run("2026-02-01T12:00:00Z"), run("2026-01-31T12:00:00Z")
    assert in_order.snapshot() == late.snapshot()
    assert in_order.accounts == late.accounts
    assert {} == late.snapshot()["overage"]


# A program's policy


def program(policy: str, *, unit: str = "USD", **more: object) -> Event:
    """A program of 10 a month that says what becomes of usage beyond it."""
    grant: Event = {"kind": "promotional", "unit": unit, "quantity": "10", "expires": "period_end"}
    definition = {"grant": grant | more, "every": "month", "anchor": "calendar"}
    return {"program": policy, "definition": definition | {"overage": policy}}


def beyond(book: Book, at: str, meter: str = "calls", quantity: str = "11") -> str:
    """By which policy a usage is uncovered."""
    (over,) = book.use(quantity, meter, at=at)["overage"]
    return str(over.get("policy", "bill"))


def test_a_program_says_what_becomes_of_usage_that_its_credit_could_pay():
    book = Book()
    book.applied("program.attached", program("carry", scope={"include": {"meters": ["calls"]}}))
    assert "carry" == beyond(book, "2026-01-05T00:00:00Z")
    assert "bill" == beyond(book, "2026-01-05T00:00:00Z", "tokens")


def test_what_the_customer_says_goes_before_a_program_and_a_program_before_the_policy():
    book = Book()
    keys = {"keys": {"overage.default": "block"}, "version": 1, "author": "a", "reason": "r"}
    book.published("policy.published", keys | {"effective_from": "2026-01-01T00:00:00Z"})
    book.applied("program.attached", program("carry"))
    assert "carry" == beyond(book, "2026-01-05T00:00:00Z")
    for overage in ({"USD": "bill"}, {"USD": None, "default": "bill"}):
        book.applied("customer.updated", {"overage": overage})
        assert "bill" == beyond(book, "2026-01-05T00:00:00Z")
    book.applied("customer.updated", {"overage": {"default": None}})
    assert "carry" == beyond(book, "2026-01-05T00:00:00Z")


def test_of_several_programs_the_first_by_its_id_decides():
    book = Book()
    for policy in ("carry", "block"):
        book.applied("program.attached", program(policy))
    assert "block" == beyond(book, "2026-01-05T00:00:00Z", quantity="21")


def test_a_programs_policy_ends_with_the_time_that_its_last_grant_covers():
    book = Book()
    book.applied("program.attached", program("carry"))
    book.applied("program.detached", {"program": "carry"}, "2026-01-04T00:00:00Z")
    assert "carry" == beyond(book, "2026-01-05T00:00:00Z")
    assert "bill" == beyond(book, "2026-02-05T00:00:00Z")


def test_a_program_that_says_nothing_any_more_decides_nothing_any_more():
    book = Book()
    book.applied("program.attached", program("carry"))
    silent = program("carry")
    del silent["definition"]["overage"]
    book.applied("program.attached", silent, "2026-01-04T00:00:00Z")
    assert "carry" == beyond(book, "2026-01-05T00:00:00Z")
    assert "bill" == beyond(book, "2026-02-05T00:00:00Z")


def test_a_hold_has_no_credit_limit_where_a_program_lets_nobody_owe_what_is_beyond_it():
    book = Book()
    book.applied("customer.updated", {"credit_limits": {"USD": "5"}})
    hold = {"hold": "h", "unit": "USD", "quantity": "12", "expires_at": "2026-01-09T00:00:00Z"}
    book.applied("program.attached", program("block"))
    assert "not_enough" == book.refused("hold.placed", hold, "2026-01-05T00:00:00Z")
    assert {"USD": "10"} == book.snapshot()["spendable"]
    book.applied("customer.updated", {"overage": {"USD": "bill"}})
    book.applied("hold.placed", hold)


@pytest.mark.parametrize("terms", [{"overage": "carry"}, {"reset": {"overage": "drop"}}])
def test_credit_for_invoices_says_nothing_of_usage(terms):
    grant = {"kind": "promotional", "unit": "USD", "quantity": "1", "draws_on": "invoice"}
    definition = {"grant": grant | {"expires": "never"}, "every": "month"}
    data = {"program": "p", "definition": definition | terms}
    assert "invalid_value" == Book().refused("program.attached", data)


def test_credit_that_had_expired_when_it_was_granted_repays_nothing():
    book = Book()
    choose(book, "carry")
    book.use("3", at="2026-01-02T00:00:00Z", recorded="2026-01-04T00:00:00Z")
    ended = {"effective_at": "2026-01-03T00:00:00Z", "expires_at": "2026-01-03T00:00:10Z"}
    book.grant("b", "5", at="2026-01-04T00:00:00Z", **ended)
    book.sweep("2026-01-05T00:00:00Z")
    assert ("5", "0") == (book.block()["expired"], book.block()["drawn"])
    assert {"USD": "3"} == book.snapshot()["overage"]
