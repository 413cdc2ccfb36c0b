"""What no block covered of a usage, and what credit repaid of it later, as the journal keeps it."""

from __future__ import annotations

from msgspec import Struct

from creditfold.core.counted import Usage
from creditfold.core.facts import OveragePolicy
from creditfold.core.scope import Scope


class Unpaid(Struct, frozen=True, array_like=True, gc=False):
    """What of a usage no block covered: its price in `unit`, and the meter's steps.

    `rest` is the same exactly, in the unit that was asked last, or None where none was.
    """

    unit: str
    amount: int
    quantity: int
    policy: OveragePolicy = OveragePolicy.BILL
    rest: tuple[str, int] | None = None


class Repaid(Struct, frozen=True, array_like=True, gc=False):
    """What credit repaid of carried overage: `slices` are (block, amount, rate) in order.

    Without slices a reset has dropped it, and nobody owes it.
    """

    overage: str
    usage: Usage
    exponent: int
    unit: str
    rate: str | None
    amount: int
    quantity: int
    slices: tuple[tuple[str, int, str | None], ...] = ()


class Reach(Struct, frozen=True, array_like=True):
    """Which usage credit of a unit and a scope may pay."""

    unit: str
    scope: Scope | None = None


class GivenOverage(Struct, frozen=True, array_like=True):
    """What a program says of usage that its credit could pay and none covered, until an instant."""

    policy: OveragePolicy
    reach: Reach
    until: int
