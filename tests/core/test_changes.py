"""Void, adjustment and another expiry: what leaves a block takes its share of the price along."""

from __future__ import annotations

from core.book import Book, moves
from properties.invariants import check_all
from properties.records import Records

WHY = {"reason": "r"}
ALLOW = {
    "version": 1,
    "effective_from": "2026-01-01T00:00:00Z",
    "author": "a",
    "reason": "the contract, 7.2",
    "keys": {"revoke.forfeit": "allow"},
}


def sound(book: Book) -> None:
    """Every invariant holds over all that came out."""
    snapshots = book.simulation.snapshots(book.at)
    check_all(Records([*book.records, *snapshots]))


def paid(*, forfeit: bool = False, **more: object) -> Book:
    """A block of 10 that is billed; voiding it may be allowed."""
    book = Book()
    if forfeit:
        book.published("policy.published", ALLOW)
    book.grant("b", "10", **more)
    book.invoice({"amount": "10", "sells": [{"block": "b"}]})
    return book


def test_void_takes_what_is_unused_and_leaves_what_was_drawn():
    book = Book()
    book.grant("b", "10", kind="promotional")
    book.use("4")
    outcome = book.applied("credit.voided", {"block": "b"} | WHY)
    assert [("b", "available", "voided", "6")] == moves(outcome)
    assert {"USD": "0"} == outcome["balances"]
    assert [] == book.postings
    book.use("1")
    assert {"USD": "1"} == book.snapshot()["overage"]
    assert ("4", "6", "10") == tuple(book.block()[p] for p in ("drawn", "voided", "quantity"))
    sound(book)


def test_a_part_may_be_voided_before_the_block_begins():
    book = Book()
    book.grant("b", "10", kind="promotional", effective_at="2026-02-01T00:00:00Z")
    outcome = book.applied("credit.voided", {"block": "b", "quantity": "4"} | WHY)
    assert [("b", "issued", "voided", "4")] == moves(outcome)
    (begun,) = book.sweep("2026-02-01T00:00:00Z")
    assert [("b", "issued", "available", "6")] == moves(begun)
    book.applied("credit.voided", {"block": "b"} | WHY)
    sound(book)


def test_a_voided_block_falls_due_no_more():
    book = Book()
    book.grant("b", "10", kind="promotional", expires_at="2026-02-01T00:00:00Z")
    book.applied("credit.voided", {"block": "b"} | WHY)
    assert [] == book.sweep("2026-03-01T00:00:00Z")


def test_paid_credit_is_forfeited_only_where_a_policy_says_so():
    assert "forfeiture_not_allowed" == paid().refused("credit.voided", {"block": "b"} | WHY)
    book = paid(forfeit=True)
    book.use("4")
    book.applied("credit.voided", {"block": "b"} | WHY)
    assert [("R-FORFEIT", "2000", "4050", 600)] == book.lines
    sound(book)


def test_unpaid_credit_is_voided_without_any_money():
    book = Book()
    book.grant("b", "10")
    book.use("4")
    book.applied("credit.voided", {"block": "b"} | WHY)
    assert [] == book.lines
    assert {"1150": 400, "4000": -400} == book.accounts
    sound(book)


def test_a_part_that_is_forfeited_leaves_the_price_of_the_rest_as_it_was():
    book = paid(forfeit=True)
    book.use("4")
    book.applied("credit.voided", {"block": "b", "quantity": "3"} | WHY)
    assert [("R-FORFEIT", "2000", "4050", 300)] == book.lines
    book.use("3")
    assert [("R-DRAW", "2000", "4000", 300)] == book.lines
    assert "0" == book.block()["carrying"]
    sound(book)


def test_parts_of_a_price_in_thirds_tie_out_to_the_cent():
    book = Book()
    book.published("policy.published", ALLOW)
    book.grant("b", "3", unit="coins", value={"amount": "1.00", "currency": "USD"})
    book.invoice({"amount": "1", "sells": [{"block": "b"}]})
    book.applied("usage.recorded", rated("1"))
    outcome = book.applied("credit.voided", {"block": "b", "quantity": "1"} | WHY)
    assert "0.34" == outcome["entries"][0]["value"]
    book.applied("usage.recorded", rated("1"))
    assert {"1100": 100, "4000": -66, "4050": -34} == book.accounts
    sound(book)


def rated(coins: str) -> dict[str, object]:
    """Usage that costs these coins."""
    return {"meter": "calls", "quantity": "1", "amount": {"unit": "coins", "quantity": coins}}


def test_more_units_for_the_same_price_take_revenue_back_at_once():
    book = paid()
    book.use("5")
    outcome = book.applied("credit.adjusted", {"block": "b", "quantity": "10"} | WHY)
    assert [("b", "origin", "available", "10")] == moves(outcome)
    assert [("R-ADJUST", "4000", "2000", 250)] == book.lines
    book.use("15")
    assert {"1100": 1000, "4000": -1000} == book.accounts
    sound(book)


def test_fewer_units_for_the_same_price_bring_revenue_forward():
    book = paid()
    book.applied("credit.adjusted", {"block": "b", "quantity": "10"} | WHY)
    book.use("5")
    book.use("5", meter="tokens")
    outcome = book.applied("credit.adjusted", {"block": "b", "quantity": "-7.5"} | WHY)
    assert [("b", "available", "origin", "7.5")] == moves(outcome)
    assert [
        ("R-ADJUST", "2000", "4000", 150),
        ("R-ADJUST", "2000", "4000", 150),
    ] == book.lines
    assert ("12.5", "10") == (book.block()["quantity"], book.block()["value_now"])
    sound(book)


def test_an_unpaid_block_is_adjusted_against_unbilled_receivable():
    book = Book()
    book.grant("b", "10")
    book.use("5")
    book.applied("credit.adjusted", {"block": "b", "quantity": "10"} | WHY)
    assert [("R-ADJUST", "4000", "1150", 250)] == book.lines
    book.applied("credit.adjusted", {"block": "b", "quantity": "-10"} | WHY)
    assert [("R-ADJUST", "1150", "4000", 250)] == book.lines
    sound(book)


def test_an_adjusted_block_that_was_used_up_pays_and_expires_again():
    book = paid(expires_at="2026-02-01T00:00:00Z")
    book.use("10")
    book.applied("credit.adjusted", {"block": "b", "quantity": "2"} | WHY)
    book.use("1")
    assert {"USD": "1"} == book.snapshot()["usable"]
    (expired,) = book.sweep("2026-02-01T00:00:00Z")
    assert [("b", "available", "expired", "1")] == moves(expired)
    sound(book)


def test_an_adjustment_never_goes_below_what_is_unused_or_was_bought():
    book = paid()
    book.use("4")
    for quantity, code in (
        ("-6.01", "above_unused"),
        ("-1", "forfeiture_not_allowed"),
        ("0", "quantity_not_positive"),
    ):
        assert code == book.refused("credit.adjusted", {"block": "b", "quantity": quantity} | WHY)
    book.grant("free", "10", kind="promotional")
    book.applied("credit.adjusted", {"block": "free", "quantity": "-10"} | WHY)
    assert "0" == book.block("free")["quantity"]
    sound(book)


def test_another_expiry_is_when_the_block_expires():
    book = paid(expires_at="2026-02-01T00:00:00Z")
    book.applied("credit.expiry_changed", {"block": "b", "expires_at": "2026-03-01T00:00:00Z"})
    assert [] == book.sweep("2026-02-15T00:00:00Z")
    book.use("4")
    book.applied("credit.expiry_changed", {"block": "b", "expires_at": "2026-02-20T00:00:00Z"})
    (expired,) = book.sweep("2026-02-25T00:00:00Z")
    assert [("b", "available", "expired", "6")] == moves(expired)
    assert "2026-02-20T00:00:00Z" == book.block()["expires_at"]
    sound(book)


def test_another_expiry_changes_the_burn_order():
    book = Book()
    book.grant("a", "10", expires_at="2026-02-01T00:00:00Z")
    book.grant("b", "10", expires_at="2026-03-01T00:00:00Z")
    book.applied("credit.expiry_changed", {"block": "a", "expires_at": "2026-04-01T00:00:00Z"})
    assert [("b", "available", "drawn", "1")] == moves(book.use("1"))


def test_a_block_without_expiry_gets_one():
    book = paid()
    book.applied("credit.expiry_changed", {"block": "b", "expires_at": "2026-02-01T00:00:00Z"})
    (expired,) = book.sweep("2026-02-01T00:00:00Z")
    assert [("b", "available", "expired", "10")] == moves(expired)
    sound(book)


def test_what_has_expired_keeps_its_expiry_and_what_is_past_is_no_expiry():
    book = paid(expires_at="2026-02-01T00:00:00Z")
    past = {"block": "b", "expires_at": "2026-01-10T00:00:00Z"}
    assert "expiry_in_past" == book.refused("credit.expiry_changed", past, "2026-01-10T00:00:00Z")
    later = {"block": "b", "expires_at": "2026-03-01T00:00:00Z"}
    assert "block_expired" == book.refused("credit.expiry_changed", later, "2026-02-01T00:00:00Z")
    more = {"block": "b", "quantity": "1"} | WHY
    assert "block_expired" == book.refused("credit.adjusted", more)
    assert "above_unused" == book.refused("credit.refunded", {"block": "b"} | WHY)
