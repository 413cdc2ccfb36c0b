"""Notices: each at its instant, once for each crossing, and again after it went back."""

from __future__ import annotations

import pytest

from core.book import Book
from properties.events import Event

EXPIRY = "2026-02-10T00:00:00Z"


def policy(book: Book, **keys: object) -> None:
    book.published(
        "policy.published",
        {
            "version": 1,
            "effective_from": "2026-01-01T00:00:00Z",
            "author": "a",
            "reason": "r",
            "keys": {f"notice.{key}": value for key, value in keys.items()},
        },
    )


def told(records: list[Event]) -> list[tuple[str, ...]]:
    """(what, quantity, threshold or block) of the notices."""
    notices = [r["data"] for r in records if r["type"].startswith("creditfold.notice.")]
    return [
        (n["what"], n["quantity"], n.get("threshold", n.get("block", n.get("unit"))))
        for n in notices
    ]


def test_a_grant_is_told_with_its_block():
    book = Book()
    book.grant("b", "5", effective_at="2026-03-01T00:00:00Z")
    assert [("granted", "5", "b")] == told(book.out)
    book.sweep("2026-03-01T00:00:00Z")
    assert [] == told(book.out)


def test_a_threshold_is_told_when_crossed_and_when_left_and_not_in_between():
    book = Book()
    policy(book, thresholds=[{"unit": "USD", "amount": "20"}, {"unit": "USD", "amount": "10.5"}])
    book.grant("b", "30")
    told_by_use = []
    for quantity in ("9", "1", "5", "5", "9"):
        book.use(quantity)
        told_by_use.append(told(book.out))
    assert [
        [],
        [("balance_low", "20", "20")],
        [],
        [("balance_low", "10", "10.5")],
        [],
    ] == told_by_use
    book.grant("c", "14")
    assert ("balance_recovered", "15", "10.5") in told(book.out)
    assert ("balance_recovered", "15", "20") not in told(book.out)
    book.grant("d", "40")
    assert ("balance_recovered", "55", "20") in told(book.out)


def test_what_a_customer_has_first_is_no_crossing():
    book = Book()
    policy(book, thresholds=[{"unit": "USD", "amount": "20"}])
    book.grant("b", "5")
    assert [("granted", "5", "b")] == told(book.out)


def test_a_percentage_is_of_what_was_there_after_the_last_grant():
    book = Book()
    policy(book, thresholds=[{"unit": "USD", "percent": "20"}])
    book.grant("b", "100")
    book.use("79")
    assert [] == told(book.out)
    book.use("1")
    assert [("balance_low", "20", "20")] == told(book.out)
    book.grant("c", "30")
    assert [("granted", "30", "c"), ("balance_recovered", "50", "10")] == told(book.out)
    book.use("40")
    assert [("balance_low", "10", "10")] == told(book.out)


def test_a_balance_that_reaches_zero_is_depleted_once():
    book = Book()
    book.grant("b", "5")
    book.use("7")
    assert [("depleted", "0", "USD")] == told(book.out)
    book.use("7")
    assert [] == told(book.out)


def test_what_a_hold_takes_is_not_usable_and_what_it_gives_back_is():
    book = Book()
    policy(book, thresholds=[{"unit": "USD", "amount": "2"}])
    book.grant("b", "5")
    hold = {"hold": "h", "unit": "USD", "quantity": "5", "expires_at": EXPIRY}
    book.applied("hold.placed", hold)
    assert [("balance_low", "0", "2"), ("depleted", "0", "USD")] == told(book.out)
    book.sweep(EXPIRY)
    assert [("balance_recovered", "5", "2")] == told(book.out)


def test_a_block_that_expires_soon_is_told_at_that_instant_with_what_is_left():
    book = Book()
    policy(book, expiring_before="P7D")
    book.grant("b", "5", expires_at=EXPIRY)
    book.use("2")
    (outcome,) = book.sweep("2026-02-05T00:00:00Z")
    assert {"clock": "2026-02-03T00:00:00Z", "due": "expiring b"} == outcome["cause"]
    assert [("expiring", "3", "b")] == told(book.out)
    assert EXPIRY == next(r["data"]["expires_at"] for r in book.out if "notice" in r["type"])


def test_a_block_that_is_used_up_or_granted_within_that_time_is_not_told_of():
    book = Book()
    policy(book, expiring_before="P7D")
    book.grant("b", "5", expires_at=EXPIRY)
    book.use("5")
    book.grant("c", "5", expires_at=EXPIRY, at="2026-02-04T00:00:00Z")
    book.sweep(EXPIRY)
    assert [("depleted", "0", "USD")] == told(book.out)


def test_an_expiry_that_is_changed_is_told_of_anew():
    book = Book()
    policy(book, expiring_before="P7D")
    book.grant("b", "5", expires_at=EXPIRY)
    later = "2026-03-10T00:00:00Z"
    book.applied("credit.expiry_changed", {"block": "b", "expires_at": later})
    outcomes = book.sweep(later)
    assert ["2026-03-03T00:00:00Z", later] == [o["cause"]["clock"] for o in outcomes]


def test_the_clock_may_come_late_and_says_the_same():
    """The notice's instant is its own, whenever the sweep came round to it."""
    runs = []
    for steps in (("2026-02-03T00:00:00Z", EXPIRY), (EXPIRY,)):
        book = Book()
        policy(book, expiring_before="P7D")
        book.grant("b", "5", expires_at=EXPIRY)
        for step in steps:
            book.sweep(step)
        runs.append([r for r in book.records if "notice" in r["type"]])
    assert runs[0] == runs[1]


@pytest.mark.parametrize(
    "threshold",
    [
        {"unit": "USD"},
        {"unit": "USD", "amount": "1", "percent": "5"},
        {"unit": "USD", "percent": "100"},
        {"unit": "USD", "amount": "-1"},
    ],
)
def test_a_threshold_is_an_amount_or_a_part(threshold):
    data = {
        "version": 1,
        "effective_from": "2026-01-01T00:00:00Z",
        "author": "a",
        "reason": "r",
        "keys": {"notice.thresholds": [threshold]},
    }
    assert "invalid_value" == Book().refused("policy.published", data, customer=None)
