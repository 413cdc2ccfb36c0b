"""Minor units over products, without a cent lost and without a negative line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

_Side = TypeVar("_Side")
_Other = TypeVar("_Other")


def split(
    products: Mapping[str, tuple[int, int]], amount: int, value: int, quantity: int
) -> list[tuple[str, int]]:
    """Minor units by product that sum to `amount`, by the cumulative largest remainder.

    `products` holds [units drawn so far, revenue posted so far]. Whole residuals go first, then
    one unit each to the largest; ties by product. No part has another sign than the amount, and
    each product stays within two minor units of its exact share, which "whoever crosses the cent
    gets it" does not.
    """
    if len(products) == 1:
        (product,) = products
        return [(product, amount)]
    sign = -1 if amount < 0 else 1
    amount *= sign
    short = [  # below zero is what a product should have and has not
        (sign * (posted * quantity - value * units), product)
        for product, (units, posted) in products.items()
    ]
    given: dict[str, int] = {}
    rest = []
    for missing, product in sorted(short):
        whole = min(amount, max(0, -missing // quantity))
        given[product] = whole
        rest.append((missing + whole * quantity, product))
        amount -= whole
    while amount:
        rest = sorted(rest)
        for place, (missing, product) in enumerate(rest[:amount]):
            given[product] += 1
            rest[place] = missing + quantity, product
            amount -= 1
    return sorted([(product, sign * units) for product, units in given.items() if units])


def pairs(
    sides: Sequence[tuple[_Side, int]], others: Sequence[tuple[_Other, int]]
) -> Iterator[tuple[_Side, _Other, int]]:
    """Pair two lists of the same sum greedily, in the order of both."""
    rest = list(others)
    for side, total in sides:
        open_ = total
        while open_:
            product, minor = rest[0]
            part = min(open_, minor)
            yield side, product, part
            open_ -= part
            if part == minor:
                rest.pop(0)
            else:
                rest[0] = (product, minor - part)
