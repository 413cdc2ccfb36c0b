"""Creating a customer and changing what is known of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

from msgspec.structs import replace

from creditfold.core.currencies import MINOR_EXPONENT
from creditfold.core.draft import Draft
from creditfold.core.exact import INT64_MAX, Exact
from creditfold.core.facts import CustomerCreated, CustomerUpdated
from creditfold.core.overage import DEFAULT
from creditfold.core.programs import plan
from creditfold.core.rejections import Code, Rejection, highest
from creditfold.core.state import ACCOUNT, PROFILE, Account, Profile

_V = TypeVar("_V")


def create(draft: Draft, body: CustomerCreated) -> Rejection | None:
    """Open the account; its currency never changes."""
    limits = _limits(draft, body.credit_limits, body.overage)
    refusal = limits if isinstance(limits, Rejection) else None
    if body.currency not in MINOR_EXPONENT:
        detail = f"{body.currency} is not a currency of ISO 4217"
        refusal = highest([refusal, Rejection(Code.UNKNOWN_CURRENCY, detail)])
    if refusal is not None or isinstance(limits, Rejection):
        return refusal
    draft.put(ACCOUNT, "", Account(body.currency, draft.time, looked=len(draft.catalog.rounds)))
    profile = Profile(
        body.time_zone,
        body.attributes,
        _given(limits),
        body.overage,
        since=min(draft.time, draft.now),
    )
    draft.put(PROFILE, "", profile)
    plan(draft)
    return None


def update(draft: Draft, body: CustomerUpdated) -> Rejection | None:
    """Change what is given; an attribute or credit limit of None is removed."""
    limits = _limits(draft, body.credit_limits, body.overage)
    if isinstance(limits, Rejection):
        return limits
    profile: Profile = draft.get(PROFILE)
    draft.put(
        PROFILE,
        "",
        replace(
            profile,
            time_zone=body.time_zone or profile.time_zone,
            attributes=_given({**profile.attributes, **body.attributes}),
            credit_limits=_given({**profile.credit_limits, **limits}),
            overage=_given({**profile.overage, **body.overage}),
            since=min(draft.time, draft.now) if body.attributes else profile.since,
        ),
    )
    plan(draft)
    return None


def _limits(
    draft: Draft, wire: Mapping[str, Exact | None], overage: Iterable[str]
) -> dict[str, int | None] | Rejection:
    """Credit limits in steps of their units, or the gravest fault of them."""
    faults = [
        Rejection(Code.UNKNOWN_UNIT, f"overage names unit {unit}: publish unit.declared first")
        for unit in overage
        if unit != DEFAULT and draft.catalog.exponent(unit) is None
    ]
    found: dict[str, int | None] = {}
    for unit, quantity in wire.items():
        exponent = draft.catalog.exponent(unit)
        if exponent is None:
            detail = f"credit_limits names unit {unit}: publish unit.declared first"
            faults.append(Rejection(Code.UNKNOWN_UNIT, detail))
            continue
        amount = None if quantity is None else quantity.scaled(exponent)
        if quantity is not None and amount is None:
            detail = f"the limit is {quantity} {unit}, which has {exponent} decimals: round it"
            faults.append(Rejection(Code.QUANTITY_NOT_EXACT, detail))
        elif amount is not None and amount > INT64_MAX:
            detail = f"the limit is {quantity} {unit}: the largest is {Exact(INT64_MAX, exponent)}"
            faults.append(Rejection(Code.QUANTITY_OUT_OF_RANGE, detail))
        found[unit] = amount
    return highest(faults) or found


def _given(values: Mapping[str, _V | None]) -> dict[str, _V]:
    return {name: value for name, value in values.items() if value is not None}
