"""The split of revenue over products, against exact fractions and the bounds of revenue.md 2.5."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.book import Book
from creditfold.core.exact import half_even
from creditfold.core.split import split

draws = st.lists(st.tuples(st.sampled_from("ABCDE"), st.integers(1, 400)), min_size=1, max_size=60)


def run(value: int, quantity: int, steps: list[tuple[str, int]]) -> dict[str, tuple[int, int]]:
    """[units, posted] by product after drawing the steps; every bound is held after each."""
    products: dict[str, tuple[int, int]] = {}
    drawn = 0
    for product, asked in steps:
        units = min(asked, quantity - drawn)
        if not units:
            break
        before, after = half_even(value * drawn, quantity), 0
        drawn += units
        after = half_even(value * drawn, quantity)
        known, posted = products.get(product, (0, 0))
        products[product] = (known + units, posted)
        given_ = split(products, after - before, value, quantity)
        assert after - before == sum(minor for _, minor in given_)
        assert [] == [line for line in given_ if line[1] < 0]
        assert sorted({name for name, _ in given_}) == [name for name, _ in given_]
        for name, minor in given_:
            products[name] = (products[name][0], products[name][1] + minor)
        for units_, posted_ in products.values():
            assert abs(posted_ - Fraction(value * units_, quantity)) < 2
        assert after == sum(posted_ for _, posted_ in products.values())
    return products


@given(st.integers(0, 10_000), st.integers(1, 5_000), draws)
def test_lines_sum_to_the_draw_and_stay_within_two_units_of_their_share(value, quantity, steps):
    run(value, quantity, steps)


@given(st.integers(1, 5_000), draws)
def test_the_free_and_the_dear_block_obey_the_same_bounds(quantity, steps):
    run(1, quantity, steps)
    run(quantity * 1_000_003, quantity, steps)


def test_two_products_that_take_turns_at_parts_of_a_cent_both_earn():
    """The naive rule, whoever crosses the cent gets it, posts 0 and 1,000."""
    products = run(1_000, 10_000, [("A", 4), ("B", 6)] * 1_000)
    assert {"A": (4_000, 400), "B": (6_000, 600)} == products


@pytest.mark.parametrize(
    ("lines", "products", "amount", "value", "quantity"),
    [
        ([("A", 7)], {"A": (1, 0)}, 7, 100, 3),
        ([("A", 1)], {"A": (1, 0), "B": (1, 0)}, 1, 2, 4),
        ([("B", 1)], {"A": (1, 0), "B": (2, 0)}, 1, 2, 6),
        ([("A", 3), ("B", 3), ("C", 2)], {"A": (1, 0), "B": (1, 0), "C": (1, 0)}, 8, 25, 9),
        ([("B", 2)], {"A": (3, 4), "B": (3, 2)}, 2, 8, 6),
        ([("A", 1), ("B", 1)], {"A": (1, 2), "B": (1, 2)}, 2, 1, 1),
    ],
)
def test_whole_residuals_go_first_then_the_largest_then_the_first_by_name(
    lines, products, amount, value, quantity
):
    assert lines == split(products, amount, value, quantity)


def test_a_draw_by_several_products_posts_a_line_for_each_that_earned():
    """C06: 25.00 over three products of 1/3 each is 8.33, 8.33 and 8.34 in the end."""
    book = Book()
    book.grant("b", "300", unit="credits", value={"amount": "25.00", "currency": "USD"})
    book.invoice({"amount": "25", "sells": [{"block": "b"}]})
    book.published(
        "rate_card.published",
        {
            "rate_card": "list",
            "version": 2,
            "effective_from": "2026-01-01T00:00:00Z",
            "rates": [
                {"meter": m, "unit": "credits", "per_unit": "1"} for m in ("calls", "tokens", "gb")
            ],
        },
    )
    for meter in ("calls", "tokens", "gb"):
        book.use("100", meter)
    earned: dict[str, int] = {}
    for line in book.postings:
        if line["rule"] == "R-DRAW":
            earned[line["product"]] = earned.get(line["product"], 0) + line["amount"]
    assert 2_500 == sum(earned.values())
    assert {"api", "llm", "disk"} == set(earned)
    assert all(abs(minor - Fraction(2_500, 3)) < 2 for minor in earned.values())


def test_a_product_that_was_short_is_made_good_by_the_next_products_draw():
    """A draw of one product may post for another whose exact share had grown past its lines."""
    book = Book()
    book.grant("b", "2000", unit="coins", value={"amount": "10", "currency": "USD"})
    book.invoice({"amount": "10", "sells": [{"block": "b"}]})
    book.published(
        "rate_card.published",
        {
            "rate_card": "list",
            "version": 2,
            "effective_from": "2026-01-01T00:00:00Z",
            "rates": [{"meter": m, "unit": "coins", "per_unit": "1"} for m in ("calls", "tokens")],
        },
    )
    seen = []
    for n in range(6):
        book.use("1", ("calls", "tokens")[n % 2])
        seen.append(
            [
                (p["product"], p["amount"], p["proof"].get("product_u"))
                for p in book.postings
                if p["rule"] == "R-DRAW"
            ]
        )
    assert {"api", "llm"} == {product for product, *_ in seen[-1]}
    assert 3 == sum(amount for _, amount, _ in seen[-1])
