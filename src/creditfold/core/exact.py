"""Exact numbers: integers of a declared step, half-even quotients, decimal text without floats."""

from __future__ import annotations

import re
from functools import lru_cache

from msgspec import Struct

INT64_MAX = 2**63 - 1
DECIMALS_MAX = 18

_POWERS = tuple(int(f"1{'0' * n}") for n in range(64))
_WRITTEN = tuple(f"%d.%0{n}d" for n in range(64))

_DECIMAL = re.compile(r"(-?)(0|[1-9][0-9]{0,30})(?:\.([0-9]{1,30}))?")


class Exact(Struct, frozen=True, array_like=True, tag="n", gc=False):
    """A decimal number `coefficient / 10**decimals` with no trailing zero among its decimals."""

    coefficient: int
    decimals: int

    def scaled(self, exponent: int) -> int | None:
        """Whole steps of `10**-exponent`, or None where that would have to round."""
        if self.decimals > exponent:
            return None
        return self.coefficient * pow10(exponent - self.decimals)

    def __str__(self) -> str:
        return decimal(self.coefficient, self.decimals)

    def compared(self, other: Exact) -> int:
        """-1, 0 or 1, by value."""
        left = self.coefficient * pow10(other.decimals)
        right = other.coefficient * pow10(self.decimals)
        return (left > right) - (left < right)


def parse_decimal(text: str) -> Exact | None:
    """The number written in plain decimal notation, or None where it is none or beyond int64.

    No exponent, no leading plus or zeros, no NaN: what two readers could read differently is not
    a quantity.
    """
    match = _DECIMAL.fullmatch(text)
    if match is None:
        return None
    sign, whole, fraction = match.groups()
    digits = (fraction or "").rstrip("0")
    coefficient = int(whole + digits)
    if coefficient > INT64_MAX or len(digits) > DECIMALS_MAX:
        return None
    return Exact(-coefficient if sign else coefficient, len(digits))


@lru_cache(maxsize=16_384)  # most figures are what the outcome before has left
def decimal(amount: int, exponent: int) -> str:
    """`amount` steps of `10**-exponent` as a decimal string without trailing zeros."""
    if exponent == 0:
        return str(amount)
    if amount < 0:
        return f"-{decimal(-amount, exponent)}"
    digits = _WRITTEN[exponent] % divmod(amount, _POWERS[exponent])
    return digits.rstrip("0").rstrip(".")


def pow10(exponent: int) -> int:
    """Ten to a power that is not negative."""
    return _POWERS[exponent]


def half_even(numerator: int, denominator: int) -> int:
    """`numerator / denominator` rounded to the nearest integer, ties to the even one."""
    assert denominator > 0
    quotient, remainder = divmod(numerator, denominator)
    twice = 2 * remainder
    if twice > denominator or (twice == denominator and quotient & 1):
        return quotient + 1
    return quotient
