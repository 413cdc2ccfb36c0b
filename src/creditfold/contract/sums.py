"""Exact sums of the decimal strings that records hold."""

from __future__ import annotations

from creditfold.core.exact import decimal

SCALE = 18
"""No amount on the wire has more decimals."""


def scaled(amount: str | int) -> int:
    """A decimal string in steps of 10**-18."""
    text = str(amount)
    whole, _, fraction = text.removeprefix("-").partition(".")
    steps = int(whole + fraction.ljust(SCALE, "0"))
    return -steps if text.startswith("-") else steps


def plain(steps: int) -> str:
    """Steps of 10**-18 as a decimal string."""
    return decimal(steps, SCALE)


def total(*amounts: str | int) -> str:
    """The exact sum of decimal strings."""
    return plain(sum(map(scaled, amounts)))
