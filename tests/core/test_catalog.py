"""The catalog: versions, which one is in force when, whose prices win, and exact rates."""

from __future__ import annotations

import pytest

from core.book import Book
from creditfold.core.catalog import in_force
from creditfold.core.facts import RateCardPublished, Recognition
from creditfold.core.policy import LATE_WINDOW_MAX, Policy
from creditfold.core.policy_facts import PolicyKeys
from creditfold.core.times import DAY, HOUR
from properties.events import START, text

MARCH, APRIL, MAY = (f"2026-0{month}-01T00:00:00Z" for month in (3, 4, 5))


def versions(*starts: int) -> list[RateCardPublished]:
    return [RateCardPublished("card", n, start, ()) for n, start in enumerate(starts, 1)]


@pytest.mark.parametrize(
    ("version", "starts", "time"),
    [
        (None, [], 5),
        (None, [6], 5),
        (1, [5], 5),
        (1, [5, 6], 5),
        (2, [5, 6], 6),
        (2, [5, 5], 5),
        (2, [6, 5], 9),  # the newer version wins though it begins earlier
        (2, [6, 5], 5),
        (2, [5, 3, 9], 4),
    ],
)
def test_the_newest_version_that_has_begun_is_in_force(version, starts, time):
    found = in_force(versions(*starts), time)
    assert version == (None if found is None else found.version)


def card(name: str, version: int, prices: dict[str, str], **more: object) -> dict[str, object]:
    return {
        "rate_card": name,
        "version": version,
        "effective_from": MARCH,
        "rates": [{"meter": "calls", "unit": u, "per_unit": p} for u, p in prices.items()],
    } | more


def cost(book: Book, at: str, quantity: str = "1", **more: object) -> str:
    """What a usage that nothing covers costs."""
    (overage,) = book.use(quantity, at=at, **more)["overage"]
    return str(overage["amount"])


def test_usage_is_priced_by_the_card_of_its_time_not_of_its_arrival():
    book = Book()
    book.published("rate_card.published", card("list", 2, {"USD": "7"}, effective_from=APRIL))
    book.published("rate_card.published", card("list", 3, {"USD": "9"}, effective_from=MAY))
    assert "1" == cost(book, "2026-03-31T23:59:59.999999Z")
    assert "7" == cost(book, APRIL)
    assert "9" == cost(book, MAY)
    assert "7" == cost(book, "2026-04-30T23:00:00Z", recorded="2026-05-01T12:00:00Z")


def test_a_customers_own_card_wins_over_the_default_ones_and_only_for_that_customer():
    book = Book()
    own = card("a-deal", 1, {"USD": "0.5"}, applies_to={"customer": "c"})
    book.published("rate_card.published", own)
    other = card("0-deal", 1, {"USD": "100"}, applies_to={"customer": "d"})
    book.published("rate_card.published", other)
    assert "0.5" == cost(book, APRIL)
    book.applied("customer.created", {"currency": "USD"}, customer="e")
    outcome = book.applied("usage.recorded", {"meter": "calls", "quantity": "1"}, customer="e")
    assert "1" == outcome["overage"][0]["amount"]


def test_a_customers_own_card_leaves_the_units_that_it_does_not_price_to_the_default():
    book = Book()
    book.published(
        "rate_card.published", card("deal", 1, {"credits": "5"}, applies_to={"customer": "c"})
    )
    book.grant("b", "5", unit="credits", at=APRIL, kind="promotional")
    entry, *_ = book.use("1", at=APRIL)["entries"][-1:]
    assert ("5", "5") == (entry["quantity"], entry["rate"])
    assert "1" == cost(book, APRIL)


def test_a_card_that_changes_hands_prices_for_its_customer_of_the_time():
    book = Book()
    book.published(
        "rate_card.published", card("deal", 1, {"USD": "5"}, applies_to={"customer": "c"})
    )
    book.published(
        "rate_card.published",
        card("deal", 2, {"USD": "6"}, effective_from=APRIL, applies_to={"customer": "d"}),
    )
    assert "5" == cost(book, MARCH)
    assert "1" == cost(book, APRIL)


PRO = {"subscription": "s", "plan": "pro", "period": "month"}


def of_plan(book: Book, plan: str, price: str, version: int = 1, **more: object) -> None:
    own = card(plan, version, {"USD": price}, applies_to={"plan": plan}, **more)
    book.published("rate_card.published", own)


def test_a_customers_own_card_goes_before_that_of_its_plan_and_that_before_the_default_one():
    book = Book()
    of_plan(book, "pro", "0.5")
    assert "1" == cost(book, MARCH)
    book.applied("subscription.started", PRO, MARCH)
    assert "0.5" == cost(book, MARCH)
    own = card("deal", 1, {"USD": "0.1"}, effective_from=APRIL, applies_to={"customer": "c"})
    book.published("rate_card.published", own)
    assert "0.1" == cost(book, APRIL)


def test_usage_has_the_prices_of_the_plan_that_it_names_else_of_the_first_subscription():
    book = Book()
    of_plan(book, "pro", "0.5")
    of_plan(book, "max", "0.2")
    book.applied("subscription.started", PRO | {"subscription": "t"}, MARCH)
    book.applied("subscription.started", PRO | {"plan": "max"}, MARCH)
    book.applied("subscription.started", PRO | {"subscription": "r", "plan": "free"}, MARCH)
    assert ["0.2", "0.2", "0.5", "1"] == [
        cost(book, MARCH, **more)
        for more in ({}, {"subscription": "s"}, {"subscription": "t"}, {"subscription": "r"})
    ]


def test_usage_is_priced_by_the_plan_of_its_time_not_of_its_arrival():
    book = Book()
    of_plan(book, "pro", "0.5")
    of_plan(book, "max", "0.2")
    book.applied("subscription.started", PRO, MARCH)
    book.applied("subscription.changed", {"subscription": "s", "plan": "max"}, APRIL)
    assert "0.2" == cost(book, APRIL)
    late = "2026-03-31T23:59:59Z"
    assert "0.5" == cost(book, late, recorded="2026-04-01T12:00:00Z")
    book.applied("subscription.cancelled", {"subscription": "s"}, "2026-04-02T00:00:00Z")
    assert "1" == cost(book, "2026-04-02T00:00:00Z")
    assert "0.2" == cost(book, "2026-04-01T18:00:00Z", recorded="2026-04-02T12:00:00Z")
    book.applied("subscription.renewed", {"subscription": "s"}, "2026-04-03T00:00:00Z")
    assert "0.2" == cost(book, "2026-04-03T00:00:00Z")


@pytest.mark.parametrize(
    ("kind", "more", "then"),
    [("changed", {"plan": "max"}, "0.2"), ("cancelled", {}, "1"), ("paused", {}, "0.5")],
)
def test_usage_ahead_of_the_log_has_the_plan_that_its_period_begins_with(kind, more, then):
    """Whether the end of the period has been folded by then makes no difference."""
    book = Book()
    of_plan(book, "pro", "0.5")
    of_plan(book, "max", "0.2")
    book.applied("subscription.started", PRO, MARCH)
    data = {"subscription": "s", "at_period_end": True} | more
    book.applied(f"subscription.{kind}", data, "2026-03-15T00:00:00Z")
    before = "2026-03-31T23:58:00Z"
    assert "0.5" == cost(book, before)
    assert then == cost(book, "2026-04-01T00:01:00Z", recorded=before)
    book.sweep("2026-04-01T00:02:00Z")
    assert then == cost(book, "2026-04-01T00:01:00Z", recorded="2026-04-01T00:02:00Z")
    assert "0.5" == cost(book, before, recorded="2026-04-01T00:02:00Z")


def test_a_hold_costs_what_the_plan_says():
    book = Book()
    of_plan(book, "pro", "0.5")
    book.applied("subscription.started", PRO, MARCH)
    book.grant("b", "5", at=MARCH)
    ends = {"expires_at": "2026-03-02T00:00:00Z"}
    book.applied("hold.placed", {"hold": "h", "meter": "calls", "quantity": "10"} | ends, MARCH)
    assert "5" == book.block()["held"]


def test_ties_of_default_cards_go_by_their_id_and_rates_by_their_place():
    book = Book()
    book.published("rate_card.published", card("alpha", 1, {"USD": "3"}))
    assert "3" == cost(book, MARCH)
    rates = [
        {"meter": "calls", "unit": "USD", "per_unit": "4", "where": {"field": "n", "ge": 10}},
        {"meter": "calls", "unit": "USD", "per_unit": "5", "where": {"field": "n", "ge": 5}},
        {"meter": "calls", "unit": "USD", "per_unit": "6"},
    ]
    book.published("rate_card.published", card("alpha", 2, {}, rates=rates))
    assert ["4", "5", "6", "6"] == [
        cost(book, APRIL, properties=more) for more in ({"n": 10}, {"n": 5}, {"n": 4.5}, {})
    ]


def test_one_unit_of_a_meter_needs_no_rate_and_no_card_changes_it():
    book = Book()
    book.published(
        "unit.declared", {"unit": "token", "version": 1, "exponent": 3, "meter": "tokens"}
    )
    book.published(
        "rate_card.published",
        card("list", 2, {}, rates=[{"meter": "tokens", "unit": "token", "per_unit": "9"}]),
    )
    book.grant("b", "5", unit="token", kind="promotional", at=APRIL)
    entry = book.use("2", "tokens", APRIL)["entries"][0]
    assert ("2", "1", "token") == (entry["quantity"], entry["rate"], entry["unit"])


def test_fractional_prices_stay_exact_to_the_last_digit():
    book = Book()
    book.published("rate_card.published", card("list", 2, {"USD": "0.0001234567"}))
    assert "0.3703701" == cost(book, APRIL, "3000")


def test_publishing_again_changes_a_label_and_leaves_the_rest():
    book = Book()
    book.published(
        "meter.declared", {"meter": "calls", "version": 2, "product": "core", "unit_label": "call"}
    )
    book.published("unit.declared", {"unit": "credits", "version": 5, "name": "Credits"})
    assert "core" == book.use("1", at=APRIL)["overage"][0]["product"]


def test_a_policy_changes_only_the_keys_that_it_names():
    first = Policy().changed(PolicyKeys(late_window=HOUR))
    second = first.changed(PolicyKeys(draw_order=("priority",)))
    third = second.changed(PolicyKeys(recognition=Recognition.ON_DUE))
    assert (("priority",), HOUR, Recognition.ON_DUE) == (
        third.draw_order,
        third.late_window,
        third.recognition,
    )
    assert third == third.changed(PolicyKeys())


def test_each_choice_has_a_hash_of_its_own_that_hangs_on_nothing_else():
    policies = [
        Policy(),
        Policy(late_window=HOUR),
        Policy(draw_order=("id",)),
        Policy(recognition=Recognition.ON_PAYMENT),
    ]
    assert 4 == len({policy.hash for policy in policies})
    assert [Policy().hash] * 2 == [Policy().hash, Policy().changed(PolicyKeys()).hash]
    assert 32 == len(Policy().hash)


def test_every_posting_names_the_policy_of_its_facts_time():
    book = Book()
    book.invoice({"amount": "1"}, at=MARCH)
    book.published(
        "policy.published",
        {
            "version": 1,
            "effective_from": MAY,
            "author": "a",
            "reason": "r",
            "keys": {"invoice.recognition": "on_payment"},
        },
    )
    book.invoice({"amount": "1"}, invoice="j", at=APRIL)
    book.invoice({"amount": "1"}, invoice="k", at=MAY)
    book.pay("1", invoice="k")
    old, new = Policy(), Policy(recognition=Recognition.ON_PAYMENT)
    assert [old.hash, old.hash, new.hash] == [p["policy"] for p in book.postings]
    assert ["R-BILL", "R-BILL", "R-PAY-FUNDS"] == [p["rule"] for p in book.postings]


def test_the_window_of_a_policy_is_at_most_the_one_that_memory_is_kept_for():
    assert 45 * DAY == LATE_WINDOW_MAX
    assert Policy().late_window < LATE_WINDOW_MAX


def test_a_held_clock_is_seen_in_the_catalog_until_it_is_released():
    book = Book()
    book.published("clock.held", {})
    assert "applied" == book.feed("clock.held", {}, customer=None)["status"]
    book.published("clock.released", {}, text(START))
    assert 1 == book.use("1", at=MARCH)["seq"] - 1
