"""The terms of a commitment: when they begin and end, and what ends or renews them."""

from __future__ import annotations

import pytest

from core.book import Book
from core.test_commitments import END, START, YEAR, committed, stated, term


@pytest.mark.parametrize("at_period_end", [True, False])
def test_a_cancelled_subscription_owes_the_term_that_runs_and_no_other(at_period_end):
    """The minimum was agreed for the term: usage counts to its end, and then it is trued up."""
    book = committed()
    cancel = {"subscription": "s", "at_period_end": at_period_end}
    book.applied("subscription.cancelled", cancel, "2026-03-01T00:00:00Z")
    book.use("9500", at="2026-06-30T00:00:00Z")
    assert [("s:shortfall:1", "9500", "2500", "2500")] == stated(book.sweep(END))
    assert 1 == len(book.snapshot("2029-01-01T00:00:00Z")["commitments"])


def test_a_cancellation_at_the_very_end_of_the_term_is_in_time():
    """The period and the term end at once, and no new term begins."""
    book = committed(None, period="year")
    cancel = {"subscription": "s", "at_period_end": True}
    book.applied("subscription.cancelled", cancel, "2026-03-01T00:00:00Z")
    found = book.sweep(END)
    assert ["subscription", "commitment"] == [o["cause"]["due"].split()[0] for o in found]
    assert 1 == len(book.snapshot()["commitments"])


def test_a_pause_and_a_change_of_plan_leave_the_commitment_as_it_is():
    """They are about grants and prices; the minimum was agreed for the term."""
    book = committed()
    book.applied("subscription.paused", {"subscription": "s"}, "2026-03-01T00:00:00Z")
    book.sweep(END)
    change = {"subscription": "s", "plan": "team", "period": "year", "anchor": START}
    book.applied("subscription.changed", change, "2027-02-01T00:00:00Z")
    assert "2028-01-10T00:00:00Z" == term(book, 2)["ends_at"]


def test_a_renewed_subscription_commits_again():
    """While the term runs it just goes on; after it a whole new term begins at the renewal."""
    book = committed()
    for at in ("2026-03-01T00:00:00Z", "2026-05-01T00:00:00Z"):
        book.applied("subscription.cancelled", {"subscription": "s"}, at)
        if at < "2026-05":
            book.applied("subscription.renewed", {"subscription": "s"}, "2026-04-01T00:00:00Z")
    book.sweep(END)
    book.applied("subscription.renewed", {"subscription": "s"}, "2027-03-05T00:00:00Z")
    assert ("2027-03-05T00:00:00Z", "2028-03-05T00:00:00Z") == tuple(
        term(book, 2)[key] for key in ("begins_at", "ends_at")
    )


@pytest.mark.parametrize(
    ("more", "begins", "ends"),
    [
        ({"trial_until": "2026-02-10T00:00:00Z"}, "2026-02-10", "2027-02-10"),
        ({"anchor": "2026-04-01T00:00:00Z"}, "2026-04-01", "2027-04-01"),
        ({"anchor": "2025-06-01T00:00:00Z"}, "2025-06-01", "2026-06-01"),
    ],
)
def test_terms_are_counted_from_the_anchor_as_periods_are(more, begins, ends):
    """The trial is before it; the first term is the one that the start lies in, and is whole."""
    book = committed(None, **more)
    found = term(book, at="2026-04-02T00:00:00Z")
    assert (begins, ends) == (found["begins_at"][:10], found["ends_at"][:10])
    assert "12000" == found["committed"]


def test_a_trial_that_is_cancelled_commits_to_nothing():
    """Its first term would have begun with the trial's end; renewed, it begins at once."""
    book = committed(None, trial_until="2026-02-10T00:00:00Z")
    book.applied("subscription.cancelled", {"subscription": "s"}, "2026-02-01T00:00:00Z")
    assert [] == book.snapshot("2026-03-01T00:00:00Z")["commitments"]
    book.applied("subscription.renewed", {"subscription": "s"}, "2026-03-02T00:00:00Z")
    assert "2026-03-02T00:00:00Z" == term(book)["begins_at"]


def test_usage_ahead_of_the_clock_counts_in_the_term_that_it_lies_in():
    """It came in the last minute of the first term, and happened in the second."""
    book = committed()
    book.use("7", at="2027-01-10T00:02:00Z", recorded="2027-01-09T23:59:00Z")
    book.sweep(END)
    assert ("0", "7") == (term(book, 1)["counted"], term(book, 2)["counted"])


def test_a_term_that_began_before_the_log_knew_counts_what_can_still_change():
    """Usage of the last days, and bought credit that lapsed since; not usage from before that."""
    book = Book()
    book.grant("b", "100", expires_at="2026-01-20T00:00:00Z")
    book.invoice({"amount": "100", "sells": [{"block": "b"}]})
    book.use("5", at="2026-01-16T00:00:00Z")
    book.use("40", at="2026-01-18T00:00:00Z")
    start = {"subscription": "s", "plan": "pro", "period": "month", "anchor": START}
    body = start | {"commitment": YEAR}
    book.applied("subscription.started", body, "2026-01-20T12:00:00Z")
    assert "95" == term(book)["counted"]


def test_a_months_end_and_the_zone_of_the_start_say_when_terms_end():
    """31 January, 28 February, 31 March on the clocks of Zurich, whatever the customer does."""
    book = Book()
    book.applied("customer.updated", {"time_zone": "Europe/Zurich"})
    body = {"subscription": "s", "plan": "pro", "period": "month"}
    monthly = {"unit": "USD", "quantity": "10", "term": "month"}
    start = body | {"commitment": monthly, "anchor": "2026-01-31T00:00:00+01:00"}
    book.applied("subscription.started", start, "2026-01-31T12:00:00Z")
    book.applied("customer.updated", {"time_zone": "UTC"}, "2026-02-01T00:00:00Z")
    found = [c["ends_at"] for c in book.snapshot("2026-04-15T00:00:00Z")["commitments"]]
    assert ["2026-02-27T23:00:00Z", "2026-03-30T22:00:00Z", "2026-04-29T22:00:00Z"] == found


@pytest.mark.parametrize("dropped", [False, True])
@pytest.mark.parametrize(("widened", "counted"), [(None, "20"), (5, "35"), (1, "75")])
def test_of_a_term_that_began_in_the_past_usage_of_the_late_window_counts(
    widened: int | None, counted: str, dropped: bool
):
    """Whatever else the journal holds or has dropped: what was kept when the window widened."""
    book = Book()
    book.applied("customer.updated", {"credit_limits": {"USD": "99"}})
    for day, used in ((1, "40"), (3, "10"), (5, None), (6, "5"), (8, "20"), (10, None)):
        book.at = f"2026-01-{day:02d}T00:00:00Z"
        if dropped:
            hold = {"hold": f"h{day}", "unit": "USD", "quantity": "1", "expires_at": END}
            book.applied("hold.placed", hold)
            book.applied("hold.released", {"hold": f"h{day}"})
        if day == widened:
            policy = {"version": 1, "effective_from": book.at, "author": "a", "reason": "r"}
            book.published("policy.published", policy | {"keys": {"late.window": "P20D"}})
        if used is not None:
            book.use(used)
    commitment = {"unit": "USD", "quantity": "1000", "term": "year"}
    start = {"subscription": "s", "plan": "pro", "period": "month"}
    past = {"anchor": "2026-01-01T00:00:00Z", "commitment": commitment}
    book.applied("subscription.started", start | past)
    assert counted == term(book)["counted"]
