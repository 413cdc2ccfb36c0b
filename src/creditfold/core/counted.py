"""Usage as entries name it, and what a statement counts of it."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

USED: Final = "used"
COVERED: Final = "covered"
OVERAGE: Final = "overage"
"""Cells of a statement: used; covered by kind and unit; overage by policy, unit and rate."""


class Usage(Struct, frozen=True, array_like=True, gc=False):
    """What an entry says about the usage that drew it, and where a statement counts it."""

    id: str
    meter: str
    product: str
    time: int
    subscription: str | None = None


class Counted(Struct, frozen=True, gc=False):
    """So much more or less of a cell: steps of the meter or unit, and of overage its price."""

    usage: Usage
    cell: tuple[str, ...]
    quantity: int
    amount: int = 0
