"""The fold: identity and duplicates, chains, what an outcome says, and ids that are used once."""

from __future__ import annotations

import hashlib
import json

import pytest

from core.book import Book
from properties.events import DAY, START, fact, of_type, outcomes, text

USAGE = {"meter": "calls", "quantity": "1"}


def test_the_same_fact_again_names_the_first_outcome_and_changes_nothing():
    book = Book()
    first = book.applied("usage.recorded", USAGE, id="u")
    state = book.snapshot()
    again = book.feed("usage.recorded", USAGE, id="u")
    assert ("duplicate", first["outcome"]) == (again["status"], again["outcome"])
    assert {"entries", "seq", "hash", "balances"} & set(again) == set()
    assert state == book.snapshot()


@pytest.mark.parametrize(
    "change",
    [
        {"data": USAGE | {"quantity": "1.0"}},
        {"data": USAGE | {"quantity": 1}},
        {"at": START + DAY + 1},
        {"kind": "customer.updated", "data": {}},
    ],
)
def test_other_content_under_one_id_is_refused(change):
    book = Book()
    base = {"kind": "usage.recorded", "data": USAGE, "at": START + DAY, "id": "u", "customer": "c"}
    assert "applied" == book.send(fact(**base))["status"]
    outcome = book.send(fact(**(base | change)))
    assert "id_reused_with_different_content" == outcome["code"]


@pytest.mark.parametrize("change", [{"source": "/other"}, {"customer": "d"}, {"id": "v"}])
def test_another_source_customer_or_id_is_another_fact(change):
    book = Book()
    book.applied("customer.created", {"currency": "USD"}, customer="d")
    base = {"kind": "usage.recorded", "data": USAGE, "at": START + DAY, "id": "u", "customer": "c"}
    results = [book.send(fact(**base)), book.send(fact(**(base | change)))]
    assert ["applied"] * 2 == [outcome["status"] for outcome in results]
    assert 2 == len({outcome["outcome"] for outcome in results})


@pytest.mark.parametrize(
    ("status", "code", "late"),
    [("duplicate", None, 3 * DAY), ("rejected", "too_late", 3 * DAY + 1)],
)
def test_an_id_of_usage_is_known_as_long_as_usage_of_its_time_is_taken(status, code, late):
    book = Book()
    at = START + DAY
    book.applied("usage.recorded", USAGE, text(at), id="u")
    again = book.feed("usage.recorded", USAGE, text(at), id="u", recorded=text(at + late))
    assert (status, code) == (again["status"], again.get("code"))


@pytest.mark.parametrize("kind", ["customer.updated", "invoice.issued", "credit.granted"])
def test_ids_of_commands_and_invoices_are_known_for_ever(kind):
    book = Book()
    data = {
        "customer.updated": {"attributes": {"a": 1}},
        "invoice.issued": {
            "invoice": "i",
            "currency": "USD",
            "lines": [{"line": "1", "amount": "1"}],
        },
        "credit.granted": {"block": "b", "kind": "promotional", "unit": "USD", "quantity": "1"},
    }[kind]
    event = fact(kind, data, id="x", at=START + DAY, customer="c")
    book.send(event)
    again = book.send(event | {"recordedtime": text(START + 3_000 * DAY)})
    assert "duplicate" == again["status"]


def test_catalog_facts_are_duplicates_by_the_same_rule():
    book = Book()
    data = {"meter": "new", "version": 1, "product": "p"}
    event = fact("meter.declared", data, id="m", at=START)
    assert ["applied", "duplicate"] == [book.send(event)["status"] for _ in range(2)]


def test_no_id_is_ever_made_twice():
    book = Book()
    for day in (1, 11):
        book.applied("usage.recorded", USAGE, text(START + day * DAY), id="u")
    ids = [p["posting"] for p in book.postings]
    assert sorted(set(ids)) == sorted(ids)


def test_overage_is_open_until_an_invoice_bills_it():
    book = Book()
    for day in (1, 11):
        book.applied("usage.recorded", USAGE, text(START + day * DAY), id="u")
    span = {"meter": "calls", "from": text(START), "to": text(START + 30 * DAY)}
    book.invoice({"amount": "2", "arrears_for": [span]})
    assert [("1100", "1150", 200)] == [(d, c, n) for _, d, c, n in book.lines]
    assert {} == book.snapshot()["overage"]


def test_a_balance_never_leaves_64_bits():
    book = Book()
    grants = [
        book.feed(
            "credit.granted",
            {"block": f"b{n}", "kind": "promotional", "unit": "coins", "quantity": str(2**63 - 1)},
        )
        for n in range(3)
    ]
    assert ["applied", "rejected", "rejected"] == [outcome["status"] for outcome in grants]
    assert {"quantity_out_of_range"} == {outcome["code"] for outcome in grants[1:]}


def test_a_customers_chain_links_its_applied_outcomes_and_no_other():
    book = Book()
    book.grant("b", "5", expires_at="2026-02-01T00:00:00Z")
    book.use("1")
    book.refused("usage.recorded", {"meter": "none", "quantity": "1"})
    book.sweep("2026-02-01T00:00:00Z")
    chain = [o for o in outcomes(book.records) if o["status"] == "applied" and "customer" in o]
    assert [1, 2, 3, 4] == [o["seq"] for o in chain]
    assert ["", *(o["hash"] for o in chain[:-1])] == [o["prev"] for o in chain]
    for outcome in chain:
        content = {k: v for k, v in outcome.items() if k not in ("hash", "recorded_at")}
        content["cause"] = {
            k: v for k, v in outcome["cause"].items() if k not in ("topic", "partition", "offset")
        }
        lines = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        assert hashlib.sha256(lines.encode()).hexdigest() == outcome["hash"]


def test_the_catalog_has_a_chain_of_its_own():
    book = Book()
    chain = [o for o in outcomes(book.records) if "customer" not in o]
    assert list(range(1, len(chain) + 1)) == [o["seq"] for o in chain]
    assert ["", *(o["hash"] for o in chain[:-1])] == [o["prev"] for o in chain]


def test_an_outcome_holds_the_digest_of_what_it_sent():
    book = Book()
    book.grant("b", "5")
    book.invoice({"amount": "5", "tax": "1", "sells": [{"block": "b"}]})
    (outcome,) = outcomes(book.out)
    lines = [
        json.dumps(p, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        for p in of_type(book.out, "revenue.posting")
    ]
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    assert {"postings": 2, "notices": 0, "sha256": digest} == outcome["emitted"]


def test_what_is_effective_and_what_is_recorded_are_two_times():
    book = Book()
    outcome = book.use("1", at="2026-01-02T00:00:00Z", recorded="2026-01-03T00:00:00.5Z")
    assert ("2026-01-02T00:00:00Z", "2026-01-03T00:00:00.5Z") == (
        outcome["effective_at"],
        outcome["recorded_at"],
    )


def test_the_log_never_goes_back_whatever_a_record_says():
    book = Book()
    book.use("1", at="2026-01-03T00:00:00Z")
    outcome = book.use("1", at="2026-01-02T00:00:00Z", recorded="2026-01-01T12:00:00Z")
    assert "2026-01-03T00:00:00Z" == outcome["recorded_at"]


def test_ids_hang_on_the_fact_alone_and_not_on_what_came_before():
    fresh, busy = Book(), Book()
    busy.use("3")
    grant = fact(
        "credit.granted",
        {"block": "b", "kind": "promotional", "unit": "USD", "quantity": "5"},
        id="g",
        at=START + DAY,
        customer="c",
    )
    ids = [
        (o["outcome"], [e["entry"] for e in o["entries"]])
        for o in (book.send(grant) for book in (fresh, busy))
    ]
    assert ids[0] == ids[1]


def test_proofs_name_the_units_of_a_product_only_where_there_are_several():
    book = Book()
    book.grant("b", "5")
    book.use("1")
    assert "product_u" not in book.postings[-1]["proof"]
    book.use("1", "tokens")
    assert ("1", 100) == tuple(
        book.postings[-1]["proof"][name] for name in ("product_u", "product_posted")
    )
