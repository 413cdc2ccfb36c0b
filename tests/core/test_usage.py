"""Usage: which blocks pay, how much each, over several units, and what nobody pays."""

from __future__ import annotations

import pytest

from core.book import Book, moves

FREE = {"kind": "promotional"}


def drawn(outcome: dict) -> list[tuple[str, str]]:
    return [(block, amount) for block, _, to, amount in moves(outcome) if to == "drawn"]


def test_the_parts_sum_exactly_to_the_whole_and_the_rest_is_overage():
    book = Book()
    book.grant("a", "3")
    book.grant("b", "4.5")
    used = book.use("10")
    assert [("a", "3"), ("b", "4.5")] == drawn(used)
    assert [("2.5", "USD")] == [(o["amount"], o["unit"]) for o in used["overage"]]
    assert {"USD": "0"} == used["balances"]


@pytest.mark.parametrize(
    ("blocks", "at"),
    [
        ([], "2026-01-09T23:59:59.999999Z"),
        (["b"], "2026-01-10T00:00:00Z"),
        (["b"], "2026-01-19T23:59:59.999999Z"),
        ([], "2026-01-20T00:00:00Z"),
    ],
)
def test_a_block_pays_from_its_first_instant_to_the_one_before_its_expiry(blocks, at):
    book = Book()
    book.grant("b", "5", effective_at="2026-01-10T00:00:00Z", expires_at="2026-01-20T00:00:00Z")
    assert blocks == [block for block, _ in drawn(book.use("1", at=at))]


@pytest.mark.parametrize(
    ("blocks", "scope", "properties"),
    [
        (["b"], None, {}),
        (["b"], {}, {}),
        (["b"], {"include": {"products": ["api"]}}, {}),
        ([], {"include": {"products": ["llm"]}}, {}),
        ([], {"exclude": {"meters": ["calls"]}}, {}),
        (["b"], {"include": {"where": {"field": "tier", "eq": "gold"}}}, {"tier": "gold"}),
        ([], {"include": {"where": {"field": "tier", "eq": "gold"}}}, {"tier": "tin"}),
        ([], {"include": {"where": {"field": "tier", "eq": "gold"}}}, {}),
        (
            [],
            {"include": {"meters": ["calls"]}, "exclude": {"where": {"field": "t", "gt": 5}}},
            {"t": 6},
        ),
    ],
)
def test_a_block_pays_only_inside_its_scope(blocks, scope, properties):
    book = Book()
    book.grant("b", "5", **({} if scope is None else {"scope": scope}))
    assert blocks == [block for block, _ in drawn(book.use("1", properties=properties))]


def test_a_block_in_a_unit_that_does_not_price_the_meter_is_left_alone():
    book = Book()
    book.grant("b", "5", unit="credits", **FREE)
    used = book.use("1", "tokens")
    assert [] == drawn(used)
    assert "1" == used["overage"][0]["amount"]


def test_after_one_unit_paid_a_part_the_next_owes_its_cost_of_the_rest():
    book = Book()
    book.grant("a", "4", unit="credits", priority=1, **FREE)  # a call costs 2 credits
    book.grant("b", "5", unit="coins", priority=2, **FREE)  # or 3 coins
    book.grant("c", "1", priority=3)  # or 1 dollar
    used = book.use("10")
    # 20 credits: 4 paid, 16/20 left. 30 coins: 24 owed, 5 paid, 19 left. 10 USD: 19/30 of it owed.
    assert [("a", "4"), ("b", "5"), ("c", "1")] == drawn(used)
    owed = [entry.get("owed") for entry in used["entries"] if entry["to"] == "drawn"]
    assert [
        None,
        {
            "cost": "30",
            "quantity": "24",
            "from_unit": "credits",
            "from_cost": "20",
            "from_rest": "16",
        },
        {
            "cost": "10",
            "quantity": "6.3333333333",
            "from_unit": "coins",
            "from_cost": "30",
            "from_rest": "19",
        },
    ] == owed
    assert [("5.3333333333", "5")] == [(o["amount"], o["quantity"]) for o in used["overage"]]


def test_overage_after_another_unit_is_owed_in_the_customers_currency():
    book = Book()
    book.grant("a", "5", unit="coins", **FREE)
    (overage,) = book.use("10")["overage"]
    assert {
        "cost": "10",
        "quantity": "8.3333333333",
        "from_unit": "coins",
        "from_cost": "30",
        "from_rest": "25",
    } == overage["owed"]
    assert "8.3333333333" == overage["amount"]
    assert "8" == overage["quantity"]


def test_two_blocks_of_one_unit_share_one_restatement():
    book = Book()
    book.grant("a", "2", unit="credits", priority=1, **FREE)
    book.grant("b", "3", unit="coins", priority=2, **FREE)
    book.grant("c", "30", unit="coins", priority=3, **FREE)
    used = book.use("10")
    assert [("a", "2"), ("b", "3"), ("c", "24")] == drawn(used)
    owed = ["owed" in e for e in used["entries"] if e["to"] == "drawn"]
    assert [False, True, False] == owed


def test_an_amount_that_the_product_rated_stands_for_its_units_rate_alone():
    book = Book()
    book.grant("a", "7", unit="credits", priority=1, **FREE)
    book.grant("b", "9", priority=2)
    used = book.use("3", amount={"unit": "credits", "quantity": "5.5"})
    assert [("a", "5.5")] == drawn(used)
    assert [None] == [e.get("rate") for e in used["entries"]]
    used = book.use("3", amount={"unit": "USD", "quantity": "0.5"})
    # 6 credits by the rate; 1.5 of them are left, so 3/4 of the rated half dollar is owed.
    assert [("a", "1.5"), ("b", "0.375")] == drawn(used)


def test_rated_usage_of_a_meter_without_any_price_is_priced():
    book = Book()
    used = book.use("3", "pings", amount={"unit": "USD", "quantity": "0.5"})
    assert [("USD", "0.5")] == [(o["unit"], o["amount"]) for o in used["overage"]]
    assert "rate" not in used["overage"][0]


def test_usage_without_a_price_is_kept_with_a_notice_and_earns_nothing():
    book = Book()
    book.grant("b", "5")
    used = book.use("7", "pings")
    assert [("7", None)] == [(o["quantity"], o.get("unit")) for o in used["overage"]]
    assert [] == book.lines
    (notice,) = [r for r in book.out if r["type"] == "creditfold.notice.unpriced_usage.v1"]
    assert ("pings", "probe", "7", used["outcome"]) == tuple(
        notice["data"][name] for name in ("meter", "product", "quantity", "outcome")
    )
    assert {"meter:pings": "7"} == book.snapshot()["overage"]


def test_overage_is_unpriced_where_the_customers_currency_has_no_rate():
    book = Book("EUR")
    book.grant("a", "2", unit="credits", **FREE)
    used = book.use("3")
    assert [("a", "2")] == drawn(used)
    assert [("2", None)] == [(o["quantity"], o.get("unit")) for o in used["overage"]]
    assert {"meter:calls": "2"} == book.snapshot()["overage"]


def test_a_rate_of_zero_costs_nothing_with_or_without_a_block():
    book = Book()
    book.published(
        "rate_card.published",
        {
            "rate_card": "list",
            "version": 2,
            "effective_from": "2026-01-01T00:00:00Z",
            "rates": [{"meter": "calls", "unit": "USD", "per_unit": "0"}],
        },
    )
    free = book.use("4")
    assert [("0", "4")] == [(o["amount"], o["quantity"]) for o in free["overage"]]
    book.grant("b", "5")
    covered = book.use("4")
    assert ([], []) == (drawn(covered), covered.get("overage", []))
    assert {} == book.snapshot()["overage"]


def test_a_block_drawn_to_its_end_is_not_asked_again_and_never_expires():
    book = Book()
    book.grant("a", "2", expires_at="2026-02-01T00:00:00Z")
    book.grant("b", "2")
    assert [("a", "2")] == drawn(book.use("2"))
    assert [("b", "1")] == drawn(book.use("1"))
    assert [] == book.sweep("2026-03-01T00:00:00Z")


def test_an_entry_names_usage_meter_product_and_rate():
    book = Book()
    book.grant("b", "5")
    used = book.applied("usage.recorded", {"meter": "calls", "quantity": "2"}, id="u-1")
    (entry,) = used["entries"]
    assert ("u-1", "calls", "api", "1", "USD") == tuple(
        entry[name] for name in ("usage", "meter", "product", "rate", "unit")
    )
    assert f"{used['outcome']}.1" == entry["entry"]


def test_quantities_below_one_are_exact_where_the_meter_has_decimals():
    book = Book()
    book.grant("b", "1")
    assert [("b", "0.0005")] == drawn(book.use("0.001", "gb"))


@pytest.mark.parametrize(("order", "paid"), [(1, [("a", "1"), ("b", "1")]), (3, [("b", "2")])])
def test_a_block_that_is_used_up_between_two_others_costs_no_restatement(order, paid):
    book = Book()
    book.grant("a", "1", priority=order)
    book.grant("b", "9", priority=2)
    assert paid == drawn(book.use("2"))


def test_a_rest_too_small_for_a_coarse_unit_is_never_lost():
    """A quarter of a call is left after the credits; a coin cannot be split to pay it."""
    book = Book()
    book.published(
        "rate_card.published",
        {
            "rate_card": "list",
            "version": 2,
            "effective_from": "2026-01-01T00:00:00Z",
            "rates": [
                {"meter": "calls", "unit": u, "per_unit": p}
                for u, p in (("credits", "4"), ("coins", "1"), ("USD", "1"))
            ],
        },
    )
    book.grant("a", "3", unit="credits", priority=1, **FREE)
    book.grant("b", "5", unit="coins", priority=2, **FREE)
    used = book.use("1")
    assert [("a", "3")] == drawn(used)
    assert ["0.25"] == [o["amount"] for o in used["overage"]]
