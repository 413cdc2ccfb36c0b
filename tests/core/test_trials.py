"""What a trial does to grants, by the program's terms."""

from __future__ import annotations

from typing import Any

import pytest

from core.book import Book
from core.test_programs import GRANT, dates, granted
from core.test_subscriptions import START, program, state
from properties.events import Event, outcomes

ENDS = "2026-01-25T00:00:00Z"


def begun(trial_until: str | None = ENDS, **terms: Any) -> Book:
    """A subscription with a trial of 15 days, and a program with these terms."""
    book = Book()
    book.published("program.published", program("pro", "310", **terms))
    start: Event = {"subscription": "s", "plan": "pro", "period": "month"}
    if trial_until is not None:
        start["trial_until"] = trial_until
    book.applied("subscription.started", start, START)
    return book


def given(book: Book) -> dict[str, str]:
    return granted(outcomes(book.records))


@pytest.mark.parametrize(
    ("terms", "until", "blocks"),
    [
        ({}, ENDS, {"pro:s:1": START, "pro:s:2": ENDS, "pro:s:3": "2026-02-25T00:00:00Z"}),
        ({"trial": "after"}, ENDS, {"pro:s:1": ENDS, "pro:s:2": "2026-02-25T00:00:00Z"}),
        ({"trial": "only"}, ENDS, {"pro:s:1": START}),
        ({"trial": "after"}, None, {"pro:s:1": START, "pro:s:2": "2026-02-10T00:00:00Z"}),
        ({"trial": "only"}, None, {}),
        ({"trial": "after"}, START, {"pro:s:1": START, "pro:s:2": "2026-02-10T00:00:00Z"}),
        ({"trial": "only"}, START, {}),
    ],
)
def test_a_program_says_whether_it_grants_in_a_trial_after_it_or_always(terms, until, blocks):
    """At the instant at which the trial ends, it has ended."""
    book = begun(until, **terms)
    book.sweep("2026-03-01T00:00:00Z")
    assert blocks == {
        block: outcome["effective_at"]
        for outcome in outcomes(book.records)
        for block in granted([outcome])
    }


@pytest.mark.parametrize("expires", ["never", "P1Y", "2027-01-01T00:00:00Z", "period_end"])
def test_credit_for_a_trial_ends_with_it_whatever_it_says(expires):
    """And where it says less, it ends before."""
    book = begun(trial="only", grant=GRANT | {"expires": expires}, anchor="calendar")
    assert ENDS == book.block("pro:s:1")["expires_at"]
    book.sweep(ENDS)
    assert {"credits": "0"} == book.snapshot()["usable"]
    early = begun(trial="only", grant=GRANT | {"expires": "P3D"})
    assert "2026-01-13T00:00:00Z" == early.block("pro:s:1")["expires_at"]


def test_a_program_that_grants_once_does_so_in_the_trial_or_after_it():
    """Without dates that recur."""
    once = {"grant": GRANT | {"expires": "never"}, "every": None, "anchor": None}
    for trial, date in (("only", START), ("after", ENDS)):
        terms = {key: value for key, value in (program("pro", "5") | once).items() if value}
        book = Book()
        book.published("program.published", terms | {"trial": trial})
        start = {"subscription": "s", "plan": "pro", "period": "month", "trial_until": ENDS}
        book.applied("subscription.started", start, START)
        book.sweep("2026-06-01T00:00:00Z")
        assert [date] == dates(outcomes(book.records))


def test_credit_that_recurs_in_a_trial_has_its_last_share_there():
    """Weeks from 10 January, until the 25th: one day of the third week is left."""
    weekly = {"every": "week", "anchor": "2026-01-10T00:00"}
    book = begun(trial="only", proration={"last": "by_second"}, **weekly)
    book.sweep("2026-06-01T00:00:00Z")
    assert {"pro:s:1": "310", "pro:s:2": "310", "pro:s:3": "44.285714"} == given(book)


def test_the_first_period_after_a_trial_has_its_share_of_the_calendars():
    """Seven of January's 31 days."""
    book = begun(trial="after", anchor="calendar", proration={"first": "by_second"})
    book.sweep("2026-02-02T00:00:00Z")
    assert {"pro:s:1": "70", "pro:s:2": "310"} == given(book)


def test_what_is_left_of_a_trial_rolls_over_where_the_terms_say_so():
    """Half of it goes on into the paid time, by the rollover's own expiry."""
    book = begun(trial="only", rollover={"percent": "50", "expires": "P1M"})
    book.sweep(ENDS)
    assert {"credits": "155"} == book.snapshot()["usable"]
    assert "2026-02-25T00:00:00Z" == book.block("pro:s:1~1")["expires_at"]


def test_what_a_program_for_trials_says_of_overage_ends_with_the_trial():
    """Uncovered in the trial, owed after it."""
    book = begun(trial="only", grant=GRANT | {"quantity": "5"}, overage="block")
    for at, owed in (("2026-01-12T00:00:00Z", {}), (ENDS, {"USD": "8"})):
        book.use("8", at=at)
        assert owed == book.snapshot()["overage"]


def test_a_trial_that_is_cancelled_gets_nothing_after_it():
    """And keeps what it had until then."""
    for trial, blocks in (("after", {}), ("only", {"pro:s:1": "310"})):
        book = begun(trial=trial)
        book.applied("subscription.cancelled", {"subscription": "s"}, "2026-01-20T00:00:00Z")
        book.sweep("2026-06-01T00:00:00Z")
        assert blocks == given(book)


def test_a_trial_may_end_earlier_or_later_than_was_said():
    """What was granted stays; what comes goes by the new end."""
    early, later = "2026-01-20T00:00:00Z", "2026-02-05T00:00:00Z"
    for until, dates_after in ((early, [early, ENDS]), (later, [later, "2026-02-25T00:00:00Z"])):
        book = begun(trial="after")
        change = {"subscription": "s", "trial_until": until}
        book.applied("subscription.changed", change, early)
        assert state(book).get("trial_until") == (None if until == early else later)
        book.sweep("2026-02-26T00:00:00Z")
        assert dates_after == dates(outcomes(book.records))[: len(dates_after)]
    weekly = {"every": "week", "anchor": "2026-01-10T00:00", "grant": GRANT | {"expires": "never"}}
    book = begun(trial="only", **weekly)
    book.applied("subscription.changed", {"subscription": "s", "trial_until": early}, early)
    book.sweep("2026-02-26T00:00:00Z")
    assert [START, "2026-01-17T00:00:00Z"] == dates(outcomes(book.records))
    assert ENDS == book.block("pro:s:2")["expires_at"]


def test_a_reset_in_a_trial_grants_nothing_that_is_for_after_it():
    """It has granted nothing that could be reset."""
    book = begun(trial="after")
    code = book.refused("program.reset", {"program": "pro"}, "2026-01-20T00:00:00Z")
    assert "unknown_program" == code
    book = begun(trial="only")
    book.applied("program.reset", {"program": "pro"}, "2026-01-20T00:00:00Z")
    assert {"pro:s:1": "310", "pro:s:2": "310"} == given(book)
    book.applied("program.reset", {"program": "pro"}, "2026-01-26T00:00:00Z")
    assert {"pro:s:1": "310", "pro:s:2": "310"} == given(book)


def test_another_version_may_say_something_else_of_trials():
    """From its date on; what was granted stays."""
    book = begun(trial="after")
    always = program("pro", "31") | {"version": 2, "effective_from": "2026-01-15T00:00:00Z"}
    book.published("program.published", always, "2026-01-12T00:00:00Z")
    book.sweep("2026-01-26T00:00:00Z")
    assert ["2026-01-15T00:00:00Z", ENDS] == dates(outcomes(book.records))


def test_a_program_that_speaks_of_trials_is_for_each_subscription():
    """Whatever its who says; and one that was for the customer cannot come to speak of them."""
    everybody = {"who": {"field": "customer.id", "exists": True}, "anchor": "calendar"}
    book = begun(trial="only", **everybody)
    assert {"pro:s:1": "310"} == given(book)
    version = program("pro", "310", **everybody) | {"version": 2}
    refused = book.refused("program.published", version, customer=None)
    assert "program_subject_changed" == refused


def fund(book: Book, until: str) -> None:
    """Bill 100.00 for what the program grants to the subscription from its start on."""
    funds = {"program": "pro", "subscription": "s", "from": START, "to": until}
    lines = [{"line": "1", "amount": "100.00", "funds": funds}]
    book.applied("invoice.issued", {"invoice": "in", "currency": "USD", "lines": lines}, START)


def test_a_line_funds_the_grants_that_come_after_the_trial():
    """Three months lie in its range, and two of them are granted."""
    book = begun(trial="after", grant=GRANT | {"kind": "included"})
    fund(book, "2026-03-10T00:00:00Z")
    book.sweep("2026-03-01T00:00:00Z")
    assert ["50", "50"] == [book.block(f"pro:s:{n}")["value_now"] for n in (1, 2)]


def test_a_line_funds_no_grants_of_a_program_that_ends_before_them():
    """It is for as many as there are until then."""
    book = begun(None, grant=GRANT | {"kind": "included"}, effective_to="2026-03-01T00:00:00Z")
    fund(book, "2027-01-10T00:00:00Z")
    book.sweep("2026-04-01T00:00:00Z")
    assert ["50", "50"] == [book.block(f"pro:s:{n}")["value_now"] for n in (1, 2)]


def test_the_screen_says_until_when_the_trial_lasts():
    """And no more once it has ended."""
    book = begun()
    assert ENDS == state(book)["trial_until"]
    book.sweep(ENDS)
    assert "trial_until" not in state(book)
