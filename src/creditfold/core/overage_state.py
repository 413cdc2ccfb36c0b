"""What a customer's state keeps of usage that no block covered."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from creditfold.core.counted import Usage
from creditfold.core.exact import half_even
from creditfold.core.predicate import Value
from creditfold.core.state import Price


class Accrual(Struct, frozen=True, gc=False):
    """All overage of one (currency, meter) so far, and what of it was billed, in ledger steps.

    HE of each is posted, so HE(amount) - HE(billed) stands in account 1150. They are text: over
    the years the steps may outgrow int64, which no single one may.
    """

    amount: str = "0"
    billed: str = "0"


class OpenOverage(Struct, frozen=True, gc=False):
    """Overage that no invoice has billed and no credit repaid.

    Without a price its unit is `meter:<meter>`, its amount is of the meter, and nothing is posted.
    `stated` says in which statements how much of it goes out, where it is to be billed.
    """

    meter: str
    product: str
    time: int
    unit: str
    amount: int
    stated: tuple[tuple[int, int], ...] = ()


class Carried(Struct, frozen=True, gc=False):
    """Open overage that credit repays: what it asks for, and how much of it is uncovered.

    `quantity` is the usage's, `uncovered` what is left of it, both of the meter; `rest` is the
    same exactly, in the unit that was asked last, or None where none was.
    """

    usage: Usage
    quantity: int
    uncovered: int
    properties: dict[str, Value]
    prices: tuple[Price, ...]
    rest: tuple[str, int] | None = None

    def owed(self) -> Iterator[tuple[str, int]]:
        """By unit, what credit of it would repay, in the unit's steps."""
        whole = {price.unit: price.amount for price in self.prices}
        for unit, amount in whole.items():
            if self.rest is None:
                yield unit, amount
            else:
                asked, rest = self.rest
                yield unit, half_even(amount * rest, whole[asked]) if rest else 0


ACCRUAL = "accrual"
OVERAGE = "overage"
CARRIED = "carried"
