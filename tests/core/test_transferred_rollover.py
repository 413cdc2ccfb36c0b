"""A block that goes to another customer keeps its rollover, as often as it still may roll."""

from __future__ import annotations

from typing import Any

import pytest

from core.book import Book, moves
from core.test_changes import sound
from core.test_transfers import THERE, answered, held_back, sent, two
from properties.events import Event, fact, outcomes, snapshots

END = "2026-02-01T00:00:00Z"
LATER = "2026-03-04T00:00:00Z"


def blocks(book: Book, customer: str = THERE) -> dict[str, Event]:
    found = snapshots(book.simulation.snapshots(book.at))[customer]["blocks"]
    return {block["block"]: block for block in found}


def available(book: Book, customer: str = THERE) -> dict[str, str]:
    found = blocks(book, customer)
    return {id_: b["available"] for id_, b in found.items() if b["available"] != "0"}


def used(book: Book, quantity: str, customer: str = THERE, **more: Any) -> Event:
    data = {"meter": "calls", "quantity": quantity}
    return book.applied("usage.recorded", data, customer=customer, **more)


def test_its_percentage_is_of_what_was_sent_and_counts_on():
    """40 of 100 go: half of them roll, and again; of the 60 that stay, half of the grant."""
    book = two(expires_at=END, rollover={"percent": "50", "times": 2})
    sent(book, "40")
    book.sweep(END)
    assert {"c:t~1": "20"} == available(book)
    assert {"b~1": "50"} == available(book, "c")
    rolled = blocks(book)["c:t~1"]
    assert ("c:t", LATER, "20") == tuple(rolled[n] for n in ("rolled_from", "expires_at", "value"))
    book.sweep(LATER)
    assert {"c:t~2": "20"} == available(book)
    book.sweep("2026-04-05T00:00:00Z")
    assert {} == available(book)
    sound(book)


def test_what_rolled_over_before_it_was_sent_rolls_as_often_as_is_left():
    for times, left in ((2, {"c:t~1": "40"}), (1, {})):
        book = two(expires_at=END, rollover={"times": times})
        book.sweep(END)
        data = {"transfer": "t", "block": "b~1", "quantity": "40", "to": THERE}
        book.applied("credit.transferred", data)
        assert {"c:t": "40"} == available(book)
        book.sweep(LATER)
        assert left == available(book)
        sound(book)


def test_a_floor_stays_with_whom_it_was_promised():
    """It grants anew what is missing: so each transfer would make credit."""
    book = two(expires_at=END, rollover={"min_quantity": "30"})
    sent(book, "90")
    used(book, "80")
    book.sweep(END)
    assert {"c:t~1": "10"} == available(book)
    assert {"b~1": "30"} == available(book, "c")
    sound(book)


@pytest.mark.parametrize(
    "expires",
    [None, "never", "P1M", "P1Y2M3W4DT5H6M7S", "PT1S", "quarter", "2026-05-01T00:00:00.25Z"],
)
def test_what_rolls_over_ends_there_as_it_does_here(expires):
    rollover: Event = {"quantity": "12.5", "percent": "33.3", "priority": -1}
    if expires is not None:
        rollover["expires"] = expires
    book = two(expires_at=END, rollover=rollover)
    out, taken, _ = sent(book, "60")
    (told,) = out["sent"]
    assert rollover.items() - {("expires", expires)} <= told["data"]["rollover"].items()
    assert "applied" == taken["status"]
    book.sweep(END)
    here, there = blocks(book, "c")["b~1"], blocks(book)["c:t~1"]
    assert "12.5" == here["quantity"] == there["quantity"]
    assert here.get("expires_at") == there.get("expires_at")
    sound(book)


@pytest.mark.parametrize(
    ("anchor", "attached", "ends"),
    [
        (
            "2026-01-31T09:00[Europe/Zurich]",
            "2026-01-05T10:00:00Z",
            ["2026-01-31T08:00:00Z", "2026-02-28T08:00:00Z", "2026-03-31T07:00:00Z"],
        ),
        (
            "first_grant",
            "2026-01-05T10:00:00.123456Z",
            [f"2026-0{month}-05T10:00:00.123456Z" for month in (2, 3, 4)],
        ),
    ],
)
def test_what_a_program_granted_ends_by_the_dates_of_the_program(anchor, attached, ends):
    """Whose customer it is now, in another zone and without the program, changes nothing."""
    book = Book()
    book.applied("customer.created", {"currency": "USD", "time_zone": "Asia/Tokyo"}, customer=THERE)
    grant = {"kind": "included", "unit": "credits", "quantity": "400", "expires": "period_end"}
    terms = {"grant": grant, "every": "month", "anchor": anchor}
    terms["rollover"] = {"times": 2, "expires": "period_end"}
    book.applied("program.attached", {"program": "p", "definition": terms}, attached)
    book.sweep("2026-01-10T00:00:00Z")
    data = {"transfer": "t", "block": "p:c:1", "quantity": "150", "to": THERE}
    book.applied("credit.transferred", data)
    for n, end in enumerate(ends):
        name = f"c:t~{n}" if n else "c:t"
        assert ("150", end) == tuple(blocks(book)[name][x] for x in ("available", "expires_at"))
        book.sweep(end)
    assert {} == available(book)
    assert "p:c:3~1" in available(book, "c")
    sound(book)


def test_what_comes_back_in_time_rolls_over_here():
    book = two(expires_at=END, rollover={})
    sent(book, "40", "stranger")
    book.sweep(END)
    assert {"b~1": "100"} == available(book, "c")
    sound(book)


def test_what_comes_back_to_a_block_that_has_ended_expires_though_its_rest_rolled_over():
    book = two(expires_at=END, rollover={})
    held_back(book, "40", "stranger")
    book.sweep(END)
    assert {"b~1": "60"} == available(book, "c")
    (back,) = answered(book, "transfer.returned", "stranger", code="x", detail="")
    assert [("b", "transferred_out", "expired", "40")] == moves(back)
    sound(book)


def test_an_offer_that_is_late_rolls_over_as_if_it_had_come_in_time():
    book = Book()
    offer = {
        "transfer": "t",
        "from": "d",
        "block": "b",
        "kind": "promotional",
        "unit": "USD",
        "quantity": "8",
        "value": {"amount": "0", "currency": "USD"},
        "effective_at": "2026-01-01T00:00:00Z",
        "expires_at": END,
        "rollover": {"percent": "50"},
    }
    late = "2026-02-10T00:00:00Z"
    book.send(fact("transfer.offered", offer, id="t", at=book.at, customer="c", recorded=late))
    book.sweep(late)
    assert {"d:t~1": "4"} == available(book, "c")
    assert (END, LATER) == tuple(
        blocks(book, "c")["d:t~1"][name] for name in ("effective_at", "expires_at")
    )


def test_late_usage_lets_less_of_it_roll_over():
    book = two(expires_at=END, rollover={"quantity": "30"})
    sent(book, "40")
    book.sweep(END)
    assert {"c:t~1": "30"} == available(book)
    used(book, "15", at="2026-01-31T12:00:00Z", recorded=END)
    book.at = END
    assert {"c:t~1": "25"} == available(book)
    assert "15" == blocks(book)["c:t"]["drawn"]
    sound(book)


def test_periods_are_told_on_the_clocks_of_their_zone():
    periods = {"anchor": "calendar", "every": "P1M", "zone": "Europe/Zurich"}
    offer = {
        "transfer": "t",
        "from": "d",
        "block": "b",
        "kind": "promotional",
        "unit": "USD",
        "quantity": "8",
        "value": {"amount": "0", "currency": "USD"},
        "effective_at": "2026-01-01T00:00:00Z",
        "rollover": {},
    }
    for anchor in ("calendar", "2026-01-31T09:00[Europe/Zurich]"):
        told = offer | {"periods": periods | {"anchor": anchor}}
        assert "invalid_value" == Book().refused("transfer.offered", told)
    book = Book()
    book.feed("transfer.offered", offer | {"periods": periods | {"anchor": "2026-01-31T09:00"}})
    assert "applied" == outcomes(book.out)[0]["status"]
