"""The life of a subscription, and what each step does to the grants of programs."""

from __future__ import annotations

from typing import Any

import pytest

from core.book import Book
from core.test_programs import GRANT, dates, granted
from properties.events import Event, outcomes

START = "2026-01-10T00:00:00Z"
ANY_PLAN = {"field": "subscription.plan", "exists": True}


def program(plan: str, quantity: str, **more: Any) -> Event:
    """So many credits each period of a subscription to the plan."""
    return {
        "program": plan,
        "version": 1,
        "effective_from": "2026-01-01T00:00:00Z",
        "who": {"field": "subscription.plan", "eq": plan},
        "grant": GRANT | {"quantity": quantity},
        "every": "month",
        "anchor": "subscription",
    } | more


def begun(proration: Event | None = None, **more: Any) -> Book:
    """A subscription to `pro` from 10 January on, with programs for `pro` and `team`."""
    book = Book()
    for plan, quantity in (("pro", "310"), ("team", "620")):
        book.published("program.published", program(plan, quantity, proration=proration))
    start = {"subscription": "s", "plan": "pro", "period": "month"} | more
    book.applied("subscription.started", start, START)
    return book


def state(book: Book) -> Event:
    (found,) = book.snapshot()["subscriptions"]
    return found


def test_a_subscription_is_granted_its_plans_credit_each_of_its_periods():
    """From its start on, on the day of the month on which it started."""
    book = begun()
    out = book.sweep("2026-03-15T00:00:00Z")
    given = granted(outcomes(book.records))
    assert {"pro:s:1": "310", "pro:s:2": "310", "pro:s:3": "310"} == given
    assert ["2026-02-10T00:00:00Z", "2026-03-10T00:00:00Z"] == dates(out)
    assert {
        "subscription": "s",
        "plan": "pro",
        "status": "active",
        "period_ends_at": "2026-04-10T00:00:00Z",
    } == state(book)


def test_each_subscription_has_grants_of_its_own():
    """Two subscriptions of one customer, numbered apart."""
    book = begun()
    other = {"subscription": "t", "plan": "pro", "period": "month"}
    book.applied("subscription.started", other, "2026-01-20T00:00:00Z")
    book.sweep("2026-02-11T00:00:00Z")
    given = granted(outcomes(book.records))
    assert {"pro:s:1": "310", "pro:t:1": "310", "pro:s:2": "310"} == given


def test_a_program_for_everybody_with_the_subscriptions_dates_is_for_each_subscription():
    """The anchor says it, where `who` does not."""
    book = begun()
    everyone = program("all", "5", who={"field": "customer.id", "exists": True})
    book.published("program.published", everyone, "2026-01-15T00:00:00Z")
    book.sweep("2026-02-11T00:00:00Z")
    given = granted(outcomes(book.records))
    assert {"all:s:1": "5", "all:s:2": "5"} == {k: v for k, v in given.items() if k[0] == "a"}


def test_an_anchor_and_a_trial_say_when_periods_begin():
    """The stub before the first date is whole, or its share: 21 of 31 days."""
    for more in (
        {"anchor": "2026-01-31T00:00:00Z"},
        {"trial_until": "2026-01-31T00:00:00Z"},
        {"anchor": "2025-12-31T00:00:00Z", "trial_until": "2026-01-12T00:00:00Z"},
    ):
        book = begun({"first": "by_second"}, **more)
        out = book.sweep("2026-03-01T00:00:00Z")
        assert ["2026-01-31T00:00:00Z", "2026-02-28T00:00:00Z"] == dates(out)
        assert "210" == granted(outcomes(book.records))["pro:s:1"]


def test_an_upgrade_ends_one_program_and_begins_another():
    """At once: the old share is cut to the days until then, the new one covers the rest."""
    book = begun({"first": "by_second", "last": "by_second"})
    change = {"subscription": "s", "plan": "team"}
    book.applied("subscription.changed", change, "2026-01-20T00:00:00Z")
    assert ("100", "210") == (
        book.block("pro:s:1")["available"],
        book.block("pro:s:1")["voided"],
    )
    assert "420" == book.block("team:s:1")["quantity"]
    assert ["2026-02-10T00:00:00Z"] == dates(book.sweep("2026-02-11T00:00:00Z"))
    assert "620" == book.block("team:s:2")["quantity"]


def test_without_proration_an_upgrade_leaves_the_old_grant_and_gives_the_new_one_whole():
    """The programs' terms say so, and no step takes anything back."""
    book = begun()
    book.applied(
        "subscription.changed", {"subscription": "s", "plan": "team"}, "2026-01-20T00:00:00Z"
    )
    assert {"credits": "930"} == book.snapshot()["usable"]


def test_a_downgrade_at_the_periods_end_waits_for_it():
    """Until then nothing changes, and the screen says what will."""
    book = begun({"first": "by_second", "last": "by_second"}, plan="team")
    book.applied(
        "subscription.changed",
        {"subscription": "s", "plan": "pro", "attributes": {"seats": 1}, "at_period_end": True},
        "2026-01-20T00:00:00Z",
    )
    assert ("team", "pro") == (state(book)["plan"], state(book)["next_plan"])
    out = book.sweep("2026-02-11T00:00:00Z")
    assert {"pro:s:1": "310"} == granted(out)
    assert ["expiry", "subscription", "refill"] == [o["cause"]["due"].split()[0] for o in out]
    assert "pro" == state(book)["plan"]


@pytest.mark.parametrize("verb", ["cancelled", "paused"])
def test_nothing_is_granted_for_a_subscription_that_has_ended_or_pauses(verb):
    """Now, or when its period ends; what was granted stays."""
    for more in ({}, {"at_period_end": True}):
        book = begun()
        book.applied(f"subscription.{verb}", {"subscription": "s"} | more, "2026-01-20T00:00:00Z")
        assert {"credits": "310"} == book.snapshot()["usable"]
        assert {} == granted(book.sweep("2026-06-01T00:00:00Z"))
        assert verb == state(book)["status"]


def test_a_known_cancellation_is_in_the_last_grants_share():
    """A calendar month of which only nine days are still subscribed: 90 of 310."""
    book = Book()
    last = {"last": "by_second"}
    book.published("program.published", program("pro", "310", anchor="calendar", proration=last))
    start = {"subscription": "s", "plan": "pro", "period": "month"}
    book.applied("subscription.started", start, START)
    cancel = {"subscription": "s", "at_period_end": True}
    book.applied("subscription.cancelled", cancel, "2026-02-20T00:00:00Z")
    assert {"pro:s:3": "90"} == granted(book.sweep("2026-06-01T00:00:00Z"))


def test_a_cancellation_now_is_cut_to_its_share_at_once():
    """10 of 31 days were had: 100 of 310 stay."""
    book = begun({"last": "by_second"})
    book.applied("subscription.cancelled", {"subscription": "s"}, "2026-01-20T00:00:00Z")
    assert {"credits": "100"} == book.snapshot()["usable"]


def test_a_pause_mints_nothing_and_a_resumption_in_a_later_period_grants_its_rest():
    """Within the period nothing; later the share that is left: 26 of 28 days."""
    book = begun({"first": "by_second"})
    for day, verb in ((12, "paused"), (14, "resumed"), (16, "paused")):
        book.applied(f"subscription.{verb}", {"subscription": "s"}, f"2026-01-{day}T00:00:00Z")
    assert {} == granted(book.sweep("2026-02-11T00:00:00Z"))
    book.applied("subscription.resumed", {"subscription": "s"}, "2026-02-12T00:00:00Z")
    assert "287.857143" == book.block("pro:s:2")["quantity"]


def test_a_cancellation_is_taken_back_by_a_renewal_and_a_pause_by_a_resumption():
    """Before it has come, or after."""
    for stop, go in (("cancelled", "renewed"), ("paused", "resumed")):
        for more in ({}, {"at_period_end": True}):
            book = begun()
            book.applied(f"subscription.{stop}", {"subscription": "s"} | more)
            book.applied(f"subscription.{go}", {"subscription": "s"})
            assert "active" == state(book)["status"]
            assert "at_period_end" not in state(book)
            assert ["2026-02-10T00:00:00Z"] == dates(book.sweep("2026-02-11T00:00:00Z"))


def test_taking_a_cancellation_back_leaves_the_change_that_was_put_off_with_it():
    """Each has its own way back."""
    book = begun()
    book.applied(
        "subscription.changed", {"subscription": "s", "plan": "team", "at_period_end": True}
    )
    book.applied("subscription.cancelled", {"subscription": "s", "at_period_end": True})
    book.applied("subscription.renewed", {"subscription": "s"})
    assert {"team:s:1": "620"} == granted(book.sweep("2026-02-11T00:00:00Z"))


def test_products_of_a_subscription_decide_as_its_plan_does():
    """An add-on is granted from when it is in, whole or its share, and no more once it is out."""
    book = begun(products=["api"])
    disk = {"field": "subscription.products", "eq": "disk"}
    share = {"first": "by_second", "last": "by_second"}
    book.published("program.published", program("disk", "310", who=disk, proration=share))
    assert (["api"], {}) == (state(book)["products"], granted(outcomes(book.out)))
    add = {"subscription": "s", "products": ["api", "disk"]}
    book.applied("subscription.changed", add, "2026-01-20T00:00:00Z")
    assert {"disk:s:1": "210"} == granted(outcomes(book.out))
    same = {"subscription": "s", "plan": "team"}
    book.applied("subscription.changed", same, "2026-01-21T00:00:00Z")
    assert ["api", "disk"] == state(book)["products"]
    assert "310" == granted(book.sweep("2026-02-11T00:00:00Z"))["disk:s:2"]
    gone = {"subscription": "s", "products": []}
    book.applied("subscription.changed", gone, "2026-02-24T00:00:00Z")
    assert ("155", "155") == (
        book.block("disk:s:2")["available"],
        book.block("disk:s:2")["voided"],
    )
    assert "products" not in state(book)
    assert not [b for b in granted(book.sweep("2026-04-11T00:00:00Z")) if b.startswith("disk")]


def test_who_tests_no_field_that_nobody_has():
    for field in ("subscription.product", "customer.products", "products"):
        rule = program("p", "5", who={"field": field, "eq": "disk"})
        assert "invalid_value" == Book().refused("program.published", rule, customer=None)


def test_products_that_are_put_off_come_with_the_period():
    book = begun(products=["api"])
    later = {"subscription": "s", "products": ["disk"], "at_period_end": True}
    book.applied("subscription.changed", later, "2026-01-20T00:00:00Z")
    other = {"all": [{"field": "subscription.products", "in": ["disk", "tape"]}, ANY_PLAN]}
    book.published("program.published", program("disk", "5", who=other), "2026-01-21T00:00:00Z")
    assert ["api"] == state(book)["products"]
    assert "5" == granted(book.sweep("2026-02-11T00:00:00Z"))["disk:s:1"]
    assert ["disk"] == state(book)["products"]


def test_whoever_has_not_a_product_is_whose_products_are_others_or_none():
    for products, expected in ((None, True), (["api"], True), (["api", "disk"], False)):
        book = begun(**({} if products is None else {"products": products}))
        without = {"field": "subscription.products", "ne": "disk"}
        book.published("program.published", program("upsell", "5", who=without))
        book.sweep("2026-01-11T00:00:00Z")
        assert expected == ("upsell:s:1" in granted(outcomes(book.records))), products


def test_attributes_of_a_subscription_decide_too():
    """A program for ten seats and more."""
    book = begun()
    seats = {"field": "subscription.attributes.seats", "ge": 10}
    book.published("program.published", program("big", "5", who=seats))
    for seat, expected in ((9, {}), (10, {"big:s:1": "5"})):
        change = {"subscription": "s", "attributes": {"seats": seat}}
        book.applied("subscription.changed", change)
        assert expected == granted(outcomes(book.out))
    book.applied("subscription.changed", {"subscription": "s", "attributes": {"seats": None}})
    assert not [b for b in granted(book.sweep("2026-04-11T00:00:00Z")) if b.startswith("big")]
