"""Programs: who gets which block when, for years, without a further call."""

from __future__ import annotations

from typing import Any

import pytest

from core.book import Book, moves
from core.test_changes import sound
from properties.events import Event, outcomes

EVERYONE = {"field": "customer.id", "exists": True}
GRANT = {"kind": "promotional", "unit": "credits", "quantity": "310", "expires": "period_end"}
MONTHLY = {
    "program": "p",
    "version": 1,
    "effective_from": "2026-01-01T00:00:00Z",
    "who": EVERYONE,
    "grant": GRANT,
    "every": "month",
    "anchor": "calendar",
}
ONCE = {
    "program": "once",
    "version": 1,
    "effective_from": "2026-01-01T00:00:00Z",
    "who": EVERYONE,
    "grant": GRANT | {"expires": "never"},
}


def published(book: Book, at: str | None = None, **more: Any) -> Event:
    base = MONTHLY if more.get("program", "p") == "p" else ONCE
    return book.published("program.published", base | more, at)


def granted(out: list[Event]) -> dict[str, str]:
    """Quantities by block of what these outcomes granted."""
    return {
        entry["block"]: entry["quantity"]
        for outcome in out
        for entry in outcome.get("entries", ())
        if entry["from"] == "origin"
    }


def dates(out: list[Event]) -> list[str]:
    """When something was granted."""
    return [o["effective_at"] for o in out if granted([o])]


def test_a_program_grants_each_period_to_whoever_is_there():
    """A block at each month's begin; the one before is gone at that instant."""
    book = Book()
    published(book)
    out = book.sweep("2026-04-15T00:00:00Z")
    assert ["2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z"] == dates(out)
    assert {"p:c:2": "310", "p:c:3": "310", "p:c:4": "310"} == granted(out)
    assert {"credits": "310"} == book.snapshot()["usable"]
    assert "p" == book.block("p:c:4")["program"]
    (state,) = book.snapshot()["programs"]
    assert {
        "program": "p",
        "granted": 4,
        "covered_until": "2026-05-01T00:00:00Z",
        "next_at": "2026-05-01T00:00:00Z",
    } == state


def test_a_customer_who_comes_later_is_granted_from_then_on():
    """The first period is whole, unless the program gives only its share."""
    for proration, first in (({}, "310"), ({"proration": {"first": "by_second"}}, "170")):
        book = Book()
        published(book, effective_from="2026-02-01T00:00:00Z", **proration)
        book.applied("customer.created", {"currency": "USD"}, "2026-03-15T00:00:00Z", customer="d")
        out = [o for o in book.sweep("2026-04-01T00:00:00Z") if o["customer"] == "d"]
        given = granted([o for o in outcomes(book.records) if o.get("customer") == "d"])
        assert {"p:d:1": first, "p:d:2": "310"} == given
        assert ["2026-04-01T00:00:00Z"] == dates(out)


def test_dates_are_those_of_the_customers_zone():
    """Midnight of the first in Zurich, in winter time and in summer time."""
    book = Book()
    book.applied("customer.updated", {"time_zone": "Europe/Zurich"})
    published(book)
    out = book.sweep("2026-05-15T00:00:00Z")
    assert "2026-02-28T23:00:00Z" in dates(out)
    assert "2026-03-31T22:00:00Z" in dates(out)


@pytest.mark.parametrize(
    ("anchor", "every", "first"),
    [
        ("2026-01-31T09:00", "month", ["2026-01-31T09:00:00Z", "2026-02-28T09:00:00Z"]),
        (
            "2026-01-31T09:00[Asia/Kolkata]",
            "P1M",
            ["2026-01-31T03:30:00Z", "2026-02-28T03:30:00Z"],
        ),
        ("calendar", "week", ["2026-01-05T00:00:00Z", "2026-01-12T00:00:00Z"]),
        ("calendar", "quarter", ["2026-04-01T00:00:00Z", "2026-07-01T00:00:00Z"]),
        ("calendar", "PT12H", ["2026-01-01T12:00:00Z", "2026-01-02T00:00:00Z"]),
        ("first_grant", "P30D", ["2026-01-31T00:00:00Z", "2026-03-02T00:00:00Z"]),
        (None, "year", ["2027-01-01T00:00:00Z", "2028-01-01T00:00:00Z"]),
    ],
)
def test_the_grid_extends_both_ways_from_its_anchor(anchor, every, first):
    """The first grant is when the program begins; the others are on the grid."""
    book = Book()
    published(book, every=every, **({"anchor": anchor} if anchor else {"anchor": "first_grant"}))
    out = book.sweep("2028-02-01T00:00:00Z")
    assert {"p:c:1": "310"} == granted(outcomes(book.records)[: -len(out)])
    assert first == dates(out)[:2]


def test_a_publication_changes_the_future_and_nothing_that_was_granted():
    """From 15 March on the next period is the new one's; the present one stays as it is."""
    book = Book()
    published(book)
    published(
        book,
        "2026-03-15T00:00:00Z",
        version=2,
        effective_from="2026-02-10T00:00:00Z",
        grant=GRANT | {"quantity": "500"},
    )
    assert {} == granted(book.sweep("2026-03-31T00:00:00Z"))
    assert {"p:c:4": "500"} == granted(book.sweep("2026-04-02T00:00:00Z"))


def test_a_version_waits_for_its_date():
    """What is published for May changes nothing in April."""
    book = Book()
    published(book)
    more = GRANT | {"quantity": "1"}
    published(book, version=2, effective_from="2026-05-01T00:00:00Z", grant=more)
    out = book.sweep("2026-05-02T00:00:00Z")
    assert ["310", "310", "310", "1"] == list(granted(out).values())


def test_a_program_ends_and_may_begin_again():
    """Nothing from its end on; a later version begins with a first grant."""
    book = Book()
    published(book)
    end = {"program": "p", "version": 2, "effective_from": "2026-03-01T00:00:00Z"}
    book.published("program.ended", end)
    out = book.sweep("2026-05-15T00:00:00Z")
    assert ["2026-02-01T00:00:00Z"] == dates(out)
    published(book, version=3, effective_from="2026-05-20T00:00:00Z")
    out = book.sweep("2026-06-15T00:00:00Z")
    assert ["2026-05-20T00:00:00Z", "2026-06-01T00:00:00Z"] == dates(out)
    assert {"p:c:3": "310", "p:c:4": "310"} == granted(out)


def test_effective_to_ends_it_without_a_further_fact():
    """The last period is whole, or only its share where the program says so."""
    for proration, last in (({}, "310"), ({"proration": {"last": "by_second"}}, "100")):
        book = Book()
        published(book, effective_to="2026-03-11T00:00:00Z", **proration)
        out = book.sweep("2026-06-01T00:00:00Z")
        assert {"p:c:2": "310", "p:c:3": last} == granted(out)


def test_an_end_that_comes_as_news_takes_back_what_is_not_used_of_the_rest():
    """10 of 31 days were due: 100 of 310; what was drawn above that stays drawn."""
    for used, left in (("30", "40"), ("75", "0")):  # of 2 credits each
        book = Book()
        published(book, proration={"last": "by_second"})
        book.sweep("2026-03-02T00:00:00Z")
        book.use(used)
        end = {"program": "p", "version": 2, "effective_from": "2026-03-11T00:00:00Z"}
        book.published("program.ended", end, "2026-03-05T00:00:00Z")
        book.sweep("2026-03-11T00:00:00Z")
        assert left == book.block("p:c:3")["available"]
        assert [] == dates(book.sweep("2026-06-01T00:00:00Z"))


def test_a_program_without_every_grants_once_whatever_changes():
    """A second version, a detachment and an attachment give nothing more."""
    book = Book()
    published(book, **ONCE)
    published(book, **ONCE | {"version": 2, "effective_from": "2026-02-01T00:00:00Z"})
    book.applied("program.detached", {"program": "once"}, "2026-02-10T00:00:00Z")
    book.applied("program.attached", {"program": "once"}, "2026-02-20T00:00:00Z")
    book.sweep("2027-01-01T00:00:00Z")
    assert {"once:c:1": "310"} == granted(outcomes(book.records))


@pytest.mark.parametrize(
    ("expires", "at"),
    [
        ("never", None),
        ("P1M", "2026-02-28T00:00:00Z"),
        ("PT36H", "2026-02-01T12:00:00Z"),
        ("2026-12-31T00:00:00Z", "2026-12-31T00:00:00Z"),
    ],
)
def test_a_block_ends_when_its_program_says(expires, at):
    """After an interval of the calendar, at a date, or never."""
    book = Book()
    begin = "2026-01-31T00:00:00Z"
    published(book, **ONCE | {"effective_from": begin, "grant": GRANT | {"expires": expires}})
    book.sweep("2026-01-31T00:00:01Z")
    assert at == book.block("once:c:1").get("expires_at")


def test_a_grant_that_could_never_pay_is_not_made():
    """Its fixed end has come: the program goes on without blocks."""
    book = Book()
    published(book, grant=GRANT | {"expires": "2026-02-10T00:00:00Z"})
    out = book.sweep("2026-05-01T00:00:00Z")
    assert {"p:c:2": "310"} == granted(out)


WHO = {
    "all": [
        {"field": "customer.attributes.tier", "in": ["gold", "silver"]},
        {"not": {"field": "customer.attributes.internal", "eq": True}},
    ]
}


def test_who_matches_is_looked_at_whenever_the_customer_changes():
    """From the change on, and no more once it does not match."""
    book = Book()
    published(book, who=WHO)
    book.sweep("2026-02-10T00:00:00Z")
    assert {} == granted(outcomes(book.records))
    book.applied("customer.updated", {"attributes": {"tier": "gold"}}, "2026-02-15T00:00:00Z")
    assert ["2026-02-15T00:00:00Z", "2026-03-01T00:00:00Z"] == dates(
        outcomes(book.out) + book.sweep("2026-03-10T00:00:00Z")
    )
    book.applied("customer.updated", {"attributes": {"internal": True}})
    assert [] == dates(book.sweep("2026-06-10T00:00:00Z"))


def test_a_period_is_granted_once_however_often_who_matches_changes():
    """Leaving and coming back within a period mints nothing; coming back later grants anew."""
    book = Book()
    published(book, who=WHO)
    for day, tier in ((10, "gold"), (12, "none"), (14, "gold"), (16, "none"), (18, "silver")):
        book.applied("customer.updated", {"attributes": {"tier": tier}}, f"2026-02-{day}T00:00:00Z")
    book.sweep("2026-02-20T00:00:00Z")
    assert {"p:c:1": "310"} == granted(outcomes(book.records))
    book.applied("customer.updated", {"attributes": {"tier": "none"}}, "2026-02-25T00:00:00Z")
    book.applied("customer.updated", {"attributes": {"tier": "gold"}}, "2026-03-08T00:00:00Z")
    book.sweep("2026-03-10T00:00:00Z")
    assert {"p:c:1": "310", "p:c:2": "310"} == granted(outcomes(book.records))


def test_a_program_of_ones_own():
    """Attached with terms: recurring from its date, changed by attaching anew, until detached."""
    book = Book()
    own = {"effective_from": "2026-01-15T00:00:00Z", "grant": GRANT, "every": "month"}
    book.applied("program.attached", {"program": "vip", "definition": own})
    out = book.sweep("2026-03-01T00:00:00Z")
    assert ["2026-01-15T00:00:00Z", "2026-02-15T00:00:00Z"] == dates(out)
    own["grant"] = GRANT | {"quantity": "7"}
    book.applied("program.attached", {"program": "vip", "definition": own})
    assert {"vip:c:3": "7"} == granted(book.sweep("2026-04-01T00:00:00Z"))
    book.applied("program.detached", {"program": "vip"})
    assert {} == granted(book.sweep("2026-09-01T00:00:00Z"))


def test_a_published_program_is_attached_to_whom_it_is_not_for_and_detached_from_whom_it_is():
    """`who` does not matter for a customer about whom it was said."""
    book = Book()
    published(book, who=WHO)
    book.applied("program.attached", {"program": "p"}, "2026-02-10T00:00:00Z")
    assert {"p:c:1": "310", "p:c:2": "310"} == granted(
        outcomes(book.out) + book.sweep("2026-03-02T00:00:00Z")
    )
    book.applied("program.detached", {"program": "p"})
    book.applied("customer.updated", {"attributes": {"tier": "gold"}})
    assert {} == granted(book.sweep("2026-09-01T00:00:00Z"))


def test_an_id_that_is_taken_is_passed_over():
    """Someone granted a block, or sold one, under the id that the program would have used."""
    book = Book()
    book.grant("p:c:1")
    book.invoice({"amount": "5", "sells": [{"block": "p:c:2"}]})
    published(book)
    book.sweep("2026-02-02T00:00:00Z")
    assert {"p:c:1": "100", "p:c:3": "310", "p:c:4": "310"} == granted(outcomes(book.records))


def test_a_grant_that_cannot_be_made_is_told_and_the_next_is_due():
    """More than one amount can hold is a notice; a halt would stop everyone."""
    book = Book()
    book.grant("huge", "9000000000000", unit="credits", kind="promotional")
    huge = GRANT | {"quantity": "9000000000000"}
    published(book, grant=huge)
    told = [r["data"] for r in book.out if r["type"] == "creditfold.notice.grant_refused.v1"]
    assert [("p", "p:c:1", "quantity_out_of_range")] == [
        (each["program"], each["block"], each["code"]) for each in told
    ]
    assert "2026-02-01T00:00:00Z" == book.snapshot()["programs"][0]["next_at"]


def test_paid_grants_give_their_share_of_the_value():
    """17 of 31 days: 170 of 310 units, and 8.50 of 15.50."""
    book = Book()
    value = {"amount": "15.50", "currency": "USD"}
    published(
        book,
        "2026-01-15T00:00:00Z",
        effective_from="2026-01-15T00:00:00Z",
        grant=GRANT | {"kind": "included", "value": value},
        proration={"first": "by_second"},
    )
    block = book.block("p:c:1")
    assert ("170", "8.5") == (block["quantity"], block["value"])


def test_usage_at_the_instant_of_a_refill_draws_from_the_new_block():
    """At one instant: expiry, then refill, then usage."""
    book = Book()
    published(book)
    outcome = book.use("1", at="2026-02-01T00:00:00Z")
    assert [("p:c:2", "available", "drawn", "2")] == moves(outcome)


def test_what_a_customer_is_told_of_does_not_depend_on_when_the_clock_comes():
    """A grant due before a publication is by the terms that were known then."""
    early, late = Book(), Book()
    for book in (early, late):
        published(book)
        if book is early:
            book.sweep("2026-02-01T00:00:00Z")
        more = GRANT | {"quantity": "1"}
        published(
            book,
            "2026-02-10T00:00:00Z",
            version=2,
            effective_from="2026-01-20T00:00:00Z",
            grant=more,
        )
        book.sweep("2026-03-02T00:00:00Z")
    assert granted(outcomes(early.records)) == granted(outcomes(late.records))
    assert {"p:c:1": "310", "p:c:2": "310", "p:c:3": "1"} == granted(outcomes(late.records))


def test_a_grant_that_is_cut_at_its_own_instant_is_two_outcomes():
    book = Book()
    at = "2026-01-02T00:00:00Z"
    template = {"kind": "included", "unit": "credits", "quantity": "900", "expires": "period_end"}
    shares = {"first": "by_second", "last": "by_second"}
    program = {"program": "p", "version": 1, "effective_from": at, "anchor": "subscription"}
    program |= {"who": {"field": "subscription.plan", "eq": "pro"}, "grant": template}
    book.published("program.published", program | {"every": "month", "proration": shares})
    plan = {"subscription": "s", "plan": "pro", "period": "month"}
    book.applied("subscription.started", plan, at)
    book.applied("subscription.paused", {"subscription": "s"}, at)
    book.sweep("2026-01-03T00:00:00Z")
    assert "900" == book.block("p:s:1")["voided"]
    sound(book)


def shared(book: Book, **more: Any) -> None:
    """900 a month for the customer, of which it keeps its share when the program ends."""
    template = {"kind": "included", "unit": "credits", "quantity": "900", "expires": "period_end"}
    terms = {"grant": template, "every": "month", "proration": {"last": "by_second"}} | more
    book.applied("program.attached", {"program": "p", "definition": terms})


def test_a_fact_from_before_a_grant_does_not_cut_it():
    """Of a customer who has the program since, whatever an older fact is about."""
    book = Book()
    book.at = "2026-01-10T00:00:00Z"
    shared(book)
    book.sweep("2026-01-11T00:00:00Z")
    plan = {"subscription": "s", "plan": "pro", "period": "month"}
    book.applied(
        "subscription.started", plan, "2026-01-05T00:00:00Z", recorded="2026-01-11T00:00:00Z"
    )
    book.sweep("2026-01-12T00:00:00Z")
    assert {"available": "900", "voided": "0"}.items() <= book.block("p:c:1").items()
    book.invoice(
        {
            "amount": "30",
            "funds": {"program": "p", "from": "2026-01-01T00:00:00Z", "to": "2026-04-01T00:00:00Z"},
        },
        at="2026-01-05T00:00:00Z",
    )
    assert "10" == book.block("p:c:1")["value_now"]


def test_what_is_cut_and_granted_anew_at_one_instant_is_two_outcomes():
    book = Book()
    plan = {"subscription": "s", "plan": "pro", "period": "month"}
    book.applied("subscription.started", plan)
    shared(book, anchor="subscription")
    at = "2026-01-16T12:00:00Z"
    for kind in ("paused", "resumed", "paused", "resumed"):
        book.applied(f"subscription.{kind}", {"subscription": "s"}, at)
    book.sweep("2026-02-02T00:00:00Z")
    sound(book)
    first, second, third = (book.block(f"p:s:{n}") for n in (1, 2, 3))
    assert ("450", "450") == (first["voided"], first["expired"])
    assert "900" == second["quantity"] == third["quantity"]
