"""Late and corrected usage of holds: what left a block after its hold had ended stays gone."""

from __future__ import annotations

import pytest

from core.book import Book
from core.test_changes import sound
from core.test_late import AGO, NOON, NOW, arrival, correct, moved, retract, uncovered, use

IN_BETWEEN = "2026-01-02T11:30:00Z"
LATER = "2026-01-02T14:00:00Z"


def held(book: Book, quantity: str, expires_at: str, at: str = AGO, hold: str = "h") -> None:
    data = {"hold": hold, "unit": "USD", "quantity": quantity, "expires_at": expires_at}
    book.applied("hold.placed", data, at)


def use_of_hold(book: Book, quantity: str, at: str, **more: object) -> dict:
    final = {"final": True} if more.pop("final", False) else {}
    data = {"meter": "calls", "quantity": quantity, "hold": {"hold": "h"} | final}
    return book.applied("usage.recorded", data, at, id="u1", **more)


def test_what_usage_draws_anew_from_its_hold_comes_from_the_hold_though_the_block_expired():
    book = Book()
    book.grant("b", "9", expires_at=NOON)
    held(book, "9", "2026-01-05T00:00:00Z", AGO)
    data = {"meter": "calls", "quantity": "2", "hold": {"hold": "h"}}
    book.applied("usage.recorded", data, NOW, id="u1")
    again = correct(book, "u1", "5")
    assert [("u1", "b", "held", "drawn", "3")] == moved(again)
    assert ["h"] == [entry["hold"] for entry in again["entries"]]
    sound(book)


TAKEN = [
    ("credit.voided", {"reason": "r"}, "voided"),
    ("credit.refunded", {"reason": "r"}, "refunded"),
    ("credit.transferred", {"transfer": "t", "to": "d"}, "transferred_out"),
]


@pytest.mark.parametrize(("kind", "more", "place"), TAKEN)
def test_late_usage_of_a_hold_that_has_ended_gets_nothing_of_what_left_its_block_since(
    kind, more, place
):
    book = Book()
    book.applied("customer.created", {"currency": "USD"}, customer="d")
    book.grant("b", "10", kind="promotional" if place == "voided" else "paid")
    if place != "voided":
        book.invoice({"amount": "10", "sells": [{"block": "b"}]})
        book.pay("10")
    held(book, "10", expires_at=NOON)
    book.applied(kind, {"block": "b", "quantity": "8"} | more, NOW)
    late = use_of_hold(book, "5", IN_BETWEEN, recorded=LATER)
    assert [("u1", "b", "available", "drawn", "2")] == moved(late)
    assert [("own", "3")] == uncovered(late)
    assert ("0", "8") == (book.block()["available"], book.block()[place])
    sound(book)


def test_late_usage_of_a_hold_has_what_a_reset_has_rolled_over_and_trimmed_since():
    book = Book()
    grant = {"kind": "promotional", "unit": "USD", "quantity": "12", "expires": "period_end"}
    terms = {"grant": grant, "every": "P1D", "anchor": "2026-01-01T12:00"}
    terms["rollover"] = {"quantity": "5", "times": 1, "expires": "P1M"}
    book.applied("program.attached", {"program": "p", "definition": terms}, AGO)
    book.sweep(NOON)
    assert "5" == book.block("p:c:1~1")["available"]
    held(book, "17", expires_at="2026-01-02T13:30:00Z", at=NOW)
    book.applied("program.reset", {"program": "p"}, LATER)
    assert "5" == book.block("p:c:1~1")["voided"]
    late = use_of_hold(book, "17", "2026-01-02T13:15:00Z", recorded="2026-01-02T14:30:00Z")
    assert ("0", "5") == tuple(book.block("p:c:1~1")[at] for at in ("voided", "drawn"))
    assert ("0", "12") == tuple(book.block("p:c:2")[at] for at in ("rolled_out", "drawn"))
    assert "0" == book.block("p:c:2~1")["quantity"]
    assert [] == uncovered(late)
    sound(book)


def test_a_retraction_that_opens_a_hold_again_leaves_it_what_has_not_left_since():
    book = Book()
    book.grant("b", "10", kind="promotional")
    held(book, "10", expires_at="2026-01-05T00:00:00Z")
    use_of_hold(book, "2", NOON, final=True)
    book.applied("credit.voided", {"block": "b", "quantity": "7", "reason": "r"}, NOW)
    assert [
        ("u1", "b", "drawn", "available", "2"),
        ("", "b", "available", "held", "3"),
    ] == moved(retract(book, "u1", at=LATER))
    assert {"b": "3"} == book.snapshot()["holds"][0]["blocks"]
    sound(book)


def test_what_a_command_took_comes_out_of_the_hold_that_ended_first():
    """The other holds had not given anything back when it was taken."""
    book = Book()
    book.grant("b", "10", kind="promotional")
    held(book, "4", expires_at="2026-01-05T00:00:00Z", hold="other")
    held(book, "6", expires_at=NOON)
    book.applied("credit.voided", {"block": "b", "quantity": "6", "reason": "r"}, NOW)
    book.applied("hold.released", {"hold": "other"}, LATER)
    late = use_of_hold(book, "5", IN_BETWEEN, recorded="2026-01-02T15:00:00Z")
    assert ([], [("own", "5")]) == (moved(late), uncovered(late))
    assert "4" == book.block()["available"]
    sound(book)


def test_what_a_hold_gives_back_to_usage_ahead_of_the_log_expires_with_its_block():
    """The block ends after the log learned of the usage, and before the usage."""
    book = Book()
    book.grant("b", "10", expires_at="2026-01-02T12:02:00Z")
    held(book, "10", expires_at="2026-01-05T00:00:00Z")
    use_of_hold(book, "2", "2026-01-02T12:04:00Z", recorded=NOON, final=True)
    book.sweep(NOW)
    assert ("2", "8") == (book.block()["drawn"], book.block()["expired"])
    sound(book)


def test_usage_ahead_of_the_log_is_of_no_hold_that_will_have_ended_by_its_time():
    """What the hold gives back then pays for it in the burn order."""
    book = Book()
    book.grant("b", "9", kind="promotional")
    held(book, "4", expires_at="2026-01-02T12:01:00Z")
    book.grant("first", "3", kind="promotional", priority=1, at=NOON)
    ahead = use_of_hold(book, "4", "2026-01-02T12:04:00Z", recorded=NOON, final=True)
    assert ["first", "b"] == [block for _, block, _, _, _ in moved(ahead)]
    assert ["h"] == [hold["hold"] for hold in book.simulation.snapshots(NOON)[0]["data"]["holds"]]
    book.sweep(NOW)
    assert ("1", "8", "0") == tuple(book.block()[at] for at in ("drawn", "available", "held"))
    sound(book)


@pytest.mark.parametrize("undone", ["ahead", "retracted"])
def test_a_hold_that_is_placed_again_stands_though_usage_ends_the_one_before_it_later(undone):
    """The first one had ended when the second was placed, and what it had went back."""
    book = Book()
    book.grant("b", "9", kind="promotional")
    held(book, "4", expires_at="2026-01-05T00:00:00Z")
    at = "2026-01-02T12:04:00Z" if undone == "ahead" else NOON
    use_of_hold(book, "1", at, recorded=NOON, final=True)
    held(book, "6", expires_at="2026-01-05T00:00:00Z", at="2026-01-02T12:01:00Z")
    if undone == "retracted":
        retract(book, "u1", at=NOW)
    drawn = "1" if undone == "ahead" else "0"
    book.sweep(NOW)
    assert drawn == book.block()["drawn"]
    assert [hold["blocks"] for hold in book.snapshot()["holds"]] == (
        [] if undone == "ahead" else [{"b": "6"}]
    )
    sound(book)


def test_late_usage_takes_the_place_of_usage_that_left_a_block_to_its_hold_alone():
    """The block is not empty, but nobody else could draw from it."""
    book = Book()
    book.grant("b", "9", kind="promotional")
    held(book, "5", expires_at="2026-01-05T00:00:00Z")
    use(book, "u2", "4", NOON)
    data = {"meter": "tokens", "quantity": "3"}
    late = book.applied("usage.recorded", data, IN_BETWEEN, id="u1", recorded=NOW)
    assert [("u2", "b", "drawn", "available", "3"), ("u1", "b", "available", "drawn", "3")] == (
        moved(late)
    )
    assert [("u2", "3")] == uncovered(late)
    sound(book)


def test_under_arrival_what_is_reopened_beside_a_hold_was_no_breakage_yet():
    """The rest of an expired block is earned with the last that holds have of it, and only once."""
    book = Book()
    arrival(book)
    book.grant("b", "10", expires_at="2026-01-03T00:00:00Z")
    book.invoice({"amount": "10", "sells": [{"block": "b"}]})
    held(book, "2", "2026-01-04T00:00:00Z", "2026-01-02T23:00:00Z")
    use(book, "late", "3", "2026-01-02T00:00:00Z", recorded="2026-01-03T00:00:00Z")
    assert [("R-DRAW", "2000", "4000", 300)] == book.lines
    book.sweep("2026-01-05T00:00:00Z")
    assert [("R-EXPIRE", "2000", "4050", 700)] == book.lines
    sound(book)


@pytest.mark.parametrize(
    ("more", "rolled", "expired"), [({}, "0", "8"), ({"rollover": {"quantity": "3"}}, "3", "5")]
)
def test_a_block_that_ended_in_a_hold_ends_again_where_late_usage_ended_the_hold_before(
    more, rolled, expired
):
    """Nothing of it moved at its end, since the hold had it all: now the rest expires, or rolls."""
    book = Book()
    book.grant("b", "9", kind="promotional", expires_at=NOON, **more)
    held(book, "9", "2026-01-02T13:00:00Z")
    book.sweep(LATER)
    use_of_hold(book, "1", IN_BETWEEN, recorded=LATER, final=True)
    block = book.block()
    assert ("0", "0", "1") == tuple(block[place] for place in ("available", "held", "drawn"))
    assert (rolled, expired) == (block["rolled_out"], block["expired"])
    sound(book)
