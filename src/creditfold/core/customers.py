"""Creating a customer and changing what is known of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypeVar

from msgspec.structs import replace

from creditfold.core import top_ups
from creditfold.core.currencies import MINOR_EXPONENT
from creditfold.core.draft import Draft
from creditfold.core.exact import INT64_MAX, Exact
from creditfold.core.facts import CustomerCreated, CustomerUpdated
from creditfold.core.overage import DEFAULT
from creditfold.core.programs import plan
from creditfold.core.rejections import Code, Rejection, gravest, highest
from creditfold.core.state import PROFILE, Account, Profile
from creditfold.core.top_up_facts import TopUp
from creditfold.core.top_up_state import TopUpTerms

_V = TypeVar("_V")


def create(draft: Draft, body: CustomerCreated) -> Rejection | None:
    """Open the account; its currency never changes."""
    read = _read(draft, body)
    if body.currency not in MINOR_EXPONENT:
        detail = f"{body.currency} is not a currency of ISO 4217"
        unknown = Rejection(Code.UNKNOWN_CURRENCY, detail)
        return highest([read if isinstance(read, Rejection) else None, unknown])
    if isinstance(read, Rejection):
        return read
    rounds = len(draft.catalog.rounds)
    # what is written down from now on need not be dropped before long
    draft.open(Account(body.currency, draft.time, looked=rounds, pruned_to=draft.now))
    profile = Profile(
        body.time_zone,
        body.attributes,
        _given(read.limits),
        body.overage,
        since=min(draft.time, draft.now),
    )
    draft.put(PROFILE, "", profile)
    top_ups.arrange(draft, read.top_ups)
    plan(draft)
    return None


def update(draft: Draft, body: CustomerUpdated) -> Rejection | None:
    """Change what is given; an attribute, credit limit or top-up of None is removed."""
    read = _read(draft, body)
    if isinstance(read, Rejection):
        return read
    profile: Profile = draft.get(PROFILE)
    draft.put(
        PROFILE,
        "",
        replace(
            profile,
            time_zone=body.time_zone or profile.time_zone,
            attributes=_given({**profile.attributes, **body.attributes}),
            credit_limits=_given({**profile.credit_limits, **read.limits}),
            overage=_given({**profile.overage, **body.overage}),
            since=min(draft.time, draft.now) if body.attributes else profile.since,
        ),
    )
    top_ups.arrange(draft, read.top_ups)
    plan(draft)
    return None


class _Read(NamedTuple):
    """Credit limits and terms of top-ups, in steps of their units."""

    limits: dict[str, int | None]
    top_ups: dict[str, TopUpTerms | None]


def _read(draft: Draft, body: CustomerCreated | CustomerUpdated) -> _Read | Rejection:
    """What the body says about units, or the gravest fault of it."""
    faults = [
        Rejection(Code.UNKNOWN_UNIT, f"{field} names unit {unit}: publish unit.declared first")
        for field, units in (
            ("overage", body.overage.keys() - {DEFAULT}),
            ("credit_limits", body.credit_limits),
            ("top_ups", body.top_ups),
        )
        for unit in units
        if draft.catalog.exponent(unit) is None
    ]
    if faults:
        return gravest(faults)

    def within(unit: str, quantity: Exact | None, what: str) -> int | None:
        """In steps of the unit; a fault is kept."""
        exponent = draft.catalog.exponent(unit)
        assert exponent is not None
        amount = None if quantity is None else quantity.scaled(exponent)
        if quantity is not None and amount is None:
            detail = f"the {what} is {quantity} {unit}, which has {exponent} decimals: round it"
            faults.append(Rejection(Code.QUANTITY_NOT_EXACT, detail))
        elif amount is not None and amount > INT64_MAX:
            largest = Exact(INT64_MAX, exponent)
            detail = f"the {what} is {quantity} {unit}: the largest is {largest}"
            faults.append(Rejection(Code.QUANTITY_OUT_OF_RANGE, detail))
        return amount

    def terms(unit: str, given: TopUp) -> TopUpTerms:
        most = within(unit, given.max, "top-up's max")
        return TopUpTerms(
            within(unit, given.threshold, "top-up's threshold") or 0,
            within(unit, given.add, "top-up's add"),
            within(unit, given.target, "top-up's target"),
            within(unit, given.min, "top-up's min") or 0,
            INT64_MAX if most is None else most,
            given.cooldown,
        )

    read = _Read(
        {unit: within(unit, limit, "limit") for unit, limit in body.credit_limits.items()},
        {
            unit: None if given is None else terms(unit, given)
            for unit, given in body.top_ups.items()
        },
    )
    return highest(faults) or read


def _given(values: Mapping[str, _V | None]) -> dict[str, _V]:
    return {name: value for name, value in values.items() if value is not None}
