"""Rollover and reset: new blocks with lineage and value, caps, trims, and ends."""

from __future__ import annotations

from typing import Any

import pytest

from core.book import Book, moves
from core.test_programs import EVERYONE
from properties.events import Event

END = "2026-02-01T00:00:00Z"
GRANT = {"kind": "included", "unit": "credits", "quantity": "400", "expires": "period_end"}
MONTHLY = {
    "program": "p",
    "version": 1,
    "effective_from": "2026-01-01T00:00:00Z",
    "who": EVERYONE,
    "grant": GRANT,
    "every": "month",
    "anchor": "calendar",
}


def lot(book: Book, block: str) -> dict[str, str]:
    """Where the units of a block are, without what is empty."""
    places = ("available", "held", "drawn", "expired", "voided", "rolled_out")
    found = book.block(block)
    return {place: found[place] for place in places if found[place] != "0"}


def rolled(book: Book) -> dict[str, str]:
    """What is available of blocks that rolled over."""
    return {
        block["block"]: block["available"]
        for block in book.snapshot()["blocks"]
        if "rolled_from" in block
    }


def test_what_is_unused_goes_on_and_the_rest_expires():
    """60 of 100 are left, half of the grant may roll: 50 go on for as long again, 10 expire."""
    book = Book()
    book.grant(expires_at=END, rollover={"percent": "50"}, priority=3)
    book.use("40")
    out = book.sweep(END)
    assert ["rollover b", "expiry b"] == [o["cause"]["due"] for o in out]
    assert [
        ("b", "available", "rolled_out", "50"),
        ("b~1", "origin", "issued", "50"),
        ("b~1", "issued", "available", "50"),
    ] == moves(out[0])
    assert {"drawn": "40", "rolled_out": "50", "expired": "10"} == lot(book, "b")
    block = book.block("b~1")
    assert ("b", "2026-03-04T00:00:00Z") == (block["rolled_from"], block["expires_at"])
    assert ("paid", "50", "50") == (block["kind"], block["quantity"], block["value"])


def test_value_moves_with_the_units():
    """D04: of 900.00 for 9,000 the 2,000 that roll take 200.00, and 100.00 are breakage."""
    book = Book()
    worth = {"amount": "900", "currency": "USD"}
    book.grant("b1", "9000", unit="credits", value=worth, expires_at=END, rollover=CAPPED)
    book.invoice({"amount": "900", "sells": [{"block": "b1"}]})
    book.use("3000")
    book.sweep(END)
    assert [
        ("R-ROLL", "2000", "2000", 20000),
        ("R-EXPIRE", "2000", "4050", 10000),
    ] == book.lines
    assert ("b1", "b1~1") == tuple(book.postings[-2][key] for key in ("block", "credit_block"))
    book.use("250", at="2026-02-28T00:00:00Z")
    assert [("R-DRAW", "2000", "4000", 5000)] == book.lines
    assert "150" == book.block("b1~1")["carrying"]


CAPPED = {"quantity": "2000"}


def test_credit_that_is_paid_for_after_it_rolled_funds_what_it_became():
    """The line sells the old block: what it pays above that one's rest goes after the units."""
    book = Book()
    book.grant("b", "100", expires_at=END, rollover={"quantity": "40"})
    book.use("50")
    book.sweep(END)
    book.use("10")
    book.invoice({"amount": "100", "sells": [{"block": "b"}]})
    assert [
        ("R-BILL", "1100", "1150", 5000),
        ("R-BILL", "1100", "2000", 5000),
        ("R-ROLL", "2000", "1150", 1000),
        ("R-ROLL", "2000", "2000", 3000),
        ("R-EXPIRE", "2000", "4050", 1000),
    ] == book.lines
    assert {"1100": 10000, "2000": -3000, "4000": -6000, "4050": -1000} == {
        account: amount for account, amount in book.accounts.items() if amount
    }


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({}, "60"),
        ({"quantity": "30"}, "30"),
        ({"quantity": "30", "percent": "20"}, "20"),
        ({"percent": "33.33"}, "33.33"),
        ({"min_quantity": "80"}, "80"),
        ({"quantity": "30", "min_quantity": "40"}, "40"),
    ],
)
def test_a_cap_is_the_smaller_and_a_minimum_tops_up(rule, expected):
    """A quantity, a percentage of the original grant, both, or neither."""
    book = Book()
    book.grant(expires_at=END, rollover=rule)
    book.use("40")
    book.sweep(END)
    assert {"b~1": expected} == rolled(book)


def test_credit_rolls_as_often_as_it_may():
    """Twice, each time half of the original at most; then it expires."""
    book = Book()
    rule = {"percent": "50", "times": 2, "expires": "P10D", "priority": 1}
    book.grant(expires_at=END, rollover=rule)
    book.sweep("2026-02-02T00:00:00Z")
    assert {"b~1": "50"} == rolled(book)
    book.use("20")
    book.sweep("2026-02-12T00:00:00Z")
    assert {"b~1": "0", "b~2": "30"} == rolled(book)
    assert "b~1" == book.block("b~2")["rolled_from"]
    book.sweep("2026-03-12T00:00:00Z")
    assert {"b~1": "0", "b~2": "0"} == rolled(book)
    assert {"expired": "30"} == lot(book, "b~2")


def test_what_is_held_stays_with_its_hold():
    """It neither rolls nor expires while it is held."""
    book = Book()
    book.grant(expires_at=END, rollover={})
    hold = {"hold": "h", "unit": "USD", "quantity": "30", "expires_at": "2026-02-10T00:00:00Z"}
    book.applied("hold.placed", hold)
    book.sweep(END)
    assert {"held": "30", "rolled_out": "70"} == lot(book, "b")
    book.applied("hold.released", {"hold": "h"})
    assert {"expired": "30", "rolled_out": "70"} == lot(book, "b")


def test_an_id_that_is_taken_is_passed_over():
    """Somebody granted `b~1` by hand."""
    book = Book()
    book.grant("b~1")
    book.grant(expires_at=END, rollover={})
    book.sweep(END)
    assert {"b~2": "100"} == rolled(book)


def test_a_rolled_block_may_burn_first_or_last():
    """`rolled_first` and `rolled_last`, as peers do."""
    for key, drawn in (("rolled_first", "b~1"), ("rolled_last", "c")):
        book = Book()
        keys = {"draw.order": [key]}
        policy = {"version": 1, "effective_from": END, "author": "a", "reason": "r", "keys": keys}
        book.published("policy.published", policy)
        book.grant(expires_at=END, rollover={})
        book.grant("c")
        outcome = book.use("1", at="2026-02-02T00:00:00Z")
        assert [drawn] == [block for block, *_ in moves(outcome)]


def program(book: Book, **more: Any) -> Event:
    return book.published("program.published", MONTHLY | more)


def test_a_programs_cap_is_on_all_that_rolled_and_trims_the_oldest():
    """150, then 400 more: 50 above the cap of 500 go from the oldest."""
    book = Book()
    program(book, rollover={"quantity": "500", "times": 9, "expires": "never"})
    book.use("125")
    book.sweep("2026-02-02T00:00:00Z")
    assert {"p:c:1~1": "150"} == rolled(book)
    book.sweep("2026-03-02T00:00:00Z")
    assert {"p:c:1~1": "100", "p:c:2~1": "400"} == rolled(book)
    assert {"credits": "900"} == book.snapshot()["usable"]


def test_a_rolled_block_lasts_for_its_programs_next_period():
    """`period_end`, and without a word as long again, which is the same: February is short."""
    for rule in ({"expires": "period_end"}, {}):
        book = Book()
        program(book, rollover=rule)
        book.sweep("2026-02-02T00:00:00Z")
        assert "2026-03-01T00:00:00Z" == book.block("p:c:1~1")["expires_at"]


def test_a_reset_ends_what_would_have_lasted():
    """Blocks without an end of their own: with `reset` each new one ends the last."""
    for resets, usable in (({"reset": {"overage": "keep"}}, "400"), ({}, "1200")):
        book = Book()
        program(book, grant=GRANT | {"expires": "never"}, **resets)
        book.sweep("2026-03-02T00:00:00Z")
        assert {"credits": usable} == book.snapshot()["usable"]


def test_a_programs_period_end_is_a_reset_in_the_books():
    """R-RESET where it recurs, R-EXPIRE where it granted once."""
    worth = {"amount": "40", "currency": "USD"}
    for more, rule in (({}, "R-RESET"), ({"every": None, "anchor": None}, "R-EXPIRE")):
        book = Book()
        terms = GRANT | {"value": worth, "expires": "P1M"}
        program(book, grant=terms, **more)
        book.sweep("2026-01-02T00:00:00Z")
        book.invoice({"amount": "40"}, invoice="other")
        book.applied("credit.adjusted", {"block": "p:c:1", "quantity": "1", "reason": "r"})
        lines = {"amount": "40", "sells": [{"block": "p:c:1"}]}
        book.invoice(lines, invoice="late")
        book.sweep("2026-02-01T00:00:00Z")
        assert [(rule, "2000", "4050", 4000)] == book.lines


def test_a_program_is_reset_by_hand():
    """Half rolls, the rest ends, and the period is granted anew and whole; the dates stay."""
    book = Book()
    program(book, rollover={"percent": "50"}, proration={"first": "by_second"})
    book.use("100", at="2026-01-10T00:00:00Z")
    outcome = book.applied("program.reset", {"program": "p"}, "2026-01-20T00:00:00Z")
    assert {"drawn": "200", "rolled_out": "200"} == lot(book, "p:c:1")
    assert {"p:c:1~1": "200"} == rolled(book)
    assert ("p:c:2", "origin", "issued", "400") in moves(outcome)
    assert "2026-02-01T00:00:00Z" == book.block("p:c:2")["expires_at"]
    assert "2026-02-01T00:00:00Z" == book.snapshot()["programs"][0]["next_at"]


def test_a_reset_of_what_was_granted_once_grants_nothing():
    """A minimum tops up even from nothing; usage after it finds the new block alone."""
    book = Book()
    once = {"every": None, "anchor": None, "grant": GRANT | {"expires": "P1M"}}
    program(book, rollover={"quantity": "50"}, **once)
    book.use("5")
    book.applied("program.reset", {"program": "p"}, "2026-01-01T05:00:00Z")
    assert {"drawn": "10", "rolled_out": "50", "expired": "340"} == lot(book, "p:c:1")
    assert {"credits": "50"} == book.snapshot()["usable"]
    assert "2026-02-01T00:00:00Z" == book.block("p:c:1~1")["expires_at"]
    outcome = book.use("30", at="2026-01-01T06:00:00Z")
    assert [("p:c:1~1", "available", "drawn", "50")] == moves(outcome)


def test_a_reset_needs_something_to_reset():
    """Nothing was granted, or nothing for this subscription."""
    book = Book()
    program(book, effective_from="2026-05-01T00:00:00Z")
    assert "unknown_program" == book.refused("program.reset", {"program": "p"})
    book.sweep("2026-05-02T00:00:00Z")
    assert "unknown_program" == book.refused(
        "program.reset", {"program": "p", "subscription": "other"}
    )


def test_a_block_that_a_reset_ended_leaves_the_burn_order_of_the_others_as_it_is():
    """Its expiry is another one since, and what comes later is put in its place by that."""
    book = Book()
    half = {"rollover": {"percent": "50", "expires": "period_end"}}
    for program, expires, begin, more in (
        ("p", "P2D", "2026-01-02T00:00:01Z", half),
        ("q", "period_end", "2026-01-02T00:00:02Z", {}),
    ):
        grant = {"kind": "promotional", "unit": "USD", "quantity": "8", "expires": expires}
        terms = {"grant": grant, "every": "P1D"} | more
        book.applied("program.attached", {"program": program, "definition": terms}, begin)
    book.applied("program.reset", {"program": "p"}, "2026-01-02T00:00:05Z")
    more = {"block": "p:c:1~1", "quantity": "1", "reason": "r"}
    book.applied("credit.adjusted", more, "2026-01-02T00:00:06Z")
    used = book.use("6", at="2026-01-02T00:00:07Z")
    assert ["p:c:1~1", "q:c:1"] == [block for block, *_ in moves(used)]


def test_a_reset_that_is_folded_months_later_ends_what_it_would_have_ended_in_time():
    """Whenever the clock comes round: the block was live at the reset's instant."""
    ended = []
    for sweeps in (("2026-03-20T00:00:00Z",), ("2026-01-04T00:00:00Z", "2026-03-20T00:00:00Z")):
        book = Book()
        grant = {"kind": "promotional", "unit": "USD", "quantity": "3", "expires": "P2D"}
        terms = {"grant": grant, "every": "P1D", "reset": {"overage": "keep"}}
        for program, begin in (("p", "2026-01-01T00:00:00Z"), ("q", "2026-01-01T12:00:00Z")):
            book.applied("program.attached", {"program": program, "definition": terms}, begin)
        for at in sweeps:
            book.sweep(at)
        ended.append([book.block(f"p:c:{n}")["expires_at"] for n in range(1, 5)])
    assert [f"2026-01-0{day}T00:00:00Z" for day in range(2, 6)] == ended[0] == ended[1]


def held(book: Book, quantity: str, at: str = "2026-01-02T00:00:00Z") -> None:
    hold = {"hold": "h", "unit": "credits", "quantity": quantity}
    book.applied("hold.placed", hold | {"expires_at": "2026-01-20T00:00:00Z"}, at)


def test_a_reset_ends_what_holds_have_of_a_block_too():
    """All of it or a part: what the hold gives back later has ended."""
    for quantity in ("400", "100"):
        book = Book()
        book.published("program.published", MONTHLY)
        book.applied("customer.updated", {"attributes": {"plan": "team"}})
        held(book, quantity)
        book.applied("program.reset", {"program": "p"}, "2026-01-10T00:00:00Z")
        book.applied("hold.released", {"hold": "h"}, "2026-01-11T00:00:00Z")
        assert {"expired": "400"} == lot(book, "p:c:1")
        assert {"credits": "400"} == book.snapshot()["usable"]


@pytest.mark.parametrize("quantity", ["200", "0"])
def test_a_reset_that_is_folded_again_ends_the_same_blocks(quantity):
    """One of which all that no hold had rolled over: ended where a hold has the rest, else not."""
    books = []
    for recorded in ("2026-01-02T12:00:00Z", "2026-01-03T00:00:00Z"):
        book = Book()
        terms = {"rollover": {"percent": "50", "times": 1, "expires": "P1M"}}
        book.published("program.published", MONTHLY | terms)
        book.applied("customer.updated", {"attributes": {"plan": "team"}})
        if quantity != "0":
            held(book, quantity)
        else:
            book.use("100", at="2026-01-02T00:00:00Z")
        late = {"at": "2026-01-02T12:00:00Z", "recorded": recorded}
        if recorded == late["at"]:
            book.use("1", meter="pings", **late)
        book.applied("program.reset", {"program": "p"}, "2026-01-02T18:00:00Z")
        if recorded != late["at"]:
            book.use("1", meter="pings", **late)
        books.append(book.snapshot("2026-02-10T00:00:00Z"))
    assert books[0]["blocks"] == books[1]["blocks"]


def test_a_reset_leaves_what_had_ended_by_itself_to_the_holds_that_have_of_it():
    """It has rolled over then, and late usage finds it as long as it lasted."""
    book = Book()
    grant = {"grant": GRANT | {"expires": "P5D"}}
    rule = {"quantity": "100", "min_quantity": "50", "expires": "never"}
    book.published("program.published", MONTHLY | grant | {"rollover": rule})
    book.applied("customer.updated", {"attributes": {"plan": "team"}})
    held(book, "100")
    book.sweep("2026-01-09T00:00:00Z")
    ended = book.block("p:c:1")["expires_at"]
    book.applied("program.reset", {"program": "p"}, "2026-01-10T00:00:00Z")
    assert {"p:c:1~1": "100"} == rolled(book)
    assert ended == book.block("p:c:1")["expires_at"]
