"""Overage revenue: accrued as it is used, one cumulative per currency and meter."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from creditfold.core.chart import Account
from creditfold.core.currencies import MINOR_EXPONENT
from creditfold.core.draft import Draft
from creditfold.core.exact import decimal, half_even
from creditfold.core.overage_state import ACCRUAL, Accrual

OVERAGE = "R-OVERAGE"
BACKFILL = "R-BACKFILL"
DROP = "R-DROP"

_UP: Final = (Account.UNBILLED, Account.OVERAGE)  # made once: see `entries.ORIGIN`
_DOWN: Final = (Account.OVERAGE, Account.UNBILLED)


def accrue(
    draft: Draft,
    meter: str,
    product: str,
    currency: str,
    amount: int,
    exponent: int,
    *,
    less: str = BACKFILL,
    effective: int | None = None,
) -> None:
    """Post priced overage to unbilled receivable as it is used (ASC 606-10-55-18).

    The cumulative is per currency and meter: post = HE(a1) - HE(a0). A negative amount takes back
    by the rule `less`: what credit repays (its price is the credit's, and no longer the
    overage's), what a reset drops, or what late and corrected usage leaves.
    """
    if draft.units_only:
        return
    key = f"{currency} {meter}"
    accrual: Accrual = draft.get(ACCRUAL, key) or Accrual()
    before = int(accrual.amount)
    total = before + amount
    step = 10 ** (exponent - MINOR_EXPONENT[currency])
    more = half_even(total, step) - half_even(before, step)
    draft.put(ACCRUAL, key, replace(accrual, amount=str(total)))
    draft.begin_entry()
    up = amount > 0
    debit, credit = _UP if up else _DOWN
    draft.post(
        OVERAGE if up else less,
        debit,
        credit,
        abs(more),
        currency,
        {
            "f": "HE(a1)-HE(a0)" if up else "HE(a0)-HE(a1)",
            "a0": decimal(before, exponent),
            "a1": decimal(total, exponent),
        },
        product=product,
        effective=effective,
    )


def bill_accrued(draft: Draft, meter: str, currency: str, amount: int, exponent: int) -> int:
    """Overage of this amount is billed; the minor units of it that stand in account 1150."""
    key = f"{currency} {meter}"
    accrual: Accrual = draft.get(ACCRUAL, key)
    before = int(accrual.billed)
    total = before + amount
    step = 10 ** (exponent - MINOR_EXPONENT[currency])
    draft.put(ACCRUAL, key, replace(accrual, billed=str(total)))
    return half_even(total, step) - half_even(before, step)
