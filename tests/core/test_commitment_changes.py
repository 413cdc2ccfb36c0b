"""Another minimum: for the term that runs and those to come, or from the next term on."""

from __future__ import annotations

from typing import Any

import pytest

from core.book import Book
from core.test_commitments import END, committed, stated, term
from core.test_stated_shortfalls import APRIL, FEBRUARY, MARCH, book, owed, short
from properties.events import Event

MIDDLE = "2026-07-01T00:00:00Z"


def changed(made: Book, at: str = MIDDLE, *, later: bool = False, **least: Any) -> None:
    """The minimum of a year becomes another one."""
    commitment = {"unit": "USD", "quantity": "12000", "term": "year"} | least
    body: Event = {"subscription": "s", "commitment": commitment}
    made.applied("subscription.changed", body | ({"at_period_end": True} if later else {}), at)


@pytest.mark.parametrize("quantity", ["18000", "6000"])
def test_an_upgrade_or_downgrade_is_for_the_whole_term_that_runs(quantity: str):
    made = committed()
    made.use("5000", at="2026-06-30T00:00:00Z")
    changed(made, quantity=quantity)
    assert [] == made.lines
    assert quantity == term(made)["committed"]
    missing = str(int(quantity) - 5000)
    assert [("s:shortfall:1", "5000", missing, missing)] == stated(made.sweep(END))
    assert quantity == term(made, 2)["committed"]


def test_put_off_it_is_for_the_next_term():
    made = committed()
    changed(made, later=True, quantity="18000", rate="0.5")
    assert "12000" == term(made)["committed"]
    assert [("s:shortfall:1", "0", "12000", "12000")] == stated(made.sweep(END))
    found = stated(made.sweep("2028-01-10T00:00:00Z"))
    assert [("s:shortfall:2", "0", "18000", "9000")] == found


def test_a_plan_that_changes_with_it_waits_for_its_own_period():
    made = committed()
    body = {"subscription": "s", "plan": "team", "at_period_end": True}
    least = {"unit": "USD", "quantity": "18000", "term": "year"}
    made.applied("subscription.changed", body | {"commitment": least}, MIDDLE)
    made.sweep("2026-08-01T00:00:00Z")
    assert ["team"] == [s["plan"] for s in made.snapshot()["subscriptions"]]
    assert "12000" == term(made)["committed"]


def test_what_has_ended_stands_and_late_usage_counts_by_what_was_agreed_then():
    made = committed()
    made.sweep(END)
    changed(made, "2027-01-11T00:00:00Z", quantity="1000", rate="2")
    made.use("4000", at="2027-01-09T00:00:00Z", recorded="2027-01-12T00:00:00Z")
    assert ("12000", "8000") == (term(made)["committed"], term(made)["amount"])
    assert [("R-CORRECT", "4020", "1150", 400_000)] == [
        line for line in made.lines if line[0] == "R-CORRECT"
    ]


def test_another_length_of_terms_is_counted_from_the_next_ones_begin():
    made = committed()
    changed(made, term="month", quantity="1000")
    assert ("1000", END) == (term(made)["committed"], term(made)["ends_at"])
    made.sweep("2027-03-10T00:00:00Z")
    assert ["2027-01-10", "2027-02-10", "2027-03-10", "2027-04-10"] == [
        term(made, n)["ends_at"][:10] for n in (1, 2, 3, 4)
    ]


def test_dates_at_the_end_of_months_do_not_drift():
    made = Book()
    monthly = {"unit": "USD", "quantity": "10", "term": "month"}
    start = {"subscription": "s", "plan": "p", "period": "month", "commitment": monthly}
    made.applied("subscription.started", start | {"anchor": "2026-01-31T00:00:00Z"})
    changed(made, "2026-02-15T00:00:00Z", term="month", quantity="20")
    made.sweep(APRIL)
    assert ["2026-02-28", "2026-03-31"] == [term(made, n)["ends_at"][:10] for n in (1, 2)]


def test_what_is_earned_on_the_way_follows_the_new_minimum():
    """12,000 with 10,000 expected: 4,000 used earn 800 more; of 15,000, 2,000; of 10,000, none."""
    made = committed({"expected": "10000"}, keys={"shortfall.method": "proportional"})
    made.use("4000", at="2026-06-30T00:00:00Z")
    changed(made, quantity="15000")
    assert [("R-SHORTFALL-PROP", "1160", "4020", 120_000)] == made.lines
    changed(made, quantity="15000", expected="12000")
    assert [("R-SHORTFALL-PROP", "4020", "1160", 100_000)] == made.lines
    changed(made, quantity="10000")
    assert [("R-SHORTFALL-PROP", "4020", "1160", 100_000)] == made.lines
    made.sweep(END)
    assert ("6000", "6000") == tuple(term(made)[key] for key in ("amount", "to_bill"))


def test_a_smaller_minimum_may_be_met_already():
    made = committed(keys={"notice.commitment_progress": [50, 100]})
    made.use("5000", at="2026-06-01T00:00:00Z")
    changed(made, "2026-06-02T00:00:00Z", quantity="5000")
    told = [r["data"]["percent"] for r in made.out if r["type"].endswith("commitment_progress.v1")]
    assert ["50", "100"] == told


def test_a_subscription_without_a_commitment_commits_from_the_change_on():
    made = Book()
    made.applied("subscription.started", {"subscription": "s", "plan": "p", "period": "month"})
    changed(made, "2026-03-05T12:00:00Z")
    found = (term(made)["begins_at"], term(made)["ends_at"])
    assert ("2026-03-05T12:00:00Z", "2027-03-05T12:00:00Z") == found


def test_a_commitment_that_has_not_begun_changes_before_it_does():
    made = committed(trial_until="2026-02-10T00:00:00Z")
    changed(made, "2026-02-01T00:00:00Z", quantity="500", term="month")
    found = term(made, at="2026-02-11T00:00:00Z")
    assert ("2026-02-10", "2026-03-10", "500") == (
        found["begins_at"][:10],
        found["ends_at"][:10],
        found["committed"],
    )


def test_statements_list_what_was_agreed_for_each_term():
    made = book()
    made.sweep(FEBRUARY)
    changed(made, FEBRUARY, term="month", quantity="40")
    changed(made, "2026-02-02T00:00:00Z", later=True, term="month", quantity="60")
    made.sweep(APRIL)
    assert [[short("100")], [short("40", 2)], [short("60", 3)]] == owed(made)


def test_a_change_at_a_terms_end_is_for_the_next_one():
    made = book()
    changed(made, FEBRUARY, term="month", quantity="40")
    made.sweep(MARCH)
    assert [[short("100")], [short("40", 2)]] == owed(made)


def test_the_unit_stays():
    made = committed()
    for unit in ("credits", "EUR"):
        least = {"unit": unit, "quantity": "1", "term": "year", "rate": "1"}
        body = {"subscription": "s", "commitment": least}
        assert "commitment_exists" == made.refused("subscription.changed", body, MIDDLE)
    least = {"unit": "nothing", "quantity": "1", "term": "year", "rate": "1"}
    body = {"subscription": "s", "commitment": least}
    assert "unknown_unit" == made.refused("subscription.changed", body, MIDDLE)
    made.applied("subscription.cancelled", {"subscription": "s"}, MIDDLE)
    body["commitment"] = least | {"unit": "USD"}
    assert "subscription_status" == made.refused("subscription.changed", body, MIDDLE)
