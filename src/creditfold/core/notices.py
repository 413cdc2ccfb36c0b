"""What people should know: credit granted, expiring, low, back, or gone. Each said once."""

from __future__ import annotations

from typing import Any

from creditfold.core.draft import Draft
from creditfold.core.entries import AVAILABLE, ISSUED, ORIGIN, Notice
from creditfold.core.exact import decimal, pow10
from creditfold.core.policy_facts import Threshold
from creditfold.core.state import BLOCK, Account, Block
from creditfold.core.times import rfc3339


def tell(draft: Draft, what: str, **about: Any) -> None:  # noqa: ANN401  # fields of a notice
    """Send a notice with the outcome, at whose time it counts unless `about` says another."""
    draft.notices.append(
        Notice(
            notice=f"{draft.outcome}.n{len(draft.notices) + 1}",
            what=what,
            customer=draft.customer,
            outcome=draft.outcome,
            **{"effective_at": rfc3339(draft.time), **about},
        )
    )


def expiring(draft: Draft, block_id: str) -> None:
    """A block expires soon, and something is left in it."""
    terms, block = draft.granted(block_id), draft.get(BLOCK, block_id)
    assert terms.expires_at is not None
    assert isinstance(block, Block)
    if block.remaining:
        tell(
            draft,
            "expiring",
            quantity=decimal(block.remaining, terms.exponent),
            unit=terms.unit,
            block=block_id,
            expires_at=rfc3339(terms.expires_at),
        )


def watch(draft: Draft, before: Account | None) -> None:
    """Say what the outcome did to the customer's blocks and balances, compared with before it.

    A crossing is from one side of a threshold to the other, so each is told once, and again only
    after it went back. What a unit has first is no crossing.
    """
    account = draft.account
    woken: set[str] = set()
    for entry in draft.entries:
        if entry.from_ is ORIGIN and entry.to is ISSUED:
            tell(draft, "granted", quantity=entry.quantity, unit=entry.unit, block=entry.block)
        active = entry.from_ is ISSUED and entry.to is AVAILABLE
        if active and draft.granted(entry.block).pays_usage:
            woken.add(entry.unit)
    if woken:
        account.full = {**account.full, **{unit: account.usable[unit] for unit in sorted(woken)}}
    if before is None or before.usable == account.usable:
        return
    for unit in sorted(before.usable):
        had, has = before.usable[unit], account.usable[unit]
        if has == had:
            continue
        exponent = draft.catalog.exponent(unit)
        assert exponent is not None
        figures = {"unit": unit, "quantity": decimal(has, exponent)}
        for threshold in draft.policy.thresholds:
            if threshold.unit != unit:
                continue
            low = _limit(threshold, exponent, before.full.get(unit, 0))
            now = _limit(threshold, exponent, account.full.get(unit, 0))
            if (had <= low) != (has <= now):
                what = "balance_low" if has <= now else "balance_recovered"
                tell(draft, what, **figures, threshold=decimal(now, exponent))
        if not has:
            tell(draft, "depleted", **figures)


def _limit(threshold: Threshold, exponent: int, full: int) -> int:
    """The highest balance that is low, in steps; digits that no balance has are cut."""
    part, whole = threshold.amount, pow10(exponent)
    if threshold.percent is not None:
        part, whole = threshold.percent, full
    assert part is not None
    hundredth = 1 if threshold.percent is None else 100
    return part.coefficient * whole // (pow10(part.decimals) * hundredth)
