"""Statements: what a period's usage was, what credit covered of it, and what is to be billed."""

from __future__ import annotations

from operator import itemgetter

from core.book import Book
from properties.events import Event, of_type

POLICY: Event = {
    "version": 1,
    "effective_from": "2025-06-01T00:00:00Z",
    "keys": {"statement.every": "P1M"},
    "author": "a",
    "reason": "r",
}


def book(zone: str = "UTC", every: str = "P1M", **more: str) -> Book:
    """A customer of a zone whose usage is stated."""
    found = Book()
    found.published("policy.published", POLICY | {"keys": {"statement.every": every} | more})
    found.applied("customer.updated", {"time_zone": zone})
    return found


def statements(found: Book) -> list[Event]:
    """The notices of all statements that went out."""
    return of_type(found.records, "notice.statement_ready")


def test_a_statement_tells_usage_cover_and_overage_of_its_period():
    b = book()
    b.grant("paid", "5", at="2026-01-03T00:00:00Z")
    b.grant("gift", "2", kind="promotional")
    b.use("10", at="2026-01-04T00:00:00Z")
    b.use("3", meter="pings")
    b.sweep("2026-02-01T00:00:00Z")
    (notice,) = statements(b)
    assert "2026-01-31T23:59:59.999999Z" == notice["effective_at"]
    assert {
        "id": "c:statement:1",
        "from": "2026-01-01T00:00:00Z",
        "to": "2026-02-01T00:00:00Z",
        "lines": [
            {
                "meter": "calls",
                "product": "api",
                "quantity": "10",
                "covered": [
                    {"kind": "paid", "unit": "USD", "quantity": "5"},
                    {"kind": "promotional", "unit": "USD", "quantity": "2"},
                ],
                "overage": [{"quantity": "3", "unit": "USD", "rate": "1", "amount": "3"}],
            },
            {"meter": "pings", "product": "probe", "quantity": "3", "overage": [{"quantity": "3"}]},
        ],
    } == notice["statement"]


def used(found: Book, quantity: str, at: str) -> Event:
    """Usage that facts can name as u."""
    return found.applied("usage.recorded", {"meter": "calls", "quantity": quantity}, at, id="u")


def lines(found: Book, number: int = -1) -> list[Event]:
    """The lines of a statement, the last unless told otherwise."""
    return statements(found)[number]["statement"]["lines"]  # type: ignore[no-any-return]  # of a record


def call(quantity: str, rest: Event | None = None, **more: object) -> Event:
    """A line of calls that no credit covered."""
    price = {"quantity": quantity, "unit": "USD", "rate": "1", "amount": quantity}
    overage = [price | (rest or {})]
    return {"meter": "calls", "product": "api", "quantity": quantity, "overage": overage} | more


def test_a_period_is_of_the_customers_clocks():
    b = book("America/New_York")
    b.use("1", at="2026-02-01T04:59:59Z")
    b.use("2", at="2026-02-01T05:00:00Z")
    assert [call("1")] == lines(b)
    b.sweep("2026-03-01T04:59:59.999999Z")
    assert 1 == len(statements(b))
    b.sweep("2026-03-01T05:00:00Z")
    told = statements(b)[1]["statement"]
    assert ("2026-02-01T05:00:00Z", "2026-03-01T05:00:00Z") == (told["from"], told["to"])
    assert [call("2")] == told["lines"]


def test_where_nothing_was_used_nothing_is_stated():
    b = book()
    b.grant()
    b.sweep("2026-06-01T00:00:00Z")
    assert [] == statements(b)
    b.use("1")
    b.sweep("2026-12-01T00:00:00Z")
    assert ["c:statement:1"] == [n["statement"]["id"] for n in statements(b)]


def test_what_comes_late_stands_in_the_next_statement_as_earlier():
    b = book()
    used(b, "4", at="2026-01-31T22:00:00Z")
    b.sweep("2026-02-01T00:00:00Z")
    b.use("3", at="2026-01-31T23:00:00Z", recorded="2026-02-01T01:00:00Z")
    b.applied("usage.corrected", {"usage": {"source": "/tests", "id": "u"}, "quantity": "2"})
    b.use("7", at="2026-02-02T00:00:00Z")
    b.sweep("2026-03-01T00:00:00Z")
    assert [call("4")] == lines(b, 0)
    assert [call("1", earlier=True), call("7")] == sorted(lines(b), key=itemgetter("quantity"))


def test_usage_ahead_of_the_clock_stands_in_the_statement_of_its_own_period():
    b = book()
    b.use("1", at="2026-01-31T23:58:00Z")
    b.use("2", at="2026-02-01T00:01:00Z", recorded="2026-01-31T23:59:00Z")
    b.sweep("2026-03-01T00:00:00Z")
    assert [[call("1")], [call("2")]] == [n["statement"]["lines"] for n in statements(b)]


def test_usage_that_was_taken_back_leaves_a_statement_without_lines():
    b = book()
    used(b, "1", at="2026-01-05T00:00:00Z")
    b.applied("usage.retracted", {"usage": {"source": "/tests", "id": "u"}})
    b.sweep("2026-02-01T00:00:00Z")
    assert [] == lines(b)


def test_lines_are_by_the_subscription_that_usage_names():
    b = book()
    b.applied("subscription.started", {"subscription": "s", "plan": "pro", "period": "P1M"})
    b.use("1", subscription="s")
    b.use("2")
    assert "unknown_subscription" == b.refused(
        "usage.recorded", {"meter": "calls", "quantity": "1", "subscription": "t"}
    )
    b.sweep("2026-02-01T00:00:00Z")
    assert [call("2"), call("1", subscription="s")] == lines(b)


def test_another_period_begins_where_the_last_statement_ended():
    b = book(every="P1W")
    b.use("1", at="2026-01-28T00:00:00Z")
    monthly = POLICY | {"version": 2, "effective_from": "2026-01-28T00:00:00Z"}
    b.published("policy.published", monthly, "2026-01-28T00:00:00Z")
    b.use("2", at="2026-01-31T00:00:00Z")
    b.use("3", at="2026-02-05T00:00:00Z")
    b.sweep("2026-03-01T00:00:00Z")
    assert [
        ("2026-01-26T00:00:00Z", "2026-02-02T00:00:00Z"),
        ("2026-02-02T00:00:00Z", "2026-03-01T00:00:00Z"),
    ] == [(n["statement"]["from"], n["statement"]["to"]) for n in statements(b)]
    assert [[call("3")], [call("3")]] == [n["statement"]["lines"] for n in statements(b)]


def test_carried_overage_that_credit_repays_later_is_a_correction():
    b = book()
    b.applied("customer.updated", {"overage": {"default": "carry"}})
    b.use("4", at="2026-01-31T00:00:00Z")
    b.grant("g", "10", at="2026-02-03T00:00:00Z")
    b.sweep("2026-03-01T00:00:00Z")
    assert [call("4", {"policy": "carry"})] == lines(b, 0)
    back = call("-4", {"policy": "carry"}, earlier=True)
    covered = [{"kind": "paid", "unit": "USD", "quantity": "4"}]
    assert [back | {"quantity": "0", "covered": covered}] == lines(b)


def test_the_snapshot_tells_which_statement_is_next():
    b = book()
    assert "next_statement" not in b.snapshot("2026-01-04T00:00:00Z")
    b.use("1", at="2026-01-05T00:00:00Z")
    assert {
        "statement": "c:statement:1",
        "from": "2026-01-01T00:00:00Z",
        "to": "2026-02-01T00:00:00Z",
    } == b.snapshot()["next_statement"]
    assert "next_statement" not in b.snapshot("2026-02-01T00:00:00Z")


def test_a_long_statement_goes_out_in_parts():
    b = book()
    names = [f"s{n:04}" for n in range(1_001)]
    for name in names:
        b.applied("subscription.started", {"subscription": name, "plan": "p", "period": "P1M"})
        b.use("1", subscription=name, at="2026-01-02T00:00:00Z")
    b.sweep("2026-02-01T00:00:00Z")
    parts = [notice["statement"] for notice in statements(b)]
    assert [(1, 2, 1_000), (2, 2, 1)] == [
        (each.get("part", 1), each["parts"], len(each["lines"])) for each in parts
    ]
    assert names == [line["subscription"] for each in parts for line in each["lines"]]
    assert 1 == len({each["id"] for each in parts})


# What a statement lists is billed by its id


def bill(found: Book, amount: str, *refs: object, **more: object) -> Event:
    """The outcome of an invoice with one line in arrears."""
    line = {"line": "1", "amount": amount, "arrears_for": list(refs)}
    data = {"invoice": f"i{len(found.facts)}", "currency": "USD", "lines": [line]} | more
    return found.feed("invoice.issued", data)


def test_an_invoice_bills_the_overage_that_a_statement_lists():
    b = book()
    b.use("4", at="2026-01-30T00:00:00Z")
    assert "unknown_overage" == bill(b, "4", "c:statement:1")["code"], "it has not gone out"
    b.sweep("2026-02-01T00:00:00Z")
    b.use("3", at="2026-02-02T00:00:00Z")
    assert "applied" == bill(b, "4", "c:statement:1")["status"]
    assert [("R-BILL-ARREARS", "1100", "1150", 400)] == b.lines
    assert {"USD": "3"} == b.snapshot()["overage"]
    assert "unknown_overage" == bill(b, "4", "c:statement:1")["code"], "it was billed"
    for other in ("c:statement:0", "c:statement:01", "c:statement:2", "d:statement:1"):
        assert "unknown_overage" == bill(b, "3", other)["code"], other


def test_each_statement_bills_its_own_part_of_a_usage_that_was_corrected_between_them():
    b = book()
    used(b, "4", at="2026-01-31T12:00:00Z")
    b.sweep("2026-02-01T00:00:00Z")
    b.applied("usage.corrected", {"usage": {"source": "/tests", "id": "u"}, "quantity": "9"})
    b.use("1", at="2026-02-01T00:00:00Z")
    b.sweep("2026-03-01T00:00:00Z")
    assert {"USD": "10"} == b.snapshot()["overage"]
    assert "applied" == bill(b, "4", "c:statement:1")["status"]
    assert {"USD": "6"} == b.snapshot()["overage"]
    assert "applied" == bill(b, "6", "c:statement:2")["status"]
    assert {} == b.snapshot()["overage"]
    assert 0 == b.accounts.get("1150", 0)
    assert -1000 == b.accounts["4010"]


def test_what_was_retracted_after_its_statement_is_billed_and_given_back_by_the_next():
    b = book()
    used(b, "4", at="2026-01-31T12:00:00Z")
    b.sweep("2026-02-01T00:00:00Z")
    b.applied("usage.retracted", {"usage": {"source": "/tests", "id": "u"}})
    b.use("9", at="2026-02-01T00:00:00Z")
    b.sweep("2026-03-01T00:00:00Z")
    assert "applied" == bill(b, "4", "c:statement:1")["status"]
    assert [("R-BILL-ARREARS", "1100", "1150", 400)] == b.lines
    assert "applied" == bill(b, "5", "c:statement:2")["status"]
    assert [("R-BILL-ARREARS", "1100", "1150", 500)] == b.lines
    assert 0 == b.accounts.get("1150", 0)


def test_what_was_retracted_is_not_open_under_its_own_id():
    b = book()
    outcome = used(b, "4", at="2026-01-31T12:00:00Z")
    b.sweep("2026-02-01T00:00:00Z")
    b.applied("usage.retracted", {"usage": {"source": "/tests", "id": "u"}})
    assert "unknown_overage" == bill(b, "4", outcome["overage"][0]["id"])["code"]


def test_overage_that_is_named_twice_is_billed_once():
    b = book()
    outcome = b.use("4", at="2026-01-30T00:00:00Z")
    b.sweep("2026-02-01T00:00:00Z")
    span = {"meter": "calls", "from": "2026-01-01T00:00:00Z", "to": "2026-02-01T00:00:00Z"}
    refs = ("c:statement:1", outcome["overage"][0]["id"], span, "c:statement:1")
    assert "applied" == bill(b, "4", *refs)["status"]
    assert [("R-BILL-ARREARS", "1100", "1150", 400)] == b.lines
    assert {} == b.snapshot()["overage"]


def test_carried_overage_is_not_billed_by_a_statement():
    b = book()
    b.applied("customer.updated", {"overage": {"default": "carry"}})
    b.use("4", at="2026-01-31T00:00:00Z")
    b.sweep("2026-02-01T00:00:00Z")
    assert "unknown_overage" == bill(b, "4", "c:statement:1")["code"]


def test_overage_without_a_price_is_billed_at_the_invoices():
    b = book()
    b.use("3", meter="pings", at="2026-01-30T00:00:00Z")
    b.sweep("2026-02-01T00:00:00Z")
    assert "applied" == bill(b, "4", "c:statement:1")["status"]
    assert [("R-BILL-ARREARS", "1100", "4010", 400)] == b.lines
