"""Blends: what is unused of blocks rolls into one that is granted, at one price from then on."""

from __future__ import annotations

from typing import Any

from core.book import Book, moves
from core.test_changes import sound
from core.test_late import retract, use
from properties.events import Event

BEGIN = "2026-01-02T00:00:00Z"
BLEND = "2026-01-10T00:00:00Z"
AFTER = "2026-01-11T00:00:00Z"
WHY = {"reason": "r"}
MONEY = ("value", "value_now", "recognised", "carrying")


def bought(*, pay: str | None = "100", **more: Any) -> Book:
    """100 units for 100.00, of which so much is paid for."""
    book = Book()
    book.grant("b", "100", at=BEGIN, **more)
    book.invoice({"amount": "100", "sells": [{"block": "b"}]}, recognition="on_payment")
    if pay is not None:
        book.pay(pay)
    return book


def blend(book: Book, *blends: str, block: str = "n", at: str = BLEND, **more: Any) -> Event:
    """60 more units for 42.00, and what is unused of the blocks."""
    data = {"block": block, "kind": "paid", "unit": "USD", "quantity": "60", "blends": list(blends)}
    data["value"] = {"amount": "42", "currency": "USD"}
    return book.applied("credit.granted", data | more, at)


def money(book: Book, block: str) -> tuple[str, ...]:
    return tuple(book.block(block)[name] for name in MONEY)


def accounts(book: Book) -> dict[str, int]:
    return {account: amount for account, amount in book.accounts.items() if amount}


def test_what_is_left_and_what_is_new_have_one_price_from_then_on():
    """60.00 left and 42.00 more over 120 units are 0.85 each; what was earned stays."""
    book = bought()
    book.use("40")
    told = blend(book, "b")
    assert [
        ("b", "available", "rolled_out", "60"),
        ("n", "origin", "issued", "120"),
        ("n", "issued", "available", "120"),
    ] == moves(told)
    assert [("R-BLEND", "2000", "2000", 6000)] == book.lines
    assert ("42", "102", "0", "60") == money(book, "n")
    assert ("100", "100", "40", "0") == money(book, "b")
    assert ["b"] == book.block("n")["blends"]
    book.use("60", at=AFTER)
    assert [("R-DRAW", "2000", "4000", 5100)] == book.lines
    sound(book)


def test_what_is_paid_later_follows_the_units():
    """Of 50.00 paid, 40.00 is for what was drawn and stays; 50.00 more go after the rest."""
    book = bought(pay="50")
    book.use("40")
    blend(book, "b")
    assert [("R-BLEND", "2000", "2000", 1000)] == book.lines
    book.invoice({"amount": "42", "sells": [{"block": "n"}]}, invoice="j", recognition="on_payment")
    book.pay("50", AFTER)
    assert [("R-PAY-FUNDS", "1000", "2000", 5000), ("R-BLEND", "2000", "2000", 5000)] == book.lines
    assert ("0", "60") == (book.block("b")["carrying"], book.block("n")["carrying"])
    book.pay("42", invoice="j")
    assert "102" == book.block("n")["carrying"]
    sound(book)


def test_what_was_used_of_a_blend_and_is_paid_late_was_unbilled():
    book = bought(pay=None)
    book.use("40")
    blend(book, "b")
    assert [] == book.lines
    book.use("120", at=AFTER)
    assert [("R-DRAW-UNFUNDED", "1150", "4000", 10200)] == book.lines
    book.pay("100")
    assert [
        ("R-PAY-FUNDS", "1000", "1150", 4000),
        ("R-PAY-FUNDS", "1000", "2000", 6000),
        ("R-BLEND", "2000", "1150", 6000),
    ] == book.lines
    assert {"1000": 10000, "1150": 4200, "4000": -14200} == accounts(book)
    sound(book)


def test_what_holds_have_stays_and_may_be_blended_once_it_is_back():
    """It is funded before what has gone on; what is paid later goes the ways of the units."""
    book = bought(pay="30", expires_at="2026-01-20T00:00:00Z")
    hold = {"hold": "h", "unit": "USD", "quantity": "30", "expires_at": "2026-01-15T00:00:00Z"}
    book.applied("hold.placed", hold)
    assert ("b", "available", "rolled_out", "70") == moves(blend(book, "b"))[0]
    assert [] == book.lines
    assert "30" == book.block("b")["held"]
    book.applied("hold.settled", {"hold": "h", "quantity": "10", "meter": "calls"}, AFTER)
    assert ("20", "10") == tuple(book.block("b")[at] for at in ("available", "drawn"))
    told = blend(book, "b", "n", block="m")
    assert [("b", "20"), ("n", "130")] == [(e[0], e[3]) for e in moves(told)[:2]]
    assert [("R-BLEND", "2000", "2000", 2000)] == book.lines
    book.pay("70")
    assert [each for each in book.lines if each[0] == "R-BLEND"] == [
        ("R-BLEND", "2000", "2000", 7000),
        ("R-BLEND", "2000", "2000", 7000),
    ]
    assert ("174", "90") == (book.block("m")["value_now"], book.block("m")["carrying"])
    assert ["0", "0"] == [book.block(each)["carrying"] for each in ("b", "n")]
    sound(book)


def test_a_payment_goes_no_further_than_what_was_blended():
    """What was forfeited before is breakage, and pays for nothing of the new block."""
    book = bought(pay="70")
    keys = {"revoke.forfeit": "allow"}
    policy = {"version": 1, "effective_from": BEGIN, "author": "a", "reason": "r", "keys": keys}
    book.published("policy.published", policy)
    book.applied("credit.voided", {"block": "b", "quantity": "60"} | WHY)
    assert -3000 == book.accounts["4050"]
    blend(book, "b")
    book.pay("30", AFTER)
    assert ("42", "82", "0", "40") == money(book, "n")
    assert -6000 == book.accounts["4050"]
    sound(book)


def test_several_blocks_are_blended_in_their_order_also_before_they_begin():
    book = bought()
    book.grant("c", "10", effective_at="2026-02-01T00:00:00Z", kind="paid")
    told = blend(book, "c", "b", expires_at="2026-06-01T00:00:00Z")
    assert [("c", "issued"), ("b", "available")] == [each[:2] for each in moves(told)[:2]]
    assert ("170", "152") == tuple(book.block("n")[at] for at in ("quantity", "value_now"))
    assert {"USD": "170"} == book.snapshot()["usable"]
    book.sweep("2026-06-01T00:00:00Z")
    assert "170" == book.block("n")["expired"]
    assert -10000 == book.accounts["4050"]
    sound(book)


def test_a_blend_may_begin_later():
    book = bought()
    blend(book, "b", effective_at="2026-02-01T00:00:00Z")
    assert ("160", "0") == tuple(book.block("n")[at] for at in ("issued", "available"))
    book.sweep("2026-02-01T00:00:00Z")
    assert {"USD": "160"} == book.snapshot()["usable"]
    sound(book)


def test_late_usage_from_before_a_blend_gets_nothing_of_it():
    """What was agreed stands: 60 went on, so the 10 are owed."""
    book = bought()
    use(book, "u", "40", "2026-01-09T00:00:00Z")
    blend(book, "b")
    late = use(book, "late", "10", "2026-01-09T12:00:00Z", recorded=AFTER)
    assert ["10"] == [over["amount"] for over in late["overage"]]
    assert ("42", "102", "0", "60") == money(book, "n")
    sound(book)


def test_late_usage_takes_the_place_of_later_usage_before_a_blend():
    book = bought()
    use(book, "u", "40", "2026-01-09T12:00:00Z")
    blend(book, "b")
    use(book, "late", "10", "2026-01-09T00:00:00Z", recorded=AFTER)
    assert ("40", "60") == tuple(book.block("b")[at] for at in ("drawn", "rolled_out"))
    assert {"USD": "10"} == book.snapshot()["overage"]
    sound(book)


def test_usage_that_was_not_goes_back_to_the_block_that_was_blended():
    """It is usable there until that ends, and expires with it."""
    book = bought(expires_at="2026-01-20T00:00:00Z")
    use(book, "u", "40", "2026-01-09T00:00:00Z")
    blend(book, "b")
    retract(book, "u", at=AFTER)
    assert ("40", "120") == (book.block("b")["available"], book.block("n")["available"])
    assert "40" == book.block("b")["carrying"]
    book.sweep("2026-01-20T00:00:00Z")
    assert {"2000": -6000, "4050": -4000} == {
        account: book.accounts[account] for account in ("2000", "4050")
    }
    sound(book)


def test_a_blend_of_what_rolled_over_stands_when_less_would_have():
    """Of 100 left 50 rolled and were blended; 80 were used late, and the 20 of 50 that are short
    are kept."""
    book = bought(expires_at="2026-01-09T00:00:00Z", rollover={"quantity": "50"})
    book.sweep("2026-01-09T00:00:00Z")
    blend(book, "b~1")
    use(book, "late", "80", "2026-01-08T12:00:00Z", recorded=AFTER)
    assert ("110", "92") == tuple(book.block("n")[at] for at in ("quantity", "value_now"))
    assert ("50", "50") == tuple(book.block("b~1")[at] for at in ("quantity", "rolled_out"))
    assert ("50", "0", "50") == tuple(
        book.block("b")[at] for at in ("drawn", "expired", "rolled_out")
    )
    assert {"USD": "30"} == book.snapshot()["overage"]
    sound(book)


def test_a_blend_rolls_over_whole_with_what_is_paid_late():
    book = bought(pay=None)
    blend(book, "b", expires_at=AFTER, rollover={"percent": "50", "expires": "never"})
    late = "2026-01-12T00:00:00Z"
    book.sweep(late)
    assert ("80", "71") == tuple(book.block("n~1")[at] for at in ("quantity", "value_now"))
    assert "blends" not in book.block("n~1")
    use(book, "late", "100", "2026-01-10T12:00:00Z", recorded=late)
    assert ("60", "53.25") == tuple(book.block("n~1")[at] for at in ("quantity", "value_now"))
    book.pay("100")
    assert ("0", "11.25") == (book.block("n")["carrying"], book.block("n~1")["carrying"])
    use(book, "later", "20", "2026-01-10T13:00:00Z", recorded=late)
    assert ("40", "35.5") == tuple(book.block("n~1")[at] for at in ("quantity", "value_now"))
    sound(book)


def test_what_bought_a_right_is_carried_as_a_right():
    book = bought(kind="material_right", value={"amount": "100", "currency": "USD"})
    blend(book, "b", kind="material_right")
    assert [("R-BLEND", "2010", "2010", 10000)] == book.lines
    assert {"1000": 10000, "2010": -10000} == accounts(book)
    sound(book)


def test_what_makes_up_for_a_failure_goes_on_doing_so():
    book = Book()
    book.grant("b", "100", kind="sla", value={"amount": "50", "currency": "USD"}, at=BEGIN)
    book.use("40")
    blend(book, "b", kind="sla", value={"amount": "30", "currency": "USD"})
    assert [
        ("R-SLA-GRANT", "4910", "2030", 3000),
        ("R-BLEND", "2030", "2030", 3000),
    ] == book.lines
    book.use("120", at=AFTER)
    assert {"4000": -8000, "4910": 8000} == accounts(book)
    sound(book)


def test_credit_for_invoices_is_blended_with_such():
    book = bought(draws_on="invoice")
    blend(book, "b", draws_on="invoice")
    assert {"USD": "160"} == book.snapshot()["for_invoices"]
    sound(book)


def test_included_credit_that_bought_credit_went_into_is_not_free():
    """It is drawn after what is free, though its id comes first."""
    book = Book()
    book.grant("b", "10", kind="included", value={"amount": "9", "currency": "USD"}, at=BEGIN)
    book.grant("free", "10", kind="promotional", at=BLEND)
    blend(book, "b", block="a", kind="included", value={"amount": "0", "currency": "USD"})
    assert [("free", "available", "drawn", "10")] == moves(book.use("10", at=AFTER))
    sound(book)


def test_credit_that_waits_for_its_payment_is_blended_after_that():
    book = bought(pay=None, usable="when_funded")
    data = {"block": "n", "kind": "paid", "unit": "USD", "quantity": "60", "blends": ["b"]}
    assert "not_paid" == book.refused("credit.granted", data, BLEND)
    book.pay("100")
    book.applied("credit.granted", data)
    assert {"USD": "160"} == book.snapshot()["usable"]
    sound(book)


def test_a_blend_that_waits_begins_when_all_of_it_is_paid():
    """What is still owed for the old block is what is missing last."""
    book = bought(pay="70")
    blend(book, "b", usable="when_funded")
    book.invoice({"amount": "42", "sells": [{"block": "n"}]}, invoice="j", at=AFTER)
    assert ("160", "0") == tuple(book.block("n")[at] for at in ("issued", "available"))
    book.pay("30", "2026-01-12T00:00:00Z")
    assert {"USD": "160"} == book.snapshot()["usable"]
    assert ("142", "2026-01-12T00:00:00Z") == tuple(
        book.block("n")[name] for name in ("carrying", "effective_at")
    )
    sound(book)


def test_a_value_too_large_for_the_wire_is_refused():
    book = Book()
    most = {"amount": "92233720368547758.07", "currency": "USD"}
    book.grant("b", "1", value=most, at=BEGIN)
    data = {"block": "n", "kind": "paid", "unit": "USD", "quantity": "1", "blends": ["b"]}
    cent = {"value": {"amount": "0.01", "currency": "USD"}}
    assert "quantity_out_of_range" == book.refused("credit.granted", data | cent)
    book.applied("credit.granted", data)
