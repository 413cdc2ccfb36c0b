"""Top-ups: one request for the whole gap, pending until it is answered, a cooldown between two."""

from __future__ import annotations

import pytest

from core.book import Book
from properties.events import Event

TENS = {"threshold": "50", "add": "10"}


def asked(records: list[Event]) -> list[tuple[str, str]]:
    """(instant, quantity) of the requests."""
    told = [r["data"] for r in records if r["type"] == "creditfold.notice.top_up_wanted.v1"]
    return [(notice["effective_at"], notice["quantity"]) for notice in told]


def notices(book: Book) -> list[str]:
    """Ids of all requests so far."""
    told = [r["data"] for r in book.records if r["type"] == "creditfold.notice.top_up_wanted.v1"]
    return [notice["notice"] for notice in told]


def topped_up(book: Book, **terms: object) -> list[tuple[str, str]]:
    """What setting the terms asks for."""
    book.applied("customer.updated", {"top_ups": {"USD": TENS | terms}})
    return asked(book.out)


def with_balance(quantity: str = "5") -> Book:
    book = Book()
    book.grant("b", quantity)
    return book


@pytest.mark.parametrize(
    ("terms", "balance", "wanted"),
    [
        ({}, "5", "50"),
        ({}, "0.01", "50"),
        ({}, "10", "50"),
        ({}, "40", "20"),
        ({}, "50", "10"),
        ({"min": "25"}, "50", "30"),
        ({"max": "25"}, "5", "20"),
        ({"add": "0.5"}, "49.99", "0.5"),
        ({"add": None, "target": "80"}, "5", "75"),
        ({"add": None, "target": "80", "min": "100"}, "5", "100"),
        ({"add": None, "target": "80", "max": "25"}, "5", "25"),
    ],
)
def test_one_request_closes_the_whole_gap_within_its_limits(
    terms: Event, balance: str, wanted: str
):
    book = with_balance(balance)
    assert [("2026-01-01T00:00:00Z", wanted)] == topped_up(book, **terms)
    (notice,) = [r["data"] for r in book.out if "top_up_wanted" in r["type"]]
    assert ("USD", "50") == (notice["unit"], notice["threshold"])


def test_above_the_threshold_nothing_is_asked_for_and_at_it_something_is():
    book = with_balance("60")
    assert [] == topped_up(book)
    book.use("9")
    assert [] == asked(book.out)
    book.use("1")
    assert [("2026-01-01T00:00:00Z", "10")] == asked(book.out)


def test_a_customer_begins_without_a_request():
    """The first grant is on its way: what is looked at is what it leaves."""
    book = Book()
    book.applied(
        "customer.created", {"currency": "USD", "top_ups": {"USD": TENS}}, customer="other"
    )
    assert [] == asked(book.out)
    grant = {"block": "b", "kind": "promotional", "unit": "USD", "quantity": "20"}
    book.applied("credit.granted", grant, customer="other")
    assert [("2026-01-01T00:00:00Z", "40")] == asked(book.out)


def test_what_is_pending_counts_as_balance_and_only_a_new_gap_is_asked_for():
    book = with_balance()
    topped_up(book)
    book.use("4")
    assert [] == asked(book.out), "1 + 50 is above 50"
    book.use("1")
    assert [("2026-01-01T00:00:00Z", "10")] == asked(book.out), "0 + 50 is not"
    assert ["10", "50"] == sorted(book.snapshot()["top_ups"][0]["pending"].values())


def test_a_grant_that_answers_takes_the_place_of_what_was_pending():
    book = with_balance()
    topped_up(book)
    book.grant("more", "50", tops_up=notices(book)[0])
    assert [] == asked(book.out)
    assert [{"unit": "USD", "threshold": "50", "pending": {}}] == book.snapshot()["top_ups"]
    book.use("5")
    assert [("2026-01-01T00:00:00Z", "10")] == asked(book.out)


def test_a_smaller_answer_leaves_a_gap_that_is_asked_for():
    book = with_balance()
    topped_up(book)
    book.grant("more", "20", tops_up=notices(book)[0])
    assert [("2026-01-01T00:00:00Z", "30")] == asked(book.out)


def test_a_request_is_answered_once():
    """Two grants for one request would be two payments for one gap."""
    book = with_balance()
    topped_up(book)
    (notice,) = notices(book)
    twice = {"block": "twice", "kind": "paid", "unit": "USD", "quantity": "50", "tops_up": notice}
    other = twice | {"unit": "coins"}
    assert "unknown_top_up" == book.refused("credit.granted", other)
    book.grant("more", "50", tops_up=notice)
    assert "unknown_top_up" == book.refused("credit.granted", twice)
    assert "unknown_top_up" == book.refused("top_up.declined", {"notice": notice})


def test_what_a_cap_leaves_of_the_gap_waits_for_the_answer():
    book = with_balance()
    topped_up(book, max="20")
    book.use("1")
    assert [] == asked(book.out)
    book.grant("more", "20", tops_up=notices(book)[0])
    assert [("2026-01-01T00:00:00Z", "20")] == asked(book.out)


def test_between_two_requests_lies_the_cooldown_and_the_clock_asks_when_it_ends():
    book = with_balance()
    topped_up(book, cooldown="P1D", max="10")
    book.grant("more", "10", tops_up=notices(book)[0])
    book.use("1", at="2026-01-01T23:59:59Z")
    assert [] == asked(book.out)
    book.sweep("2026-01-05T00:00:00Z")
    assert [("2026-01-02T00:00:00Z", "10")] == asked(book.out)


def test_the_clock_asks_for_nothing_when_the_balance_is_back_by_then():
    book = with_balance()
    topped_up(book, cooldown="P1D")
    book.grant("more", "60", tops_up=notices(book)[0])
    book.sweep("2026-01-05T00:00:00Z")
    assert [] == asked(book.out)
    book.use("30")
    assert [("2026-01-05T00:00:00Z", "20")] == asked(book.out)


def test_a_declined_request_is_made_again_with_the_next_fact_and_not_before():
    book = with_balance()
    topped_up(book)
    book.applied("top_up.declined", {"notice": notices(book)[0]})
    assert [] == asked(book.out)
    book.sweep("2026-01-02T00:00:00Z")
    assert [] == asked(book.out)
    book.use("1")
    assert [("2026-01-02T00:00:00Z", "50")] == asked(book.out)


@pytest.mark.parametrize(
    ("cooldown", "retry_after", "again"),
    [("P1D", "PT1H", "02"), ("P1D", "P2D", "03"), ("PT1H", "P3D", "04")],
)
def test_a_declined_request_waits_for_its_time_and_for_the_cooldown(
    cooldown: str, retry_after: str, again: str
):
    book = with_balance()
    topped_up(book, cooldown=cooldown)
    book.applied("top_up.declined", {"notice": notices(book)[0], "retry_after": retry_after})
    book.use("1")
    assert [] == asked(book.out)
    book.sweep("2026-01-10T00:00:00Z")
    assert [(f"2026-01-{again}T00:00:00Z", "50")] == asked(book.out)


def test_credit_that_expires_as_other_begins_makes_no_gap():
    book = Book()
    noon = "2026-01-02T12:00:00Z"
    book.grant("old", "80", expires_at=noon)
    book.grant("new", "60", effective_at=noon)
    topped_up(book)
    book.sweep("2026-01-03T00:00:00Z")
    assert [] == asked(book.out)


def test_an_expiry_is_asked_for_at_its_instant():
    book = Book()
    book.grant("old", "80", expires_at="2026-01-02T12:00:00Z")
    book.grant("rest", "7")
    topped_up(book)
    book.sweep("2026-01-03T00:00:00Z")
    assert [("2026-01-02T12:00:00Z", "50")] == asked(book.out)


def test_held_credit_and_a_held_limit_are_not_balance():
    book = with_balance("60")
    book.applied("customer.updated", {"credit_limits": {"USD": "30"}, "top_ups": {"USD": TENS}})
    hold = {"hold": "h", "unit": "USD", "quantity": "70", "expires_at": "2026-01-02T00:00:00Z"}
    book.applied("hold.placed", hold)
    assert [("2026-01-01T00:00:00Z", "70")] == asked(book.out), "0 - 10 + 70 is above 50"
    book.sweep("2026-01-02T00:00:00Z")
    assert [] == asked(book.out)


def test_carried_overage_is_part_of_the_gap_and_its_repayment_no_new_one():
    book = with_balance()
    book.applied("customer.updated", {"overage": {"USD": "carry"}})
    book.use("12")
    assert [("2026-01-01T00:00:00Z", "60")] == topped_up(book), "0 - 7 + 60 is above 50"
    book.grant("more", "60", tops_up=notices(book)[0])
    book.use("1")
    assert [] == asked(book.out), "52 are left"


def test_overage_that_is_billed_is_no_part_of_the_gap():
    book = with_balance()
    book.use("12")
    assert [("2026-01-01T00:00:00Z", "60")] == topped_up(book)


def test_carried_overage_counts_in_the_unit_that_would_repay_it():
    book = Book()
    grant = {"block": "b", "kind": "promotional", "unit": "credits", "quantity": "5"}
    book.applied("credit.granted", grant)
    book.applied("customer.updated", {"overage": {"default": "carry"}})
    book.use("12")
    coins = {"threshold": "0", "add": "1"}
    top_ups = {"credits": {"threshold": "0", "target": "1"}, "coins": coins}
    book.applied("customer.updated", {"top_ups": top_ups})
    assert [("2026-01-01T00:00:00Z", "29"), ("2026-01-01T00:00:00Z", "20")] == asked(book.out), (
        "24 less 5 are 19 credits; HE(36 * 19/24) = 28 coins"
    )


def test_terms_that_are_removed_ask_for_nothing_and_leave_what_is_pending():
    book = with_balance()
    topped_up(book, cooldown="P1D")
    book.applied("customer.updated", {"top_ups": {"USD": None}})
    book.use("1")
    book.sweep("2026-01-05T00:00:00Z")
    assert 1 == len(notices(book))
    book.grant("more", "50", tops_up=notices(book)[0])


def test_a_request_that_nobody_answers_is_not_made_for_ever():
    book = with_balance()
    topped_up(book, threshold="0", add="1")
    book.use("5")
    book.applied("customer.updated", {"overage": {"USD": "carry"}})
    for _ in range(120):
        book.use("1")
    assert 100 == len(set(notices(book))) == len(notices(book))


@pytest.mark.parametrize(
    "terms",
    [
        {"add": None},
        {"target": "80"},
        {"add": None, "target": "50"},
        {"add": "0"},
        {"min": "20", "max": "19"},
        {"max": "0"},
        {"max": "9"},
        {"min": "12", "max": "18"},
        {"cooldown": "PT0S"},
        {"cooldown": "P367D"},
    ],
)
def test_terms_that_no_request_could_keep_are_refused(terms: Event):
    book = with_balance()
    given = {"top_ups": {"USD": TENS | terms}}
    assert "invalid_value" == book.refused("customer.updated", given)
