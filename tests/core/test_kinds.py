"""Kinds of credit: what each does to revenue, and which go first."""

from __future__ import annotations

import pytest

from core.book import Book, moves

JANUARY = {"from": "2025-12-01T00:00:00Z", "to": "2026-01-01T00:00:00Z"}
EXPIRY = "2026-03-01T00:00:00Z"
CONCESSION = {"amount": "50", "currency": "USD"}


def policy(book: Book, **keys: str) -> None:
    book.published(
        "policy.published",
        {
            "version": 1,
            "effective_from": "2026-01-01T00:00:00Z",
            "author": "cfo",
            "reason": "terms",
            "keys": {key.replace("_", "."): value for key, value in keys.items()},
        },
    )


def concede(book: Book, kind: str = "sla", **more: object) -> None:
    book.grant("b", "50", kind=kind, value=CONCESSION, expires_at=EXPIRY, **more)


@pytest.mark.parametrize("named", [{}, {"failed_period": JANUARY}])
def test_an_sla_credit_lowers_revenue_when_granted_and_its_lapse_takes_that_back(named):
    book = Book()
    concede(book, **named)
    assert [("R-SLA-GRANT", "4910", "2030", 5000)] == book.lines
    book.use("20")
    assert [("R-DRAW-SLA", "2030", "4000", 2000)] == book.lines
    assert ("20", "30") == (book.block()["recognised"], book.block()["carrying"])
    book.sweep(EXPIRY)
    assert [("R-EXPIRE-SLA", "2030", "4910", 3000)] == book.lines
    assert "2026-02-28" == book.postings[-1]["effective_date"]
    assert {"4000": -2000, "4910": 2000} == book.accounts


def test_late_usage_of_a_lapsed_concession_gives_it_back_once_more():
    book = Book()
    concede(book)
    book.sweep(EXPIRY)
    book.use("20", at="2026-02-28T12:00:00Z", recorded="2026-03-01T12:00:00Z")
    assert [
        ("R-REOPEN", "4910", "2030", 2000),
        ("R-DRAW-SLA", "2030", "4000", 2000),
    ] == book.lines


def test_by_policy_the_lapse_of_a_concession_is_breakage():
    book = Book()
    policy(book, sla_expiry="breakage")
    concede(book)
    book.sweep(EXPIRY)
    assert [("R-EXPIRE-SLA", "2030", "4050", 5000)] == book.lines


def test_how_a_concession_lapses_is_decided_when_it_is_granted():
    book = Book()
    concede(book)
    policy(book, sla_expiry="breakage")
    book.sweep(EXPIRY)
    assert [("R-EXPIRE-SLA", "2030", "4910", 5000)] == book.lines


@pytest.mark.parametrize(
    ("kind", "keys", "named", "accrued"),
    [
        ("sla", {}, False, True),
        ("sla", {"sla_treatment": "net"}, True, False),
        ("goodwill", {}, True, True),
        ("goodwill", {}, False, False),
        ("goodwill", {"goodwill_treatment": "net"}, True, False),
        ("goodwill", {"sla_treatment": "net"}, True, True),
    ],
)
def test_what_is_not_accrued_moves_no_money_ever(kind, keys, named, accrued):
    """Goodwill without a failed period is a discount on what comes, as a promotion is."""
    book = Book()
    policy(book, **keys)
    concede(book, kind, **({"failed_period": JANUARY} if named else {}))
    assert accrued == bool(book.lines)
    book.use("20")
    book.sweep(EXPIRY)
    assert accrued == bool(book.accounts)
    assert ("50", "0") == (book.block()["value"], book.block()["carrying"])


def test_a_concession_tells_what_it_makes_up_for():
    book = Book()
    concede(book, failed_period=JANUARY)
    assert [JANUARY["from"], JANUARY["to"]] == book.block()["failed_period"]


@pytest.mark.parametrize("kind", ["sla", "goodwill"])
def test_nobody_is_billed_for_a_concession(kind):
    book = Book()
    concede(book, kind)
    line = {"line": "1", "amount": "1", "sells": [{"block": "b"}]}
    data = {"invoice": "i", "currency": "USD", "lines": [line]}
    assert "sold_above_value" == book.refused("invoice.issued", data)


@pytest.mark.parametrize("kind", ["paid", "included", "buffer"])
def test_what_is_sold_earns_its_price_whatever_its_kind(kind):
    """A billed buffer is invoiced for what was drawn of it: its value prices each unit."""
    book = Book()
    book.grant("b", "100", kind=kind, value=CONCESSION, expires_at=EXPIRY)
    book.use("60")
    assert [("R-DRAW-UNFUNDED", "1150", "4000", 3000)] == book.lines
    book.invoice({"amount": "30", "sells": [{"block": "b"}]})
    assert [("R-BILL", "1100", "1150", 3000)] == book.lines
    book.sweep(EXPIRY)
    assert [] == book.lines


def test_free_goes_by_kind_and_a_buffer_goes_last():
    book = Book()
    book.grant("buffer", "1", kind="buffer", priority=-9, expires_at="2026-01-02T00:00:00Z")
    book.grant("paid", "1")
    book.grant("in-a-price", "1", kind="included", value=CONCESSION)
    book.grant("in-no-price", "1", kind="included")
    book.grant("sla", "1", kind="sla", value=CONCESSION)
    drawn = [block for block, _, to, _ in moves(book.use("5")) if to == "drawn"]
    assert ["in-no-price", "sla", "in-a-price", "paid", "buffer"] == drawn


@pytest.mark.parametrize(
    ("kind", "period"),
    [
        ("paid", JANUARY),
        ("promotional", JANUARY),
        ("sla", {"from": JANUARY["to"], "to": JANUARY["from"]}),
        ("sla", {"from": JANUARY["to"], "to": JANUARY["to"]}),
    ],
)
def test_only_what_makes_up_for_a_failure_names_its_period_and_that_lasts(kind, period):
    data = {"block": "b", "kind": kind, "unit": "USD", "quantity": "1", "failed_period": period}
    assert "invalid_value" == Book().refused("credit.granted", data)
