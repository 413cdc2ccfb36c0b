"""Holds: set aside in burn order, settled for less or more, usable when a block expires."""

from __future__ import annotations

import pytest

from core.book import Book, moves
from properties.events import Event, outcomes

EXPIRY = "2026-01-03T00:00:00Z"
TTL = "2026-01-05T00:00:00Z"


def hold(book: Book, quantity: str, id: str = "h", **more: object) -> Event:  # noqa: A002  # as in Book.feed
    data = {"hold": id, "quantity": quantity, "expires_at": TTL} | more
    data |= {} if {"unit", "meter"} & set(more) else {"unit": "USD"}
    return book.feed("hold.placed", data)


def settle(book: Book, quantity: str, id: str = "h", **more: object) -> Event:  # noqa: A002  # as in Book.feed
    data = {"hold": id, "quantity": quantity, "meter": "calls"} | more
    return book.applied("hold.settled", data)


def two_blocks() -> Book:
    book = Book()
    book.grant("first", "5", priority=1)
    book.grant("then", "20")
    return book


def test_a_hold_takes_from_blocks_in_burn_order_and_is_no_longer_usable():
    book = two_blocks()
    outcome = hold(book, "8")
    assert [
        ("first", "available", "held", "5"),
        ("then", "available", "held", "3"),
    ] == moves(outcome)
    assert ["h", "h"] == [entry["hold"] for entry in outcome["entries"]]
    snapshot = book.snapshot()
    assert ({"USD": "17"}, {"USD": "8"}) == (snapshot["usable"], snapshot["held"])
    assert [{"hold": "h", "expires_at": TTL, "blocks": {"first": "5", "then": "3"}}] == snapshot[
        "holds"
    ]
    assert [] == book.lines


@pytest.mark.parametrize(
    ("used", "expected"),
    [
        (
            "6",
            [
                ("first", "held", "drawn", "5"),
                ("then", "held", "drawn", "1"),
                ("then", "held", "available", "2"),
            ],
        ),
        ("8", [("first", "held", "drawn", "5"), ("then", "held", "drawn", "3")]),
        (
            "10",
            [
                ("first", "held", "drawn", "5"),
                ("then", "held", "drawn", "3"),
                ("then", "available", "drawn", "2"),
            ],
        ),
        ("0", [("then", "held", "available", "3"), ("first", "held", "available", "5")]),
    ],
)
def test_a_hold_is_settled_for_less_exactly_more_or_nothing(used, expected):
    book = two_blocks()
    hold(book, "8")
    assert expected == moves(settle(book, used))
    assert [] == book.snapshot()["holds"]
    assert {"USD": str(25 - int(used))} == book.snapshot()["usable"]


def test_what_is_settled_beyond_all_credit_is_overage():
    book = two_blocks()
    hold(book, "8")
    assert [{"25": "1"}] == [{"25": over["quantity"]} for over in settle(book, "26")["overage"]]


def test_a_released_hold_gives_back_last_reserved_first():
    book = two_blocks()
    hold(book, "8")
    outcome = book.applied("hold.released", {"hold": "h"})
    assert ["then", "first"] == [block for block, *_ in moves(outcome)]
    assert {"USD": "25"} == book.snapshot()["usable"]


def test_a_hold_times_out_at_its_instant():
    book = two_blocks()
    hold(book, "8")
    (outcome,) = book.sweep(TTL)
    assert {"clock": TTL, "due": "hold_end h"} == outcome["cause"]
    assert {"USD": "25"} == book.snapshot()["usable"]
    assert "unknown_hold" == book.refused("hold.released", {"hold": "h"})


def test_usage_of_a_hold_leaves_the_rest_held_until_its_last():
    book = two_blocks()
    hold(book, "8")
    assert [("first", "held", "drawn", "4")] == moves(book.use("4", hold={"hold": "h"}))
    assert {"USD": "4"} == book.snapshot()["held"]
    last = book.use("2", hold={"hold": "h", "final": True})
    assert [
        ("first", "held", "drawn", "1"),
        ("then", "held", "drawn", "1"),
        ("then", "held", "available", "2"),
    ] == moves(last)


def test_usage_that_has_happened_is_drawn_even_where_its_hold_is_not_open():
    book = two_blocks()
    assert [("first", "available", "drawn", "1")] == moves(book.use("1", hold={"hold": "gone"}))


def test_what_is_held_stays_usable_when_its_block_expires_and_expires_when_it_ends():
    book = Book()
    book.grant("b", "10", expires_at=EXPIRY)
    book.invoice({"amount": "10", "sells": [{"block": "b"}]})
    hold(book, "6")
    (expiry,) = book.sweep(EXPIRY)
    assert [("b", "available", "expired", "4")] == moves(expiry)
    assert [] == book.lines
    outcome = book.use("2", at="2026-01-04T00:00:00Z", hold={"hold": "h", "final": True})
    assert [("b", "held", "drawn", "2"), ("b", "held", "expired", "4")] == moves(outcome)
    assert [("R-DRAW", "2000", "4000", 200), ("R-EXPIRE", "2000", "4050", 800)] == book.lines
    assert "2026-01-03" == book.postings[-1]["effective_date"]


def test_the_last_of_an_expired_block_makes_breakage_of_what_lapsed_before():
    book = Book()
    book.grant("b", "10", expires_at=EXPIRY)
    book.invoice({"amount": "10", "sells": [{"block": "b"}]})
    hold(book, "6")
    book.sweep(EXPIRY)
    book.at = "2026-01-04T00:00:00Z"
    settle(book, "6")
    assert [("R-DRAW", "2000", "4000", 600), ("R-EXPIRE", "2000", "4050", 400)] == book.lines


def test_a_hold_that_ends_when_its_block_does_goes_first():
    book = Book()
    book.grant("b", "10", expires_at=TTL)
    hold(book, "10")
    assert [
        [("b", "held", "available", "10")],
        [("b", "available", "expired", "10")],
    ] == [moves(outcome) for outcome in book.sweep(TTL)]


def test_a_whole_block_that_is_held_expires_without_an_entry():
    book = Book()
    book.grant("b", "10", expires_at=EXPIRY)
    hold(book, "10")
    assert [[]] == [moves(outcome) for outcome in book.sweep(EXPIRY)]
    (ended,) = book.sweep(TTL)
    assert [("b", "held", "expired", "10")] == moves(ended)


def test_not_enough_and_enough_but_held_are_two_answers():
    book = two_blocks()
    hold(book, "20")
    assert ["held", "not_enough"] == [
        hold(book, quantity, "other")["code"] for quantity in ("25", "26")
    ]


def test_a_thousand_parallel_holds_never_oversell():
    """Every hold of 3 from 1,000: 333 fit, 667 are told why, and the unit ledger stays exact."""
    book = Book()
    book.grant("b", "1000")
    answers = [hold(book, "3", f"h{n}") for n in range(1_000)]
    assert 333 == sum(answer["status"] == "applied" for answer in answers)
    assert {"held"} == {answer["code"] for answer in answers if answer["status"] == "rejected"}
    assert {"held": "999", "available": "1"}.items() <= book.block().items()
    for n in range(333):
        settle(book, "2", f"h{n}")
    assert {"held": "0", "drawn": "666", "available": "334"}.items() <= book.block().items()


def test_a_hold_of_a_meter_takes_the_credit_that_may_pay_for_it():
    """10 calls cost 10 USD or 20 credits: 12 credits pay six of them, and 4 USD the rest."""
    book = Book()
    book.grant("scoped", "50", scope={"include": {"meters": ["tokens"]}}, priority=1)
    book.grant("credits", "12", unit="credits", kind="promotional")
    book.grant("money", "9")
    outcome = hold(book, "10", meter="calls")
    assert [("credits", "12"), ("money", "4")] == [(b, n) for b, *_, n in moves(outcome)]
    assert [
        ("credits", "drawn", "10"),
        ("money", "available", "4"),
        ("credits", "available", "2"),
    ] == [
        (b, to, n)
        for b, _, to, n in moves(book.applied("hold.settled", {"hold": "h", "quantity": 5}))
    ]


def test_a_hold_for_any_usage_takes_only_what_may_pay_for_any():
    book = Book()
    book.grant("scoped", "50", scope={"include": {"meters": ["calls"]}})
    assert "not_enough" == hold(book, "1")["code"]
    assert "applied" == hold(book, "1", meter="calls")["status"]


def test_held_credit_that_cannot_pay_for_the_usage_is_left_to_its_hold():
    book = Book()
    book.grant("scoped", "50", scope={"include": {"meters": ["calls"]}})
    hold(book, "9", meter="calls")
    outcome = settle(book, "3", meter="tokens")
    assert [("scoped", "held", "available", "9")] == moves(outcome)
    assert "3" == outcome["overage"][0]["quantity"]


def test_what_has_no_price_cannot_be_held():
    book = two_blocks()
    assert "not_enough" == hold(book, "1", meter="pings")["code"]


def test_a_credit_limit_lets_holds_go_beyond_credit_and_not_beyond_it():
    book = two_blocks()
    book.applied("customer.updated", {"credit_limits": {"USD": "10"}})
    assert {"USD": "35"} == book.snapshot()["spendable"]
    hold(book, "30")
    snapshot = book.snapshot()
    assert ("USD", "5") == (snapshot["holds"][0]["unit"], snapshot["holds"][0]["on_credit"])
    assert ({"USD": "0"}, {"USD": "5"}) == (snapshot["usable"], snapshot["spendable"])
    assert ["held", "held", "not_enough"] == [
        hold(book, quantity, "other")["code"] for quantity in ("6", "35", "36")
    ]
    assert "applied" == hold(book, "5", "other")["status"]


def test_open_overage_uses_up_the_credit_limit_and_usage_never_asks_it():
    book = Book()
    book.applied("customer.updated", {"credit_limits": {"USD": "10"}})
    hold(book, "4")
    book.use("3", hold={"hold": "h"})
    assert {"USD": "6"} == book.snapshot()["spendable"]
    assert "1" == book.snapshot()["holds"][0]["on_credit"]
    book.use("90")
    assert {"USD": "0"} == book.snapshot()["spendable"]
    assert "not_enough" == hold(book, "1", "other")["code"]


def test_where_nobody_would_owe_it_no_end_of_another_hold_makes_room_on_a_limit():
    book = Book()
    book.applied("customer.updated", {"credit_limits": {"USD": "5"}})
    hold = {"unit": "USD", "expires_at": "2026-01-05T00:00:00Z"}
    book.applied("hold.placed", hold | {"hold": "h1", "quantity": "3"})
    assert "held" == book.refused("hold.placed", hold | {"hold": "h2", "quantity": "4"})
    book.applied("customer.updated", {"overage": {"default": "block"}})
    assert "not_enough" == book.refused("hold.placed", hold | {"hold": "h2", "quantity": "2"})


def test_a_limit_is_changed_and_removed():
    book = Book()
    book.applied("customer.updated", {"credit_limits": {"USD": "10", "credits": "5"}})
    book.applied("customer.updated", {"credit_limits": {"USD": None}})
    assert {"credits": "5"} == book.snapshot()["credit_limits"]


def test_the_ids_of_holds_are_remembered_for_the_late_window_as_those_of_usage():
    book = two_blocks()
    event = {"hold": "h", "unit": "USD", "quantity": "1", "expires_at": EXPIRY}
    book.applied("hold.placed", event, id="f")
    again = book.feed("hold.placed", event, id="f", recorded="2026-01-04T00:00:00Z")
    assert "duplicate" == again["status"]
    late = book.feed("hold.placed", event, id="f", recorded="2026-01-04T00:00:01Z")
    assert "too_late" == late["code"]


def test_a_hold_with_an_id_that_has_ended_is_another_hold():
    book = two_blocks()
    hold(book, "8")
    settle(book, "8")
    assert "applied" == hold(book, "8")["status"]


def test_a_hold_that_comes_when_it_would_have_ended_holds_nothing():
    book = two_blocks()
    book.use("1", at="2026-01-04T00:00:00Z")
    data = {"hold": "h", "unit": "USD", "quantity": "8", "expires_at": "2026-01-03T00:00:00Z"}
    late = {"at": "2026-01-02T00:00:00Z", "recorded": "2026-01-04T00:00:00Z"}
    assert "empty_interval" == book.refused("hold.placed", data, **late)
    book.applied("hold.placed", data | {"expires_at": TTL}, **late)


def test_no_two_time_outs_of_an_id_share_an_outcome():
    """The outcome of a time-out is known by the hold's id and its instant: there is one of them."""
    book = Book()
    book.grant("b", "100", at="2026-01-02T00:00:00Z")
    hold = {"hold": "h", "unit": "USD", "quantity": "5", "expires_at": "2026-01-05T12:00:00Z"}
    book.applied("hold.placed", hold, "2026-01-05T09:00:00Z")
    book.applied("hold.released", {"hold": "h"})
    book.applied("hold.placed", hold, "2026-01-05T10:00:00Z")
    book.sweep("2026-01-05T12:00:00Z")
    for at, recorded in (("11:00", "12:00"), ("11:59", "13:00"), ("12:00", "12:00")):
        times = (f"2026-01-05T{at}:00Z", f"2026-01-05T{recorded}:00Z")
        assert "empty_interval" == book.refused("hold.placed", hold, times[0], recorded=times[1])
    book.applied("hold.placed", hold | {"expires_at": "2026-01-05T14:00:00Z"})
    ended = [o for o in book.sweep("2026-01-09T00:00:00Z") if "clock" in o["cause"]]
    assert ["hold_end h"] == [o["cause"]["due"] for o in ended]
    ids = [o["outcome"] for o in outcomes(book.records) if o["status"] == "applied"]
    assert len(ids) == len(set(ids))
