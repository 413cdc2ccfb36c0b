"""Facts about commitments: a minimum of usage per term, and what a missing unit of it costs."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from creditfold.core.calendar import Every
from creditfold.core.exact import Exact


class ShortfallMethod(StrEnum):
    """When a shortfall is earned: as the term ends, or with usage, by what is expected of it."""

    AT_PERIOD_END = "at_period_end"
    PROPORTIONAL = "proportional"


class Commitment(Struct, frozen=True):
    """At least `quantity` of `unit` in each term; what is missing costs `rate` apiece.

    Without a rate the unit is a currency, and one is one. `expected` of the quantity is what
    usage is expected to reach; without it there is nothing to earn before the end.
    """

    unit: str
    quantity: Exact
    term: Every
    rate: Exact | None = None
    expected: Exact | None = None
    shortfall: ShortfallMethod | None = None
