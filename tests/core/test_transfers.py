"""Transfers: out of one block and into another, once; back where the other side refuses."""

from __future__ import annotations

from typing import Any

import pytest

from core.book import Book, moves
from core.test_changes import ALLOW, WHY, sound
from properties.events import Event, balances, fact, outcomes, snapshots

SELLS = [{"block": "b"}]
THERE = "d"


def two(**more: Any) -> Book:
    """A block of 100 that is billed, and another customer."""
    book = Book()
    book.applied("customer.created", {"currency": "USD"}, customer=THERE)
    book.grant("b", "100", **more)
    if more.get("kind", "paid") == "paid":
        book.invoice({"amount": "100", "tax": "20", "sells": SELLS})
    return book


def sent(book: Book, quantity: str, to: str = THERE, **more: Any) -> list[Event]:
    """What became of a transfer here, there, and here again."""
    data = {"transfer": "t", "block": "b", "quantity": quantity, "to": to}
    event = fact(
        "credit.transferred", data | more, id=f"f{len(book.facts)}", at=book.at, customer="c"
    )
    book.send(event)
    return [o for o in outcomes(book.out) if "clock" not in o["cause"]]


def there(book: Book) -> Event:
    (block,) = snapshots(book.simulation.snapshots(book.at))[THERE]["blocks"]
    return block


def lines(book: Book) -> list[tuple[str, str, str, str, int]]:
    found = [r["data"] for r in book.out if r["type"] == "creditfold.revenue.posting.v1"]
    return [(p["customer"], p["rule"], p["debit"], p["credit"], p["amount"]) for p in found]


def test_credit_arrives_once_with_its_value_and_lineage():
    book = two(
        expires_at="2026-06-01T00:00:00Z", priority=3, scope={"include": {"meters": ["calls"]}}
    )
    book.use("40")
    out, taken, done = sent(book, "30")
    assert ["applied", "applied", "applied"] == [o["status"] for o in (out, taken, done)]
    assert [("b", "available", "transferred_out", "30")] == moves(out)
    assert [("c:t", "origin", "issued", "30"), ("c:t", "issued", "available", "30")] == moves(taken)
    assert [] == moves(done)
    assert [
        ("c", "R-TRANSFER", "2000", "2040", 3000),
        ("d", "R-TRANSFER", "2040", "2000", 3000),
    ] == lines(book)
    block = there(book)
    assert ("c:b", "30", "30", "paid") == tuple(
        block[name] for name in ("transferred_from", "available", "value", "kind")
    )
    assert "2026-06-01T00:00:00Z" == block["expires_at"]
    assert ("30", "30") == tuple(book.block()[p] for p in ("transferred_out", "available"))
    book.applied("usage.recorded", {"meter": "calls", "quantity": "30"}, customer=THERE)
    assert ("d", "R-DRAW", "2000", "4000", 3000) == lines(book)[-1]
    over = book.applied("usage.recorded", {"meter": "tokens", "quantity": "1"}, customer=THERE)
    assert "overage" in over
    book.use("30")
    sound(book)


def test_money_in_transit_is_none_in_all():
    book = two()
    sent(book, "33.33")
    held = [n for (_, _, account), n in balances(book.postings).items() if account == "2040"]
    assert [0, 2] == [sum(held), len(held)]
    sound(book)


@pytest.mark.parametrize(
    ("to", "code"), [("stranger", "unknown_customer"), ("late", "before_customer")]
)
def test_what_the_other_side_refuses_comes_back(to, code):
    book = two()
    book.use("40")
    if to == "late":
        book.applied("customer.created", {"currency": "USD"}, "2026-01-02T00:00:00Z", customer=to)
    book.at = "2026-01-01T00:00:00Z"
    data = {"transfer": "t", "block": "b", "quantity": "30", "to": to}
    book.send(
        fact(
            "credit.transferred",
            data,
            id="t",
            at=book.at,
            customer="c",
            recorded="2026-01-03T00:00:00Z",
        )
    )
    out, refused, back = [o for o in outcomes(book.out) if "clock" not in o["cause"]]
    assert ("rejected", code) == (refused["status"], refused["code"])
    assert [("b", "available", "transferred_out", "30")] == moves(out)
    assert [("b", "transferred_out", "available", "30")] == moves(back)
    assert [
        ("c", "R-TRANSFER", "2000", "2040", 3000),
        ("c", "R-TRANSFER", "2040", "2000", 3000),
    ] == lines(book)
    book.at = "2026-01-03T00:00:00Z"
    book.use("60")
    assert "0" == book.block()["carrying"]
    sound(book)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"unit": "none"}, "unknown_unit"),
        ({"quantity": "922337203.1"}, "quantity_out_of_range"),
        ({"transfer": "known"}, "block_exists"),
    ],
)
def test_every_refusal_of_an_offer_is_told_to_its_sender(change, code):
    book = Book()
    book.grant("d:known", "1")
    offer = {
        "transfer": "t",
        "from": "d",
        "block": "b",
        "kind": "promotional",
        "unit": "USD",
        "quantity": "1",
        "value": {"amount": "0", "currency": "USD"},
        "effective_at": "2026-01-01T00:00:00Z",
    }
    book.send(fact("transfer.offered", offer | change, id="t", at=book.at, customer="c"))
    refused, unheard = outcomes(book.out)
    (told,) = refused["sent"]
    assert (code, "returned", "d", code) == (
        refused["code"],
        told["what"],
        told["to"],
        told["data"]["code"],
    )
    assert "unknown_customer" == unheard["code"]


def test_what_comes_back_to_an_expired_block_expires():
    book = two(expires_at="2026-02-01T00:00:00Z")
    book.use("100")
    assert "above_unused" == sent(book, "1")[0]["code"]
    book = two(expires_at="2026-02-01T00:00:00Z")
    book.use("40")
    # The clock stands still between the answers of a simulation: let the offer wait for a while.
    out, *_ = held_back(book, "60", "stranger")
    assert "transferred_out" == out["entries"][0]["to"]
    assert [] == book.sweep("2026-02-02T00:00:00Z")
    (back,) = answered(book, "transfer.returned", "stranger", code="x", detail="")
    assert [("b", "transferred_out", "expired", "60")] == moves(back)
    assert [
        ("c", "R-TRANSFER", "2040", "2000", 6000),
        ("c", "R-EXPIRE", "2000", "4050", 6000),
    ] == lines(book)
    sound(book)


def held_back(book: Book, quantity: str, to: str) -> list[Event]:
    """The transfer alone: nobody hears of it yet."""
    told, book.simulation._told = book.simulation._told, lambda outputs: outputs  # stops the post
    found = sent(book, quantity, to)
    book.simulation._told = told  # and starts it again
    return found


def answered(book: Book, kind: str, receiver: str, **more: Any) -> list[Event]:
    """The answer of the other side."""
    data = {"transfer": "t", "from": receiver} | more
    book.send(
        fact(kind, data, id="answer", at="2026-01-01T00:00:00Z", customer="c", recorded=book.at)
    )
    return [o for o in outcomes(book.out) if "clock" not in o["cause"]]


def test_an_answer_counts_once_and_from_the_right_side():
    book = two()
    held_back(book, "60", THERE)
    (wrong,) = answered(book, "transfer.returned", "other", code="x", detail="")
    assert "unknown_transfer" == wrong["code"]
    sent_back = {"code": "x", "detail": ""}
    assert "applied" == answered(book, "transfer.returned", THERE, **sent_back)[0]["status"]
    assert "duplicate" == answered(book, "transfer.returned", THERE, **sent_back)[0]["status"]
    data = {"transfer": "t", "from": THERE}
    again = fact("transfer.accepted", data, id="later", at=book.at, customer="c")
    assert "unknown_transfer" == book.send(again)["code"]
    sound(book)


def test_a_concession_and_free_credit_keep_what_they_are():
    book = two(
        kind="sla",
        value={"amount": "50", "currency": "USD"},
        failed_period={"from": "2025-12-01T00:00:00Z", "to": "2026-01-01T00:00:00Z"},
    )
    sent(book, "40")
    assert [
        ("c", "R-TRANSFER", "2030", "2040", 2000),
        ("d", "R-TRANSFER", "2040", "2030", 2000),
    ] == lines(book)
    book.applied("usage.recorded", {"meter": "calls", "quantity": "40"}, customer=THERE)
    assert ("d", "R-DRAW-SLA", "2030", "4000", 2000) == lines(book)[-1]
    book = two(kind="promotional", effective_at="2026-02-01T00:00:00Z")
    out, taken, _ = sent(book, "40")
    assert [("b", "issued", "transferred_out", "40")] == moves(out)
    assert [("c:t", "origin", "issued", "40")] == moves(taken)
    assert [] == lines(book)
    sound(book)


def test_a_scope_travels_as_it_was_written():
    where = {
        "all": [
            {"field": "size", "in": ["a", "b"]},
            {"any": [{"field": "n", "ge": 10}, {"not": {"field": "x", "exists": True}}]},
            {"field": "share", "lt": 0.25},
        ]
    }
    scope = {"include": {"products": ["api"], "where": where}, "exclude": {"meters": ["tokens"]}}
    book = two(kind="promotional", scope=scope)
    _, taken, _ = sent(book, "10")
    assert "applied" == taken["status"]
    fits = {"size": "a", "n": 10, "share": 0.2}
    for properties, drawn in ((fits, True), (fits | {"n": 9, "x": True}, False)):
        used = {"meter": "calls", "quantity": "1", "properties": properties}
        outcome = book.applied("usage.recorded", used, customer=THERE)
        assert drawn == ("entries" in outcome), properties


def test_a_transfer_needs_paid_credit_an_id_of_its_own_and_somebody_else():
    book = Book()
    book.applied("customer.created", {"currency": "USD"}, customer=THERE)
    book.grant("b", "100")
    assert "not_paid" == sent(book, "1")[0]["code"]
    book.invoice({"amount": "100", "sells": SELLS})
    assert "transfer_to_self" == sent(book, "1", "c")[0]["code"]
    assert "above_unused" == sent(book, "101")[0]["code"]
    sent(book, "1")
    assert "transfer_exists" == sent(book, "1")[0]["code"]
    book.published("policy.published", ALLOW)
    data = {"block": "c:t"} | WHY
    assert "applied" == book.feed("credit.voided", data, customer=THERE)["status"]
    sound(book)


def test_blocks_of_the_longest_ids_can_be_named():
    """Ids that are made of names are longer than a name: of a transfer, and of what rolls over."""
    customer, transfer, subscription = "c" * 255, "t" * 255, "s" * 255
    book = Book()
    for who in (customer, "d"):
        book.applied("customer.created", {"currency": "USD"}, customer=who)
    gift = {"kind": "promotional", "unit": "USD", "quantity": "8"}
    book.applied("credit.granted", gift | {"block": "b"}, customer=customer)
    sent = {"transfer": transfer, "block": "b", "quantity": "1", "to": "d"}
    book.applied("credit.transferred", sent, customer=customer)
    why = {"reason": "r"}
    book.applied("credit.voided", {"block": f"{customer}:{transfer}"} | why, customer="d")
    started = {"subscription": subscription, "plan": "p", "period": "month"}
    book.applied("subscription.started", started, customer=customer)
    terms: Event = {"grant": gift | {"expires": "period_end"}, "every": "month", "rollover": {}}
    terms["anchor"] = "subscription"
    book.applied("program.attached", {"program": "p" * 100, "definition": terms}, customer=customer)
    book.sweep("2026-02-15T00:00:00Z")
    rolled = f"{'p' * 100}:{subscription}:1~1"
    book.applied("credit.voided", {"block": rolled} | why, customer=customer)


def test_the_id_of_a_reference_is_bounded_too():
    code = Book().refused("credit.voided", {"block": "b" * 532, "reason": "r"})
    assert "invalid_value" == code
    assert "unknown_block" == Book().refused("credit.voided", {"block": "b" * 531, "reason": "r"})
